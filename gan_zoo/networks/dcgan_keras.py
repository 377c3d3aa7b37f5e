"""The DCGAN of the Keras examples, for 28x28: dropout in the discriminator, "same" padding, kernel 3."""

from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.blocks import (
    Generator,
    LabelConcat,
    LabelPlane,
    make_discriminator,
    norm_1d,
    norm_2d,
    square_side,
)
from gan_zoo.variant import Spec

_EPSILON = 1e-3


def keras(spec: Spec, width: int = 32, dropout: float = 0.4) -> tuple[nn.Module, nn.Module]:
    """The Keras-style pair: ``width`` maps next to the image in the generator, twice as many in the discriminator.

    The discriminator: kernel 3, 2w, 4w, 8w maps at stride 2 and 16w at stride 1, each LeakyReLU 0.2 and dropout, no
    normalization unless the spec has it; linear to one score.

    Raises:
        GanZooError: the side is not a multiple of 4.
    """

    def generator(spec: Spec) -> nn.Module:
        return _generator(spec, width)

    side = 4 * _quarter(spec.shape)
    label = LabelPlane(spec.discriminator_classes, spec.discriminator_input_shape)
    body: list[nn.Module] = []
    narrow = label.channels
    for wide, stride in ((2 * width, 2), (4 * width, 2), (8 * width, 2), (16 * width, 1)):
        # Keras's "same" padding: ceil(side / stride) maps, the odd pixel of padding right and below.
        outer = -(-side // stride)
        total = (outer - 1) * stride + 3 - side
        body += [
            nn.ZeroPad2d((total // 2, total - total // 2) * 2),
            nn.Conv2d(narrow, wide, 3, stride=stride),
            *norm_2d(spec.norm or "none", wide),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout(dropout),
        ]
        narrow = wide
        side = outer
    body.append(nn.Flatten())
    return generator(spec), make_discriminator(spec, label, nn.Sequential(*body), narrow * side * side, generator)


def _generator(spec: Spec, width: int) -> nn.Module:
    """Linear to 8w maps of side/4, doubled twice, then at the image's side; batch norm (epsilon 1e-3) and ReLU."""
    label = LabelConcat(spec.generator_classes, spec.latent)
    side = _quarter(spec.shape)
    norm = spec.generator_norm or "batch"
    stem = 8 * width * side * side
    layers = nn.Sequential(
        nn.Linear(label.width, stem),
        *norm_1d(norm, stem),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (8 * width, side, side)),
        *_double(8 * width, 4 * width, norm),
        *_double(4 * width, 2 * width, norm),
        nn.ConvTranspose2d(2 * width, width, 3, padding=1),
        *norm_2d(norm, width),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(width, spec.shape[0], 3, padding=1),
        nn.Tanh(),
    )
    for module in layers:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eps = _EPSILON
    return Generator(label, layers)


def _quarter(shape: tuple[int, ...]) -> int:
    side = square_side("the Keras-style DCGAN", shape)
    if side % 4:
        raise GanZooError(f"the Keras-style DCGAN cannot draw {side}x{side}: use a side that is a multiple of 4")
    return side // 4


def _double(wide: int, narrow: int, norm: str) -> list[nn.Module]:
    # The transpose of "same" padding at an even side crops right and below.
    return [
        nn.ConvTranspose2d(wide, narrow, 3, stride=2),
        nn.ZeroPad2d((0, -1, 0, -1)),
        *norm_2d(norm, narrow),
        nn.ReLU(inplace=True),
    ]
