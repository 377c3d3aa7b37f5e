"""The mathematics of a round of training, and the only place where an optimizer steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_zoo.engine.state import State, default_random
from gan_zoo.errors import GanZooError
from gan_zoo.objectives import Critique, Loss, Result, Step
from gan_zoo.variant import Variant


class Fakes(NamedTuple):
    """What fakes are made from: latents (B, latent size), and labels (B,) where the variant is conditioned."""

    latent: Tensor
    labels: Tensor | None


class Batch(NamedTuple):
    """What a discriminator step gets: real samples (B, ...), their labels (B,), and what its fakes are made from."""

    real: Tensor
    labels: Tensor
    fakes: Fakes


Draw = Callable[[State], Batch]


def draw(state: State) -> Batch:
    """The next batch of real samples, and latents and labels for as many fakes as the variant asks for."""
    real, labels = state.data.take(_next_index(state))
    size = state.variant.fake_batch_size
    if size is not None:
        return Batch(real.to(state.dtype), labels, draw_fakes(state, size))
    latent = state.variant.latent.draw(len(real), random=state.random["latent"], dtype=state.dtype)
    return Batch(real.to(state.dtype), labels, Fakes(latent, _if_conditioned(state.variant, labels)))


def draw_fakes(state: State, size: int) -> Fakes:
    """Fresh latents, whole packs of them, and labels drawn as they occur in the training set."""
    size -= size % state.variant.packing
    latent = state.variant.latent.draw(size, random=state.random["latent"], dtype=state.dtype)
    if state.variant.conditioning == "none":
        return Fakes(latent, None)
    index = torch.randint(len(state.data), (size,), generator=state.random["labels"], device=state.device)
    return Fakes(latent, state.data.labels[index])


def _if_conditioned(variant: Variant, labels: Tensor) -> Tensor | None:
    return None if variant.conditioning == "none" else labels


def _next_index(state: State) -> Tensor:
    """Indices of the next batch. An epoch's last batch is smaller; one too small for batch norm is left out."""
    size, packing, total = state.variant.batch_size, state.variant.packing, len(state.data)
    if state.variant.sampling == "replacement":
        return torch.randint(total, (size - size % packing,), generator=state.random["order"], device=state.device)
    left = total - state.cursor
    if left < 2 * packing:
        state.order = torch.randperm(total, generator=state.random["order"], device=state.device)
        state.cursor, left = 0, total
    taken = min(size, left)
    taken -= taken % packing
    index = state.order[state.cursor : state.cursor + taken]
    state.cursor += taken
    return index


def advance(state: State, rounds: int, *, draw: Draw = draw) -> State:
    """Train for so many rounds, in place.

    Nothing waits for the device: what is recorded stays there until ``flush``. ``draw`` may be another source of
    batches (tests inject theirs).
    """
    with default_random(state):
        for _ in range(rounds):
            _round(state, draw)
    return state


def _round(state: State, draw: Draw) -> None:
    variant, recorded = state.variant, {}
    for index in range(variant.discriminator_steps):
        batch = draw(state)
        reuse = variant.reuses_fakes and index == variant.discriminator_steps - 1
        fake = _generate(state, batch.fakes, graph=reuse)
        step = _step(
            state, batch.fakes, real=batch.real, fake=fake.detach(), labels=batch.labels, joint=state.variant.joint
        )
        recorded = _discriminator_step(state, step)
        state.images += len(batch.real)
    for index in range(variant.generator_steps):
        fakes = batch.fakes
        if index or not reuse:
            fakes = draw_fakes(state, variant.generator_batch_size or len(batch.fakes.latent))
            fake = _generate(state, fakes, graph=True)
        recorded |= _generator_step(state, _step(state, fakes, real=batch.real, fake=fake, labels=batch.labels))
    state.rounds += 1
    _record(state, recorded)


def _discriminator_step(state: State, step: Step) -> dict[str, Tensor]:
    variant = state.variant
    losses = [variant.objective.discriminator, *(penalty.loss for penalty in variant.penalties)]
    recorded = _descend(state, "discriminator", losses, step, variant.discriminator_trains(state.networks))
    state.discriminator_steps += 1
    if variant.after_discriminator_step is not None:
        with torch.no_grad():
            variant.after_discriminator_step(state.networks.discriminator)
    with torch.no_grad():
        for name, critique in (("D(real)", step.on_real), ("D(fake)", step.on_fake)):
            recorded[name] = variant.objective.read(critique.score.detach()).mean()
    return recorded


def _generator_step(state: State, step: Step) -> dict[str, Tensor]:
    trained = state.variant.generator_trains(state.networks)
    with _frozen(state.networks.discriminator, but=trained):
        recorded = _descend(state, "generator", [state.variant.objective.generator], step, trained)
    state.generator_steps += 1
    if state.ema is not None and state.variant.ema is not None:
        _average(state.ema, state.networks.generator, state.variant.ema)
    return recorded


def _descend(
    state: State, player: str, losses: list[Loss], step: Step, trained: list[nn.Parameter]
) -> dict[str, Tensor]:
    """Sum the losses' terms, and take one optimizer step down their gradient."""
    terms: dict[str, Tensor] = {}
    logs: dict[str, Tensor] = {}
    for loss in losses:
        result: Result = loss(step, state.objective)
        if repeated := [name for name in result.terms if f"{player}_loss/{name}" in terms]:
            raise GanZooError(f"two terms of the {player}'s loss are named {repeated[0]!r}; give each its own name")
        terms |= {f"{player}_loss/{name}": value for name, value in result.terms.items()}
        logs |= result.logs
        if result.state is not None:
            state.objective = {name: value.detach() for name, value in result.state.items()}
    total = torch.stack(list(terms.values())).sum()
    optimizer = getattr(state.optimizers, player)
    optimizer.zero_grad(set_to_none=True)
    total.backward(inputs=trained)
    norm = nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    optimizer.step()
    return {f"{player}_loss": total, **terms, f"{player}_grad_norm": norm, **logs}


def _step(state: State, fakes: Fakes, *, real: Tensor, fake: Tensor, labels: Tensor, joint: bool = False) -> Step:
    packing = state.variant.packing
    return Step(
        critic=_critic(state),
        real=_pack(real, packing),
        fake=_pack(fake, packing),
        labels=labels if packing == 1 else None,
        fake_labels=fakes.labels if packing == 1 else None,
        latent=state.variant.latent.split(fakes.latent),
        random=state.random["noise"],
        joint=joint,
    )


def _critic(state: State) -> Callable[[Tensor, Tensor | None], Critique]:
    discriminator, conditioned = state.networks.discriminator, state.variant.conditioning == "both"

    def critic(samples: Tensor, labels: Tensor | None) -> Critique:
        said = discriminator(samples, labels) if conditioned else discriminator(samples)
        return said if isinstance(said, Critique) else Critique(said)

    return critic


def _pack(samples: Tensor, packing: int) -> Tensor:
    """Samples (B, C, ...) as packs (B / packing, packing x C, ...)."""
    return samples if packing == 1 else samples.reshape(len(samples) // packing, -1, *samples.shape[2:])


def _generate(state: State, fakes: Fakes, *, graph: bool) -> Tensor:
    generator = state.networks.generator
    evaluating = state.variant.fakes_in_eval and not graph
    generator.train(not evaluating)
    try:
        with torch.set_grad_enabled(graph):
            return generator(fakes.latent) if fakes.labels is None else generator(fakes.latent, fakes.labels)
    finally:
        generator.train()


@contextmanager
def _frozen(network: nn.Module, but: Iterable[nn.Parameter]) -> Iterator[None]:
    """Spare the gradients of a network's parameters for a while, all but those named."""
    kept = {id(parameter) for parameter in but}
    frozen = [p for p in network.parameters() if p.requires_grad and id(p) not in kept]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)


def _record(state: State, values: Mapping[str, Tensor]) -> None:
    values = {**values, **{f"state/{name}": value for name, value in state.objective.items()}}
    state.history.names = tuple(values)
    state.history.pending.append(torch.stack([value.detach() for value in values.values()]))


def flush(state: State) -> dict[str, float] | None:
    """Gather the rounds recorded since the last flush into one row of means (the one wait for the device), or None.

    The row goes to ``state.history.rows``, with the counts of steps, images and seconds at its end.
    """
    if not state.history.pending:
        return None
    means = torch.stack(state.history.pending).mean(dim=0).tolist()
    state.history.pending.clear()
    values = dict(zip(state.history.names, means, strict=True))
    state.history.rows.append(
        {
            "step": state.rounds,
            "images": state.images,
            "seconds": state.seconds,
            "discriminator_steps": state.discriminator_steps,
            "generator_steps": state.generator_steps,
            "values": values,
        }
    )
    return values
