"""LSGAN (Mao et al. 2017): on the probability, on the raw score as in the paper, and that on DCGAN networks."""

from dataclasses import replace

from gan_zoo.losses import least_squares
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED

_DEVIATIONS = (
    "the conditional MLP networks of `cgan` (paper: convolutional; its conditional form has 3,740 classes)",
    "no factor 1/2 in the losses (paper: eq. 9 has it)",
    REUSED,
)


@register("lsgan")
def lsgan() -> Variant:
    return replace(
        get("cgan"),
        title="LSGAN (sigmoid kept)",
        paper="arXiv 1611.04076",
        objective=least_squares(probability=True),
        deviations=(
            "least squares on the sigmoid of the score (paper: on the raw score, see `lsgan_linear`)",
            *_DEVIATIONS,
        ),
    )


@register("lsgan_linear")
def lsgan_linear() -> Variant:
    return replace(
        get("cgan"),
        title="LSGAN (raw score)",
        paper="arXiv 1611.04076",
        objective=least_squares(probability=False),
        deviations=_DEVIATIONS,
    )


@register("lsgan_dcgan")
def lsgan_dcgan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="LSGAN on DCGAN",
        paper="arXiv 1611.04076",
        objective=least_squares(probability=False),
        deviations=(
            "the networks of `dcgan` at half its widths (paper: wider, for 112x112)",
            "no factor 1/2 in the losses (paper: eq. 9 has it)",
            REUSED,
        ),
    )
