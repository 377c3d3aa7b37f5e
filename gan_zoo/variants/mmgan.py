"""The minimax GAN (Goodfellow et al. 2014): the zero-sum game whose generator gradient saturates."""

from dataclasses import replace

from gan_zoo.losses import minimax
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant


@register("mmgan")
def mmgan(*, width: int = 64) -> Variant:
    return replace(get("nsgan", width=width), title="MMGAN", objective=minimax())
