"""Multi-layer perceptrons: over flattened samples of any shape, and for points in the plane or on the line."""

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from gan_zoo.networks.blocks import TWO_PASSES_MOMENTUM, Generator, LabelConcat, make_discriminator, norm_1d
from gan_zoo.variant import Spec


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)


def _hidden(
    inputs: int, widths: Sequence[int], norm: str, activation: Callable[[], nn.Module] = _leaky, momentum: float = 0.1
) -> list[nn.Module]:
    """Linear layers, each normalized and activated: vectors (B, inputs) to (B, last width)."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), *norm_1d(norm, width, momentum), activation()]
        inputs = width
    return layers


def mlp(
    spec: Spec,
    generator: Sequence[int] = (128, 256, 512, 1024),
    discriminator: Sequence[int] = (1024, 512, 256),
) -> tuple[nn.Module, nn.Module]:
    """An MLP pair with the given hidden widths and LeakyReLU 0.2; the samples are in [-1, 1].

    Batch norm in the generator, none in the discriminator, unless the spec asks for it.
    """

    def decoder(spec: Spec) -> nn.Module:
        label = LabelConcat(spec.generator_classes, spec.latent)
        layers = _hidden(label.width, generator, spec.generator_norm or "batch", momentum=TWO_PASSES_MOMENTUM)
        widest = [label.width, *generator][-1]
        layers += [nn.Linear(widest, math.prod(spec.shape)), nn.Tanh(), nn.Unflatten(1, spec.shape)]
        return Generator(label, nn.Sequential(*layers))

    label = LabelConcat(spec.discriminator_classes, math.prod(spec.discriminator_input_shape))
    body = nn.Sequential(*_hidden(label.width, discriminator, spec.norm or "none"))
    return decoder(spec), make_discriminator(spec, label, body, discriminator[-1], decoder)


class Scale(nn.Module):
    """Values times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape."""
        return values * self.factor


def points(spec: Spec, width: int = 128, depth: int = 3, scale: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """``depth`` hidden layers of ``width`` in each network: ReLU in the generator, LeakyReLU in the discriminator.

    The generator's output is linear, since points have no bounds. The networks see points times ``scale``: modes that
    are close together in [-1, 1] are slow to separate.
    """
    widths = [width] * depth

    def generator(spec: Spec) -> nn.Module:
        label = LabelConcat(spec.generator_classes, spec.latent)
        layers = _hidden(label.width, widths, spec.generator_norm or "none", lambda: nn.ReLU(inplace=True))
        layers += [nn.Linear(width, math.prod(spec.shape)), Scale(1 / scale), nn.Unflatten(1, spec.shape)]
        return Generator(label, nn.Sequential(*layers))

    label = LabelConcat(spec.discriminator_classes, math.prod(spec.discriminator_input_shape))
    body = nn.Sequential(Scale(scale), nn.Sequential(*_hidden(label.width, widths, spec.norm or "none")))
    return generator(spec), make_discriminator(spec, label, body, width, generator)
