"""The DCGAN of the paper (Radford et al. 2016, arXiv 1511.06434, figure 1), each of its rules an option."""

from typing import Literal

from torch import nn

from gan_zoo.errors import check_known
from gan_zoo.networks.blocks import (
    Generator,
    LabelConcat,
    LabelPlane,
    doublings,
    make_discriminator,
    norm_1d,
    norm_2d,
)
from gan_zoo.variant import Spec

Resampling = Literal["strided", "pooling"]
_DENSE = 256


def projected(
    spec: Spec,
    generator: int = 128,
    discriminator: int = 128,
    *,
    resampling: Resampling = "strided",
    activation: Literal["leaky_relu", "relu"] = "leaky_relu",
    norm: str = "batch",
    norm_at_edges: bool = False,
    head: Literal["flat", "dense"] = "flat",
) -> tuple[nn.Module, nn.Module]:
    """The paper's pair: ``generator`` and ``discriminator`` maps next to the image, doubled each stage down to 4x4.

    The discriminator: convolutions (kernel 5, stride 2), batch norm but on the first, leaky ReLU 0.2, flattened to one
    unit. The options break the paper's rules: pooling (maximum in the discriminator, nearest neighbor in the generator)
    in place of strides, ReLU in the discriminator, another ``norm``, norms at the discriminator's input and generator's
    output (``norm_at_edges``), a ``dense`` layer of 256 units before the score.

    Raises:
        GanZooError: a side that is not 8, 16, 32 ..., or an unknown setting.
    """
    check_known("resampling", resampling, ("strided", "pooling"))
    check_known("activation", activation, ("leaky_relu", "relu"))
    check_known("head", head, ("flat", "dense"))

    def decoder(spec: Spec) -> nn.Module:
        return _generator(spec, generator, resampling, spec.generator_norm or norm, norm_at_edges)

    def active() -> nn.Module:
        return nn.ReLU(inplace=True) if activation == "relu" else nn.LeakyReLU(0.2, inplace=True)

    label = LabelPlane(spec.discriminator_classes, spec.discriminator_input_shape)
    inner = spec.norm or norm
    wide = label.channels
    body: list[nn.Module] = norm_2d(inner, wide) if norm_at_edges else []
    for stage in range(_doublings(spec)):
        narrow = wide
        wide = discriminator * 2**stage
        body += [*_halve(narrow, wide, resampling), *(norm_2d(inner, wide) if stage else []), active()]
    body.append(nn.Flatten())
    features = wide * 16
    if head == "dense":
        body += [nn.Linear(features, _DENSE), active()]
        features = _DENSE
    return decoder(spec), make_discriminator(spec, label, nn.Sequential(*body), features, decoder)


def _doublings(spec: Spec) -> int:
    return doublings("the paper's DCGAN", spec.shape)


def _generator(spec: Spec, width: int, resampling: Resampling, norm: str, norm_at_edge: bool) -> nn.Module:
    """Latent projected to maps of 4x4, doubled (kernel 5) until the image; batch norm and ReLU on all but the last."""
    label = LabelConcat(spec.generator_classes, spec.latent)
    stages = _doublings(spec)
    widest = width * 2 ** (stages - 1)
    layers = [
        nn.Linear(label.width, widest * 16),
        *norm_1d(norm, widest * 16),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (widest, 4, 4)),
    ]
    for stage in reversed(range(1, stages)):
        narrow = width * 2 ** (stage - 1)
        layers += [*_double(2 * narrow, narrow, resampling), *norm_2d(norm, narrow), nn.ReLU(inplace=True)]
    layers += _double(width, spec.shape[0], resampling)
    layers += norm_2d(norm, spec.shape[0]) if norm_at_edge else []
    return Generator(label, nn.Sequential(*layers, nn.Tanh()))


def _double(wide: int, narrow: int, resampling: Resampling) -> list[nn.Module]:
    if resampling == "strided":
        return [nn.ConvTranspose2d(wide, narrow, 5, stride=2, padding=2, output_padding=1)]
    return [nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 5, padding=2)]


def _halve(narrow: int, wide: int, resampling: Resampling) -> list[nn.Module]:
    if resampling == "strided":
        return [nn.Conv2d(narrow, wide, 5, stride=2, padding=2)]
    return [nn.Conv2d(narrow, wide, 5, padding=2), nn.MaxPool2d(2)]
