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
            "networks: those of `dcgan`, width 64 (paper: other convolutional networks)",
            "batch_size: 64 (authors' code for CIFAR-10: 32)",
            "latent: 100 normal (authors' code for CIFAR-10: 128 values)",
            "networks: batch norm in the discriminator (authors' code for CIFAR-10: spectral norm)",
            REUSED,
        ),
    )
