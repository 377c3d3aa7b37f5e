"""A residual pair without normalization, after R3GAN (Huang et al. 2024, arXiv 2501.05441), for small images."""

import math

from torch import Tensor, nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.blocks import LabelConcat, LabelPlane, make_discriminator, norm_2d, square_side
from gan_zoo.variant import Spec

_BASE = 4


class Block(nn.Module):
    """x + f(x), where f is a 3x3 convolution between two of 1x1, the inner maps ``expansion`` times as many.

    The last convolution begins at zero, so that a block begins as the identity (fix-up: Zhang et al. 2019, arXiv
    1901.09321).
    """

    def __init__(self, width: int, norm: str, expansion: int = 2) -> None:
        super().__init__()
        inner = width * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            *norm_2d(norm, inner),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner // 16 if inner % 16 == 0 else 1),
            *norm_2d(norm, inner),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.last = nn.Conv2d(inner, width, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, width, H, W) of the same shape."""
        return maps + self.last(self.layers(maps))


class ResidualGenerator(nn.Module):
    """Linear to 4x4; each stage two blocks, then twice the side (nearest neighbors) and half the maps; tanh out."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.label = LabelConcat(spec.generator_classes)
        stages = _stages(spec.shape)
        norm = spec.generator_norm or "none"
        wide = width * 2**stages
        layers: list[nn.Module] = [
            nn.Linear(spec.latent + self.label.width, wide * _BASE**2),
            nn.Unflatten(1, (wide, _BASE, _BASE)),
        ]
        for _ in range(stages):
            layers += [Block(wide, norm), Block(wide, norm), nn.Upsample(scale_factor=2), nn.Conv2d(wide, wide // 2, 1)]
            wide //= 2
        self.layers = nn.Sequential(*layers, Block(wide, norm), nn.Conv2d(wide, spec.shape[0], 3, padding=1), nn.Tanh())
        _begin_as_identity(self)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from latents (B, latent size)."""
        return self.layers(self.label(latent, labels))


def residual(spec: Spec, width: int = 32) -> tuple[nn.Module, nn.Module]:
    """A residual pair, ``width`` maps next to the image, doubled each time the side is halved, down to 4x4.

    Raises:
        GanZooError: a side that is not 8, 16, 32 ...
    """

    def generator(spec: Spec) -> nn.Module:
        return ResidualGenerator(spec, width)

    channels, *size = spec.discriminator_input_shape
    label = LabelPlane(spec.discriminator_classes, *size)
    norm = spec.norm or "none"
    body: list[nn.Module] = [nn.Conv2d(channels + label.channels, width, 3, padding=1)]
    wide = width
    for _ in range(_stages(spec.shape)):
        body += [Block(wide, norm), Block(wide, norm), nn.AvgPool2d(2), nn.Conv2d(wide, 2 * wide, 1)]
        wide *= 2
    body += [Block(wide, norm), nn.Flatten()]
    judge = make_discriminator(spec, label, nn.Sequential(*body), wide * _BASE**2, generator)
    _begin_as_identity(judge)
    return generator(spec), judge


def _begin_as_identity(network: nn.Module) -> None:
    """Weights with a gain for leaky ReLU, and every block's last layer at zero; marked, so that they stay."""
    setattr(network, "initialized", True)  # noqa: B010
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
    for block in (module for module in network.modules() if isinstance(module, Block)):
        nn.init.zeros_(block.last.weight)


def _stages(shape: tuple[int, ...]) -> int:
    """How often 4x4 is doubled to the image's side."""
    side = square_side("a residual pair", shape)
    stages = int(math.log2(side / _BASE)) if side > _BASE else 0
    if stages < 1 or side != _BASE * 2**stages:
        raise GanZooError(f"a residual pair cannot draw {side}x{side}: use a side of 8, 16, 32, 64 or 128")
    return stages
