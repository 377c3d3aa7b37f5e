"""A pair for points in the plane or on the line: MLPs without any normalization."""

import math

from torch import Tensor, nn

from gan_zoo.networks.blocks import make_discriminator, norm_1d
from gan_zoo.networks.labels import LabelConcat
from gan_zoo.networks.mlp import mlp_body
from gan_zoo.variant import Spec


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

    The networks work on points times ``scale``: modes that lie close together in [-1, 1] are slow to tell apart.
    """

    def generator(spec: Spec) -> nn.Module:
        return PointGenerator(spec, width, depth, scale)

    label = LabelConcat(spec.discriminator_classes)
    body = mlp_body(math.prod(spec.judged_shape) + label.width, [width] * depth, spec.norm or "none")
    scaled = nn.Sequential(Scale(scale), body)
    return generator(spec), make_discriminator(spec, label, scaled, width, generator)
