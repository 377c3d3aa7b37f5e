"""Multi-layer perceptrons: over flattened samples of any shape, and for points in the plane or on the line."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from gan_zoo.networks.blocks import TWO_PASSES_MOMENTUM, LabelConcat, make_discriminator, norm_1d
from gan_zoo.variant import Spec


class MLPGenerator(nn.Module):
    """Linear layers, each hidden one with batch norm and LeakyReLU 0.2; tanh out."""

    def __init__(self, spec: Spec, widths: Sequence[int]) -> None:
        super().__init__()
        self.shape = spec.shape
        self.label = LabelConcat(spec.generator_classes)
        layers: list[nn.Module] = []
        width = spec.latent + self.label.width
        for hidden in widths:
            layers += [
                nn.Linear(width, hidden),
                *norm_1d(spec.generator_norm or "batch", hidden, TWO_PASSES_MOMENTUM),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, math.prod(spec.shape)), nn.Tanh())

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (B, *shape) in [-1, 1] from latents (B, latent size)."""
        return self.layers(self.label(latent, labels)).unflatten(1, self.shape)


def mlp_body(inputs: int, widths: Sequence[int], norm: str) -> nn.Sequential:
    """Linear layers with LeakyReLU 0.2: vectors (B, inputs) to features (B, last width)."""
    layers: list[nn.Module] = []
    for hidden in widths:
        layers += [nn.Linear(inputs, hidden), *norm_1d(norm, hidden), nn.LeakyReLU(0.2, inplace=True)]
        inputs = hidden
    return nn.Sequential(*layers)


def mlp(
    spec: Spec,
    generator: Sequence[int] = (128, 256, 512, 1024),
    discriminator: Sequence[int] = (1024, 512, 256),
) -> tuple[nn.Module, nn.Module]:
    """An MLP pair with the given hidden widths; no normalization in the discriminator unless the spec asks for it."""
    label = LabelConcat(spec.discriminator_classes)
    body = mlp_body(math.prod(spec.discriminator_input_shape) + label.width, discriminator, spec.norm or "none")
    decoder = partial(MLPGenerator, widths=generator)
    return decoder(spec), make_discriminator(spec, label, body, discriminator[-1], decoder)


class Scale(nn.Module):
    """Values times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape."""
        return values * self.factor


class PointGenerator(nn.Module):
    """Linear layers with ReLU between; linear out, since points have no bounds, and divided by ``scale``."""

    def __init__(self, spec: Spec, width: int, depth: int, scale: float) -> None:
        super().__init__()
        self.shape = spec.shape
        self.label = LabelConcat(spec.generator_classes)
        layers: list[nn.Module] = []
        inputs = spec.latent + self.label.width
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), *norm_1d(spec.generator_norm or "none", width), nn.ReLU(inplace=True)]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, math.prod(spec.shape)), Scale(1 / scale))

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (B, *shape) from latents (B, latent size)."""
        return self.layers(self.label(latent, labels)).unflatten(1, self.shape)


def points(spec: Spec, width: int = 128, depth: int = 3, scale: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """``depth`` hidden layers of ``width`` in each network: ReLU in the generator, LeakyReLU in the discriminator.

    The networks see points times ``scale``: modes that are close together in [-1, 1] are slow to separate.
    """

    def generator(spec: Spec) -> nn.Module:
        return PointGenerator(spec, width, depth, scale)

    label = LabelConcat(spec.discriminator_classes)
    body = mlp_body(math.prod(spec.discriminator_input_shape) + label.width, [width] * depth, spec.norm or "none")
    scaled = nn.Sequential(Scale(scale), body)
    return generator(spec), make_discriminator(spec, label, scaled, width, generator)
