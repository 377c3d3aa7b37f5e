"""LSGAN (Mao et al. 2017): on the probability, on the raw score as in the paper, and that on DCGAN networks."""

from dataclasses import replace

from gan_zoo.losses import least_squares
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED

_DEVIATIONS = (
    "networks: the conditional MLPs of `cgan` (paper: convolutional; its conditional form has 3,740 classes)",
    "loss: no factor 1/2 (paper: eq. 9 has it)",
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
            "loss: least squares on the sigmoid of the score (paper: on the raw score, see `lsgan_linear`)",
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
            "networks: those of `dcgan`, width 64 (paper: wider, for 112x112)",
            "loss: no factor 1/2 (paper: eq. 9 has it)",
            REUSED,
        ),
    )
