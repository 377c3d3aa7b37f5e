"""Relativistic pairs: RpGAN (Jolicoeur-Martineau 2018)."""

from dataclasses import replace

from gan_zoo.losses import relativistic
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("rpgan")
def rpgan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="RpGAN",
        paper="arXiv 1807.00734",
        objective=relativistic(),
        deviations=(
            "the networks of `dcgan` at half its widths (paper: other convolutional networks)",
            "batch 64, 100 normal latents, batch norm in the discriminator (authors' code for CIFAR-10: 32, 128, "
            "spectral norm)",
            REUSED,
        ),
    )
