"""A residual pair without normalization, after R3GAN (Huang et al. 2024, arXiv 2501.05441), for small images."""

from torch import Tensor, nn

from gan_zoo.networks.blocks import Generator, LabelConcat, LabelPlane, doublings, make_discriminator, norm_2d
from gan_zoo.variant import Spec


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


def residual(spec: Spec, width: int = 32) -> tuple[nn.Module, nn.Module]:
    """A residual pair, ``width`` maps next to the image, doubled each time the side is halved, down to 4x4.

    The generator: linear to 4x4; each stage two blocks, then twice the side (nearest neighbors) and half the maps; tanh
    out. The discriminator: the same in reverse, with average pooling; linear to one score.

    Raises:
        GanZooError: a side that is not 8, 16, 32 ...
    """
    stages = doublings("a residual pair", spec.shape)
    widest = width * 2**stages

    def generator(spec: Spec) -> nn.Module:
        norm = spec.generator_norm or "none"
        label = LabelConcat(spec.generator_classes, spec.latent)
        layers: list[nn.Module] = [nn.Linear(label.width, widest * 16), nn.Unflatten(1, (widest, 4, 4))]
        wide = widest
        for _ in range(stages):
            layers += [Block(wide, norm), Block(wide, norm), nn.Upsample(scale_factor=2), nn.Conv2d(wide, wide // 2, 1)]
            wide //= 2
        layers += [Block(width, norm), nn.Conv2d(width, spec.shape[0], 3, padding=1), nn.Tanh()]
        network = Generator(label, nn.Sequential(*layers))
        _begin_as_identity(network)
        return network

    norm = spec.norm or "none"
    label = LabelPlane(spec.discriminator_classes, spec.discriminator_input_shape)
    body: list[nn.Module] = [nn.Conv2d(label.channels, width, 3, padding=1)]
    wide = width
    for _ in range(stages):
        body += [Block(wide, norm), Block(wide, norm), nn.AvgPool2d(2), nn.Conv2d(wide, 2 * wide, 1)]
        wide *= 2
    body += [Block(widest, norm), nn.Flatten()]
    discriminator = make_discriminator(spec, label, nn.Sequential(*body), widest * 16, generator)
    _begin_as_identity(discriminator)
    return generator(spec), discriminator


def _begin_as_identity(network: nn.Module) -> None:
    """Weights with a gain for leaky ReLU, and every block's last layer at zero; marked, so that they stay."""
    setattr(network, "initialized", True)  # noqa: B010
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
    for block in (module for module in network.modules() if isinstance(module, Block)):
        nn.init.zeros_(block.last.weight)
