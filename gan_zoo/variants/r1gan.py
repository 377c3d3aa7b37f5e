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
            "the networks of `dcgan` at half its widths (paper: residual networks)",
            "Adam, lr 2e-4, beta1 0.5 (paper: RMSprop, or Adam with beta1 0; lr 1e-4)",
            "no moving average of the generator (paper: decay 0.999)",
            REUSED,
        ),
    )
