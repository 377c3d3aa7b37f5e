"""LSGAN (Mao et al. 2017) on DCGAN networks, on the raw score."""

from dataclasses import replace

from gan_zoo.losses import least_squares
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


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
