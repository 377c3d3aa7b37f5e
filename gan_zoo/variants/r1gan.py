"""R1 (Mescheder et al. 2018): the non-saturating game with a zero-centered gradient penalty on real samples."""

from dataclasses import replace

from gan_zoo.losses.penalties import zero_centered
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("r1gan")
def r1gan(*, width: int = 64, weight: float = 10.0) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="R1 GAN",
        paper="arXiv 1801.04406",
        group="gradient penalties",
        penalties=(zero_centered("real", weight),),
        norm="none",
        deviations=(
            "networks: those of `dcgan`, width 64 (paper: residual networks)",
            "optimizers: Adam, lr 0.0002, betas [0.5, 0.999] (paper: RMSprop, or Adam with beta1 0; lr 1e-4)",
            "ema: none (paper: 0.999)",
            REUSED,
        ),
    )
