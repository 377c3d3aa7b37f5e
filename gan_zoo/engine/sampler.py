"""Samples of a trained generator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_zoo.data import to_uint8
from gan_zoo.device import prepare, seeded
from gan_zoo.engine.state import State
from gan_zoo.errors import GanZooError
from gan_zoo.variant import Variant

_BATCH = 500


class NotFinite(GanZooError):
    """The output of a generator is not finite: it has diverged."""


@contextmanager
def mode(network: nn.Module, *, training: bool) -> Iterator[None]:
    """A network in training or evaluation mode within the context, and in its former mode after it."""
    before = network.training
    if before != training:
        network.train(training)
    try:
        yield
    finally:
        if before != training:
            network.train(before)


@dataclass(frozen=True, repr=False)
class Sampler:
    """A generator in evaluation mode: ``sampler(20)`` returns 20 images."""

    variant: Variant
    generator: nn.Module
    classes: int
    weights: str = "raw"

    @classmethod
    def of(cls, state: State) -> "Sampler":
        """The sampler of a state: of the moving average if there is one, else of the generator."""
        if state.ema is not None:
            return cls(state.variant, state.ema, state.classes, "ema")
        return cls(state.variant, state.networks.generator, state.classes)

    @property
    def conditional(self) -> bool:
        """Whether it takes labels."""
        return self.variant.conditioning != "none"

    def __repr__(self) -> str:
        labels = f"conditional, {self.classes} classes" if self.conditional else "unconditional"
        name = self.variant.name or self.variant.title
        return f"Sampler({name}, {labels}, latent {self.variant.latent}, {self.weights} weights)"

    def __call__(
        self,
        n: int,
        *,
        labels: Tensor | Sequence[int] | None = None,
        latents: Tensor | None = None,
        seed: int = 0,
    ) -> Tensor:
        """``n`` images, uint8 (n, C, H, W), or points, float32 (n, D), on the generator's device.

        Equal for equal seeds, and in float32 whatever the precision of training. ``labels`` (n,) are classes; without
        them those of a conditional generator are uniformly random. ``latents`` are (n, size).

        Raises:
            GanZooError: as ``draw``.
            NotFinite: values that are not finite.
        """
        return self.generate(*self.draw(n, labels=labels, latents=latents, seed=seed))

    def draw(
        self,
        n: int,
        *,
        labels: Tensor | Sequence[int] | None = None,
        latents: Tensor | None = None,
        seed: int = 0,
    ) -> tuple[Tensor, ...]:
        """The inputs of the generator: latents (n, size), and of a conditional one labels (n,).

        Raises:
            GanZooError: ``n`` below 1, labels for an unconditional generator, an unknown class, or latents of another
                shape.
        """
        if n < 1:
            raise GanZooError(f"{self.variant.name!r} cannot make {n} images; ask for 1 or more")
        first = next(self.generator.parameters())
        random = seeded(seed, "samples")
        latent = self.variant.latent.draw(n, random=random) if latents is None else latents
        if latent.shape != (n, self.variant.latent.size):
            size = self.variant.latent.size
            raise GanZooError(
                f"latents are of shape {tuple(latent.shape)}; {self.variant.name!r} takes {n} of size {size}, "
                f"{self.variant.latent}"
            )
        if self.conditional:
            return latent.to(first), self._labels(n, labels, random).to(first.device)
        if labels is not None:
            raise GanZooError(f"variant {self.variant.name!r} is not conditional: it takes no labels")
        return (latent.to(first),)

    def interpolate(self, steps: int, *, label: int | None = None, seed: int = 0) -> tuple[Tensor, ...]:
        """The inputs of ``steps`` images from one latent to another, of one class: ``generate(*interpolate(8))``.

        Raises:
            GanZooError: fewer than two steps, or as ``draw``.
        """
        ends, *labels = self.draw(2, labels=None if label is None else [label] * 2, seed=seed)
        path = self.variant.latent.interpolate(ends[0], ends[1], steps)
        return (path, *(each[:1].expand(steps) for each in labels))

    @torch.no_grad()
    def generate(self, *inputs: Tensor) -> Tensor:
        """Images or points of latents (n, size), and of labels (n,) for a conditional generator.

        Raises:
            NotFinite: values that are not finite.
        """
        prepare(inputs[0].device.type)
        with mode(self.generator, training=False):
            chunks = zip(*(each.split(_BATCH) for each in inputs), strict=True)
            return torch.cat([self._chunk(*chunk) for chunk in chunks])

    def _chunk(self, *inputs: Tensor) -> Tensor:
        samples = self.generator(*inputs)
        if not samples.isfinite().all():
            raise NotFinite(
                f"the generator of {self.variant.name!r} returns values that are not finite: it has diverged"
            )
        return samples.float() if samples.dim() == 2 else to_uint8(samples)

    def _labels(self, n: int, labels: Tensor | Sequence[int] | None, random: torch.Generator) -> Tensor:
        classes = torch.randint(self.classes, (n,), generator=random) if labels is None else torch.as_tensor(labels)
        whole = not classes.is_floating_point() and classes.shape == (n,)
        if not whole or classes.min() < 0 or classes.max() >= self.classes:
            raise GanZooError(f"labels must be {n} classes from 0 to {self.classes - 1}, one an image")
        return classes
