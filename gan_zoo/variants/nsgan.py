"""The non-saturating GAN (Goodfellow et al. 2014) on DCGAN networks: what the variants of the field are built on."""

from functools import partial

from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.registry import register
from gan_zoo.variant import Variant

REUSED = "the generator learns from the fakes that the discriminator has just learned from (paper: fresh ones)"


@register("nsgan")
def nsgan(*, width: int = 64) -> Variant:
    return Variant(
        title="NSGAN",
        paper="arXiv 1406.2661",
        group="losses",
        networks=partial(linear_stem, width=width),
        objective=cross_entropy(),
        latent=normal(100),
        batch_size=64,
        initialization="normal 0.02",
        deviations=("the networks of `dcgan` at half its widths (paper: multi-layer perceptrons)", REUSED),
    )
