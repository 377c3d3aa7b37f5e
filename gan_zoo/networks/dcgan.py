"""Convolutional families after DCGAN (Radford et al. 2016, arXiv 1511.06434), for square images of any channels."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.common import TWO_PASSES_MOMENTUM, LabelConcat, LabelPlane, square_side
from gan_zoo.variant import Spec


class LinearStemGenerator(nn.Module):
    """Linear to 4w maps of side/8, batch norm, ReLU; three transposed convolutions (kernel 4, stride 2)."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.label = LabelConcat(spec.generator_classes)
        side = stem_side(spec.shape)
        self.stem = nn.Sequential(
            nn.Linear(spec.latent + self.label.width, 4 * width * side * side),
            nn.BatchNorm1d(4 * width * side * side, momentum=TWO_PASSES_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (4 * width, side, side)),
        )
        self.layers = nn.Sequential(
            *_up(4 * width, 2 * width, bias=True),
            *_up(2 * width, width, bias=True),
            nn.ConvTranspose2d(width, spec.shape[0], 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from latents (B, latent size)."""
        return self.layers(self.stem(self.label(latent, labels)))


class LinearHeadDiscriminator(nn.Module):
    """Three convolutions (kernel 3, stride 2) of w, 2w, 4w maps, batch norm but on the first; linear to one score."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        side = stem_side(spec.shape)
        channels, *size = spec.judged_shape
        self.label = LabelPlane(spec.discriminator_classes, *size)
        self.layers = nn.Sequential(
            nn.Conv2d(channels + self.label.channels, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *_down(width, 2 * width, kernel=3),
            *_down(2 * width, 4 * width, kernel=3),
            nn.Flatten(),
            nn.Linear(4 * width * side * side, 1),
        )

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (B,) of images (B, C, H, W)."""
        return self.layers(self.label(images, labels)).squeeze(1)


def linear_stem(spec: Spec, width: int = 128) -> tuple[nn.Module, nn.Module]:
    """A DCGAN pair with a linear stem and head, ``width`` maps next to the image.

    Raises:
        GanZooError: the side is not a multiple of 8.
    """
    return LinearStemGenerator(spec, width), LinearHeadDiscriminator(spec, width)


def stem_side(shape: tuple[int, ...]) -> int:
    """Side of the maps that a linear stem makes: an eighth of the image's.

    Raises:
        GanZooError: the side is not a multiple of 8.
    """
    side = square_side("a DCGAN with a linear stem", shape)
    if side % 8:
        raise GanZooError(
            f"a DCGAN with a linear stem cannot draw {side}x{side}: use a side that is a multiple of 8, or dcgan28"
        )
    return side // 8


class ConvGenerator(nn.Module):
    """Transposed convolutions only, no bias: latent to 4x4, doubled once a further width, then doubled to the image."""

    def __init__(self, spec: Spec, widths: Sequence[int]) -> None:
        super().__init__()
        self.label = LabelConcat(spec.generator_classes)
        padding = edge_padding(spec.shape, len(widths))
        layers: list[nn.Module] = [nn.Unflatten(1, (-1, 1, 1))]
        layers += _up(spec.latent + self.label.width, widths[0], stride=1, padding=0)
        for narrow, wide in zip(widths[1:], widths, strict=False):
            layers += _up(wide, narrow)
        layers += [nn.ConvTranspose2d(widths[-1], spec.shape[0], 4, stride=2, padding=padding, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from latents (B, latent size)."""
        return self.layers(self.label(latent, labels))


class ConvDiscriminator(nn.Module):
    """Convolutions only, with bias: halved once a width, batch norm but on the first, then 4x4 to one score."""

    def __init__(self, spec: Spec, widths: Sequence[int]) -> None:
        super().__init__()
        channels, *size = spec.judged_shape
        self.label = LabelPlane(spec.discriminator_classes, *size)
        padding = edge_padding(spec.shape, len(widths))
        layers: list[nn.Module] = [
            nn.Conv2d(channels + self.label.channels, widths[0], 4, stride=2, padding=padding),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for narrow, wide in pairwise(widths):
            layers += _down(narrow, wide, kernel=4)
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4), nn.Flatten(0))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (B,) of images (B, C, H, W)."""
        return self.layers(self.label(images, labels))


def all_convolutional(
    spec: Spec, generator: Sequence[int] = (128, 64, 32), discriminator: Sequence[int] = (16, 32, 64)
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN pair without linear layers; k widths a side draw 2^(k+2) pixels a side, or 2 or 4 fewer by more padding.

    Raises:
        GanZooError: the widths do not reach the image's side.
    """
    return ConvGenerator(spec, generator), ConvDiscriminator(spec, discriminator)


def edge_padding(shape: tuple[int, ...], stages: int) -> int:
    """Padding of the layer next to the image (kernel 4, stride 2) so that ``stages`` widths meet the image's side.

    Raises:
        GanZooError: no padding from 1 to 3 does.
    """
    side = square_side("an all-convolutional DCGAN", shape)
    inner = 2 ** (stages + 1)
    padding, odd = divmod(2 * inner + 2 - side, 2)
    if odd or not 1 <= padding <= 3:
        allowed = ", ".join(str(2 * inner - less) for less in (4, 2, 0))
        raise GanZooError(
            f"an all-convolutional DCGAN of {stages} widths cannot draw {side}x{side}, only sides {allowed}"
        )
    return padding


def _up(wide: int, narrow: int, stride: int = 2, padding: int = 1, bias: bool = False) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(wide, narrow, 4, stride=stride, padding=padding, bias=bias),
        nn.BatchNorm2d(narrow, momentum=TWO_PASSES_MOMENTUM),
        nn.ReLU(inplace=True),
    ]


def _down(narrow: int, wide: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(narrow, wide, kernel, stride=2, padding=1),
        nn.BatchNorm2d(wide),
        nn.LeakyReLU(0.2, inplace=True),
    ]
