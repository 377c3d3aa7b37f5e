"""One iteration of training, and the only place where an optimizer steps.

There is no host synchronization, so that everything except `count` can be recorded as a CUDA graph.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from gan_zoo.engine.batches import Batch, Draw, Fakes, draw_fakes
from gan_zoo.engine.parallel import average_buffers, gather, scatter, seed_dropout, sum_gradients
from gan_zoo.engine.sampler import mode
from gan_zoo.engine.state import State, default_generator, set_progress
from gan_zoo.errors import GanZooError
from gan_zoo.losses import DiscriminatorFunction, DiscriminatorOutput, Loss, Step


def run_iteration(state: State, draw: Draw) -> None:
    """Train for one iteration in place, add its values to ``state.history.pending``, and count it."""
    set_progress(state)
    seed_dropout(state.parallel, default_generator(state.device), state.seed, state.iterations)
    row, images = train_iteration(state, draw)
    state.history.pending.append(row)
    count(state, images)


def train_iteration(state: State, draw: Draw) -> tuple[Tensor, int]:
    """Train for one iteration in place, without counting it.

    Returns:
        The recorded values (1, values) on the device, named ``state.history.names``, and the number of real images.
    """
    variant = state.variant
    recorded: dict[str, Tensor] = {}
    images = 0
    for index in range(variant.discriminator_steps):
        batch = draw(state)
        reuse = variant.reuses_fakes and index == variant.discriminator_steps - 1
        fake = _generate(state, batch.fakes, graph=reuse)
        step = _make_step(state, "discriminator", batch, batch.fakes, fake.detach())
        recorded = _discriminator_step(state, step)
        images += len(batch.real)
        _count_progress(state, images=len(batch.real), discriminator_steps=1)
    for index in range(variant.generator_steps):
        fakes = batch.fakes
        if index or not reuse:
            fakes = draw_fakes(state, variant.generator_batch_size or len(batch.fakes.latent))
            fake = _generate(state, fakes, graph=True)
        recorded |= _generator_step(state, _make_step(state, "generator", batch, fakes, fake))
        _count_progress(state, generator_steps=1)
    recorded |= {f"state/{name}": value for name, value in state.objective.items()}
    state.history.names = tuple(recorded)
    return torch.stack([value.detach() for value in recorded.values()])[None], images


def count(state: State, images: int, iterations: int = 1) -> None:
    """Count iterations on so many real images in all."""
    state.images += images
    state.discriminator_steps += iterations * state.variant.discriminator_steps
    state.generator_steps += iterations * state.variant.generator_steps
    state.iterations += iterations


def _discriminator_step(state: State, step: Step) -> dict[str, Tensor]:
    variant = state.variant
    losses = [variant.objective.discriminator, *(penalty.loss for penalty in variant.penalties)]
    recorded = _optimizer_step(state, "discriminator", losses, step)
    if variant.after_discriminator_step is not None:
        with torch.no_grad():
            variant.after_discriminator_step(state.networks.discriminator)
    with torch.no_grad():
        for name, output in (("D(real)", step.on_real), ("D(fake)", step.on_fake)):
            recorded[name] = variant.objective.read(output.score.detach()).mean()
    return recorded


def _generator_step(state: State, step: Step) -> dict[str, Tensor]:
    with _frozen(state.networks.discriminator, but=_trained(state.optimizers.generator)):
        recorded = _optimizer_step(state, "generator", [state.variant.objective.generator], step)
    # Not before: the last graph through the networks ends with this step.
    average_buffers(state.parallel, state.networks)
    if state.ema is not None and state.variant.ema is not None:
        _average(state.ema, state.networks.generator, step.value(state.variant.ema))
    return recorded


def _optimizer_step(state: State, player: str, losses: list[Loss], step: Step) -> dict[str, Tensor]:
    """One optimizer step on the sum of the losses' terms."""
    terms: dict[str, Tensor] = {}
    logs: dict[str, Tensor] = {}
    new_state: dict[str, Tensor] = {}
    # The outermost autocast caches its casts, so that weights are cast once for all losses.
    with _autocast(state, enabled=False):
        for loss in losses:
            result = loss(step, state.objective)
            if repeated := [name for name in result.terms if f"{player}_loss/{name}" in terms]:
                raise GanZooError(f"two terms of the {player}'s loss are named {repeated[0]!r}; give each its own name")
            terms |= {f"{player}_loss/{name}": value for name, value in result.terms.items()}
            logs |= result.logs
            new_state |= result.state or {}
    total = torch.stack(list(terms.values())).sum()
    optimizer = getattr(state.optimizers, player)
    trained = _trained(optimizer)
    for parameter in trained:
        parameter.grad = None
    total.backward(inputs=trained)
    sum_gradients(state.parallel, trained)
    norm = nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    if step.progress:
        getattr(state.variant, f"{player}_optimizer").follow_schedules(optimizer, step.progress)
    optimizer.step()
    if state.variant.shared_step_count:
        (other,) = (each for each in state.optimizers if each is not optimizer)
        torch._foreach_add_([moments["step"] for moments in other.state.values()], 1)
    for name, value in new_state.items():
        state.objective[name].copy_(value.detach())
    return {f"{player}_loss": total, **terms, f"{player}_grad_norm": norm, **logs}


def _trained(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _count_progress(state: State, **counts: int) -> None:
    for name, value in counts.items() if state.progress else ():
        state.progress[name].add_(value)


def _progress(state: State, player: str) -> dict[str, Tensor]:
    """The counts before a player's next step, by the unit of a schedule."""
    if not state.progress:
        return {}
    updates = state.progress[f"{player}_steps"]
    if state.variant.shared_step_count:
        updates = state.progress["discriminator_steps"] + state.progress["generator_steps"]
    return {"images": state.progress["images"], "updates": updates}


def _make_step(state: State, player: str, batch: Batch, fakes: Fakes, fake: Tensor) -> Step:
    packing = state.variant.packing
    return Step(
        discriminator=_discriminator_function(state),
        real=_pack(batch.real, packing),
        fake=_pack(fake, packing),
        labels=batch.labels if packing == 1 else None,
        fake_labels=fakes.labels if packing == 1 else None,
        latent=state.variant.latent.split(fakes.latent),
        random=state.random["noise"],
        concat_real_fake=player == "discriminator" and state.variant.concat_real_fake,
        progress=_progress(state, player),
    )


def _discriminator_function(state: State) -> DiscriminatorFunction:
    """The discriminator in the state's precision, with labels where it takes them."""
    network = state.networks.discriminator
    conditional = state.variant.discriminator_is_conditional

    def discriminator(samples: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        size = len(samples)
        inputs = (samples, labels) if conditional else (samples,)
        with _autocast(state):
            output = network(*(scatter(state.parallel, each) for each in inputs))
        score, extra = output if isinstance(output, DiscriminatorOutput) else DiscriminatorOutput(output)
        return DiscriminatorOutput(
            gather(state.parallel, score.to(state.dtype), size),
            {name: gather(state.parallel, value.to(state.dtype), size) for name, value in extra.items()},
        )

    return discriminator


def _pack(samples: Tensor, packing: int) -> Tensor:
    """Samples (B, C, ...) as packs (B / packing, packing x C, ...)."""
    return samples if packing == 1 else samples.reshape(len(samples) // packing, -1, *samples.shape[2:])


def _generate(state: State, fakes: Fakes, *, graph: bool) -> Tensor:
    generator = state.networks.generator
    inputs = (fakes.latent,) if fakes.labels is None else fakes
    with mode(generator, training=graph or not state.variant.fakes_in_eval):
        with torch.set_grad_enabled(graph), _autocast(state):
            samples = generator(*(scatter(state.parallel, each) for each in inputs))
        return gather(state.parallel, samples.to(state.dtype), len(fakes.latent))


def _autocast(state: State, *, enabled: bool = True) -> AbstractContextManager[Any]:
    """The autocast of the state's precision; TF32 is a setting of the whole process."""
    if state.precision != "bf16":
        return nullcontext()
    return torch.autocast(state.device.type, dtype=torch.bfloat16, enabled=enabled)


@contextmanager
def _frozen(network: nn.Module, but: Iterable[nn.Parameter]) -> Iterator[None]:
    """Compute no gradients of a network's parameters within the context, except those of ``but``."""
    trained = {id(parameter) for parameter in but}
    frozen = [p for p in network.parameters() if p.requires_grad and id(p) not in trained]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float | Tensor) -> None:
    averages: list[Tensor] = list(average.parameters())
    parameters: list[Tensor] = list(network.parameters())
    if isinstance(decay, Tensor):
        torch._foreach_lerp_(averages, parameters, [1 - decay] * len(averages))
    else:
        torch._foreach_lerp_(averages, parameters, 1 - decay)
    for averaged, buffer in zip(average.buffers(), network.buffers(), strict=True):
        averaged.copy_(buffer)


def flush(state: State) -> dict[str, float] | None:
    """Move the pending iterations into one row of ``state.history.rows``; returns its means, or None without any."""
    row = pending_row(state)
    if row is None:
        return None
    state.history.pending.clear()
    state.history.rows.append(row)
    return dict(row["values"])


def pending_row(state: State) -> dict[str, Any] | None:
    """The pending iterations as a row of history, with their means and the counts at their end; None without any."""
    if not state.history.pending:
        return None
    means = torch.cat(state.history.pending).mean(dim=0).tolist()
    return {
        "step": state.iterations,
        "images": state.images,
        "seconds": state.seconds,
        "discriminator_steps": state.discriminator_steps,
        "generator_steps": state.generator_steps,
        "values": dict(zip(state.history.names, means, strict=True)),
    }
