"""Multi-layer perceptrons over flattened samples of any shape."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from gan_zoo.networks.blocks import TWO_PASSES_MOMENTUM, make_discriminator, norm_1d
from gan_zoo.networks.labels import LabelConcat
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
    body = mlp_body(math.prod(spec.judged_shape) + label.width, discriminator, spec.norm or "none")
    decoder = partial(MLPGenerator, widths=generator)
    return decoder(spec), make_discriminator(spec, label, body, discriminator[-1], decoder)
