"""Conditional DCGAN: the label as values of the latent in the generator and as a plane in the discriminator."""

from dataclasses import replace

from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


@register("cdcgan")
def cdcgan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="CDCGAN",
        paper="arXiv 1411.1784",
        group="labels and codes",
        conditioning="both",
        deviations=("on the networks of `dcgan` at half its widths (paper: multi-layer perceptrons)", REUSED),
    )
