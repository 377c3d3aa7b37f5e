"""Convolutional families after DCGAN (Radford et al. 2016, arXiv 1511.06434), for square images of any channels."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.blocks import (
    TWO_PASSES_MOMENTUM,
    Generator,
    LabelConcat,
    LabelPlane,
    make_discriminator,
    norm_1d,
    norm_2d,
    square_side,
)
from gan_zoo.variant import Spec


def linear_stem(spec: Spec, width: int = 128) -> tuple[nn.Module, nn.Module]:
    """A DCGAN pair with a linear stem and head, ``width`` maps next to the image.

    The generator: linear to 4w maps of side/8, batch norm, ReLU; three transposed convolutions (kernel 4, stride 2).
    The discriminator: three convolutions (kernel 3, stride 2) of w, 2w, 4w maps, normalized (by batch norm, unless the
    spec says otherwise) but on the first; linear to one score.

    Raises:
        GanZooError: the side is not a multiple of 8.
    """
    side = _eighth(spec.shape)
    features = 4 * width * side * side

    def generator(spec: Spec) -> nn.Module:
        label = LabelConcat(spec.generator_classes, spec.latent)
        norm = spec.generator_norm or "batch"
        stem = nn.Sequential(
            nn.Linear(label.width, features),
            *norm_1d(norm, features, TWO_PASSES_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (4 * width, side, side)),
        )
        layers = nn.Sequential(
            *_up(4 * width, 2 * width, norm, bias=True, momentum=TWO_PASSES_MOMENTUM),
            *_up(2 * width, width, norm, bias=True, momentum=TWO_PASSES_MOMENTUM),
            nn.ConvTranspose2d(width, spec.shape[0], 4, stride=2, padding=1),
            nn.Tanh(),
        )
        return Generator(label, layers, stem)

    norm = spec.norm or "batch"
    label = LabelPlane(spec.discriminator_classes, spec.discriminator_input_shape)
    body = nn.Sequential(
        nn.Conv2d(label.channels, width, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        *_down(width, 2 * width, 3, norm),
        *_down(2 * width, 4 * width, 3, norm),
        nn.Flatten(),
    )
    return generator(spec), make_discriminator(spec, label, body, features, generator)


def _eighth(shape: tuple[int, ...]) -> int:
    """Side of the maps that a linear stem makes."""
    side = square_side("a DCGAN with a linear stem", shape)
    if side % 8:
        raise GanZooError(
            f"a DCGAN with a linear stem cannot draw {side}x{side}: use a side that is a multiple of 8, or dcgan28"
        )
    return side // 8


def all_convolutional(
    spec: Spec,
    generator: Sequence[int] = (128, 64, 32),
    discriminator: Sequence[int] = (16, 32, 64),
    *,
    bias: bool = True,
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN pair without linear layers; k widths a side draw 2^(k+2) pixels a side, or 2 or 4 fewer by more padding.

    The generator has no biases. The discriminator halves the image once a width, normalized (by batch norm, unless the
    spec says otherwise) but on the first; then 4x4 to one score. ``bias`` is that of its convolutions.

    Raises:
        GanZooError: the widths do not reach the image's side.
    """

    def decoder(spec: Spec) -> nn.Module:
        label = LabelConcat(spec.generator_classes, spec.latent)
        padding = _edge_padding(spec.shape, len(generator))
        norm = spec.generator_norm or "batch"
        layers: list[nn.Module] = [nn.Unflatten(1, (-1, 1, 1))]
        layers += _up(label.width, generator[0], norm, stride=1, padding=0)
        for wide, narrow in pairwise(generator):
            layers += _up(wide, narrow, norm)
        layers += [
            nn.ConvTranspose2d(generator[-1], spec.shape[0], 4, stride=2, padding=padding, bias=False),
            nn.Tanh(),
        ]
        return Generator(label, nn.Sequential(*layers))

    label = LabelPlane(spec.discriminator_classes, spec.discriminator_input_shape)
    padding = _edge_padding(spec.shape, len(discriminator))
    last = discriminator[-1]
    body: list[nn.Module] = [
        nn.Conv2d(label.channels, discriminator[0], 4, stride=2, padding=padding, bias=bias),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for narrow, wide in pairwise(discriminator):
        body += _down(narrow, wide, 4, spec.norm or "batch", bias=bias)
    score = nn.Conv2d(last, 1, 4, bias=bias)
    return decoder(spec), make_discriminator(spec, label, nn.Sequential(*body), 16 * last, decoder, score)


def tutorial(spec: Spec, width: int = 64) -> tuple[nn.Module, nn.Module]:
    """The all-convolutional pair of PyTorch's DCGAN tutorial: ``width`` maps next to the image, no biases.

    Four widths (8w, 4w, 2w, w) at 60 to 64 pixels a side, three at 28 to 32, and so on.

    Raises:
        GanZooError: no number of widths reaches the image's side.
    """
    stages = max(1, (square_side("an all-convolutional DCGAN", spec.shape) - 1).bit_length() - 2)
    widths = [width * 2**stage for stage in range(stages)]
    return all_convolutional(spec, widths[::-1], widths, bias=False)


def _edge_padding(shape: tuple[int, ...], stages: int) -> int:
    """Padding (1 to 3) of the layer next to the image, of kernel 4 and stride 2, at which the widths meet its side."""
    side = square_side("an all-convolutional DCGAN", shape)
    inner = 2 ** (stages + 1)
    padding, odd = divmod(2 * inner + 2 - side, 2)
    if odd or not 1 <= padding <= 3:
        allowed = ", ".join(str(2 * inner - less) for less in (4, 2, 0))
        raise GanZooError(
            f"an all-convolutional DCGAN of {stages} widths cannot draw {side}x{side}, only sides {allowed}"
        )
    return padding


def _up(
    wide: int, narrow: int, norm: str, *, stride: int = 2, padding: int = 1, bias: bool = False, momentum: float = 0.1
) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(wide, narrow, 4, stride=stride, padding=padding, bias=bias),
        *norm_2d(norm, narrow, momentum),
        nn.ReLU(inplace=True),
    ]


def _down(narrow: int, wide: int, kernel: int, norm: str, bias: bool = True) -> list[nn.Module]:
    return [
        nn.Conv2d(narrow, wide, kernel, stride=2, padding=1, bias=bias),
        *norm_2d(norm, wide),
        nn.LeakyReLU(0.2, inplace=True),
    ]
