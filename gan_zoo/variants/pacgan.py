"""PacGAN (Lin et al. 2018): the inputs of the discriminator are packs of samples, against mode collapse."""

from dataclasses import replace

from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("pacgan")
def pacgan(*, width: int = 64, packing: int = 2) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="PacGAN",
        paper="arXiv 1712.04086",
        packing=packing,
        deviations=(
            "networks: those of `dcgan`, width 64 (paper: DCGAN)",
            "batch_size: 64 (paper: 64 packs)",
            REUSED,
        ),
    )
