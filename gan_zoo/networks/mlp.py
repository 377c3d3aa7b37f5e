"""Multi-layer perceptrons over flattened samples of any shape."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from gan_zoo.networks.common import TWO_PASSES_MOMENTUM, LabelConcat
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
                nn.BatchNorm1d(hidden, momentum=TWO_PASSES_MOMENTUM),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, math.prod(spec.shape)), nn.Tanh())

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (B, *shape) in [-1, 1] from latents (B, latent size)."""
        return self.layers(self.label(latent, labels)).unflatten(1, self.shape)


class MLPDiscriminator(nn.Module):
    """Linear layers with LeakyReLU 0.2 between; one score out, no normalization."""

    def __init__(self, spec: Spec, widths: Sequence[int]) -> None:
        super().__init__()
        self.label = LabelConcat(spec.discriminator_classes)
        layers: list[nn.Module] = []
        width = math.prod(spec.judged_shape) + self.label.width
        for hidden in widths:
            layers += [nn.Linear(width, hidden), nn.LeakyReLU(0.2, inplace=True)]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (B,) of samples (B, *shape)."""
        return self.layers(self.label(samples.flatten(1), labels)).squeeze(1)


def mlp(
    spec: Spec, generator: Sequence[int] = (128, 256, 512, 1024), discriminator: Sequence[int] = (1024, 512, 256)
) -> tuple[nn.Module, nn.Module]:
    """An MLP pair with the given hidden widths."""
    return MLPGenerator(spec, generator), MLPDiscriminator(spec, discriminator)
