"""DRAGAN (Kodali et al. 2017): the non-saturating game with a gradient penalty around real samples."""

from dataclasses import replace

from gan_zoo.losses.penalties import noise_penalty
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("dragan")
def dragan(*, width: int = 64, weight: float = 10.0) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="DRAGAN",
        paper="arXiv 1705.07215",
        group="gradient penalties",
        penalties=(noise_penalty(weight),),
        norm="none",
        deviations=(
            "networks: those of `dcgan`, width 64, no normalization in the discriminator (paper: DCGAN, whose "
            "batch norm would make a sample's gradient that of the whole batch)",
            "penalty: uniform noise of up to half a deviation, as in the authors' code (paper: Gaussian noise)",
            "optimizers: Adam, lr 0.0002, betas [0.5, 0.999] (authors' code: lr 1e-4, beta2 0.9)",
            REUSED,
        ),
    )
