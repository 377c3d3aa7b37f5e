"""Checks that every variant must pass; `gan-zoo check` runs them over a plugin."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from gan_zoo.data import Dataset, Split
from gan_zoo.engine import Sampler, State, advance, checkpoint, flush, init
from gan_zoo.variant import Variant

CLASSES = 10
BATCH = 8
LEFT_OVER = 3

Check = Callable[[Variant], None]


class Broken(Exception):
    """A variant fails a check."""


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


def random_data(side: int, channels: int = 1, n: int = 2 * BATCH + LEFT_OVER) -> Dataset:
    """Images of random pixels with random labels, the last batch of an epoch smaller than the others."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, channels, side, side), generator=random, dtype=torch.uint8)
    split = Split(images, torch.randint(CLASSES, (n,), generator=random))
    names = tuple(str(label) for label in range(CLASSES))
    return Dataset("random", "Random pixels", split, split, CLASSES, names, extractor="", fingerprint="")


def _start(variant: Variant, seed: int = 0) -> State:
    packs = max(1, BATCH // variant.packing) * variant.packing
    small = dataclasses.replace(
        variant,
        batch_size=packs,
        fake_batch_size=variant.fake_batch_size and packs,
        generator_batch_size=variant.generator_batch_size and packs,
    )
    return init(small, random_data(variant.image_side), seed)


def shapes(variant: Variant) -> None:
    """The generator returns samples in [-1, 1] of the data's shape, the discriminator one score a sample (or pack)."""
    state = _start(variant)
    real, labels = state.data.take(torch.arange(BATCH))
    latent = variant.latent.draw(BATCH, random=torch.Generator().manual_seed(0))
    generator, discriminator = state.networks
    fake = generator(latent) if variant.conditioning == "none" else generator(latent, labels)
    _need(fake.shape == real.shape, f"the generator returns {tuple(fake.shape)} for data of {tuple(real.shape)}")
    _need(bool((fake.abs() <= 1).all()), "the generator returns values outside [-1, 1]")
    packed = real.reshape(BATCH // variant.packing, -1, *real.shape[2:])
    output = discriminator(packed, labels) if variant.discriminator_is_conditional else discriminator(packed)
    score = getattr(output, "score", output)
    expected = (len(packed),)
    _need(score.shape == expected, f"the discriminator returns scores of {tuple(score.shape)}, not {expected}")


def gradients_reach(variant: Variant) -> None:
    """Two iterations leave a gradient on every parameter of both networks.

    Two, since a residual branch that begins at zero passes no gradient before its first step. Biases before a batch
    norm are exempt. The gradient of the score's bias may be zero, as it cancels in losses that are linear in the scores
    or depend on their differences.
    """
    state = _start(variant)
    with _biases_before_batch_norm(state) as exempt:
        advance(state, 2)
    # Biases of the layers with one output.
    layers = [m for m in state.networks.discriminator.modules() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))]
    cancelling = {m.bias for m in layers if m.bias is not None and m.bias.numel() == 1}
    for side, network in state.networks._asdict().items():
        for name, parameter in network.named_parameters():
            reached = parameter.grad is not None and (parameter in cancelling or bool((parameter.grad != 0).any()))
            _need(reached or parameter in exempt, f"no gradient reaches {side}.{name}")


@contextlib.contextmanager
def _biases_before_batch_norm(state: State) -> Iterator[set[nn.Parameter]]:
    """Collects the biases of layers whose output is the input of a batch norm, which subtracts them."""
    found: set[nn.Parameter] = set()
    outputs: list[tuple[Tensor, nn.Parameter]] = []
    hooks = []

    def after_layer(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        if isinstance(layer.bias, nn.Parameter):
            outputs.append((output, layer.bias))

    def before_norm(_norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.update(bias for output, bias in outputs if output is inputs[0])

    for module in (module for network in state.networks for module in network.modules()):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(before_norm))
        elif isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            hooks.append(module.register_forward_hook(after_layer))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def stays_finite(variant: Variant) -> None:
    """Two epochs of random pixels, smaller last batches included, leave every recorded value finite."""
    state = advance(_start(variant), 6)
    values = flush(state) or {}
    bad = [name for name, value in values.items() if not torch.tensor(value).isfinite()]
    _need(not bad, f"{', '.join(bad)} is not finite after {state.iterations} iterations")
    _need(state.images > 0 and state.discriminator_steps == 6 * variant.discriminator_steps, "steps are not counted")


def repeats(variant: Variant) -> None:
    """Runs with the same seed are equal, and runs with different seeds are not."""
    first, again, other = (_weights(advance(_start(variant, seed), 2)) for seed in (0, 0, 1))
    _need(torch.equal(first, again), "two runs with the same seed differ")
    _need(not torch.equal(first, other), "two runs with different seeds are the same")


def label_changes_image(variant: Variant) -> None:
    """The images of a conditional generator depend on the label."""
    if variant.conditioning == "none":
        return
    sampler = Sampler.of(_start(variant)) if variant.ema is None else Sampler.of(advance(_start(variant), 1))
    latent = variant.latent.draw(1, random=torch.Generator().manual_seed(0)).expand(CLASSES, -1)
    with torch.no_grad():
        images = sampler.generator.eval()(latent, torch.arange(CLASSES))
    same = [label for label in range(1, CLASSES) if torch.equal(images[0], images[label])]
    _need(not same, f"labels 0 and {same} give the same image")


def checkpoint_resumes(variant: Variant) -> None:
    """A run resumed from a checkpoint equals an uninterrupted one, and the checkpoint samples the same images."""
    state = advance(_start(variant), 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.safetensors"
        checkpoint.save(state, path)
        loaded = checkpoint.load(path)
    _need(torch.equal(Sampler.of(state)(4), loaded.sampler("cpu")(4)), "a loaded checkpoint samples other images")
    resumed = advance(checkpoint.restore(_start(variant), loaded), 2)
    same = torch.equal(_weights(advance(state, 2)), _weights(resumed))
    _need(same, "a run that is resumed from a checkpoint differs from an uninterrupted one")


def _weights(state: State) -> Tensor:
    return torch.cat([p.detach().flatten() for network in state.networks for p in network.parameters()])


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (shapes, gradients_reach, stays_finite, repeats, label_changes_image, checkpoint_resumes)
}
"""All checks by name; each raises `Broken` if the variant fails it."""
