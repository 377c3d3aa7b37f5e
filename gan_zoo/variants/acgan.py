"""ACGAN (Odena et al. 2017): the discriminator also names the class, and both players gain by its being right."""

from dataclasses import replace

from gan_zoo.losses import cross_entropy, with_classes
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("acgan")
def acgan(*, width: int = 64, weight: float = 1.0) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="ACGAN",
        paper="arXiv 1610.09585",
        group="labels and codes",
        objective=with_classes(cross_entropy(), weight=weight),
        conditioning="generator",
        heads=("label",),
        deviations=(
            "networks: those of `dcgan`, width 64 (paper: deeper, with dropout in the discriminator)",
            "batch_size: 64 (paper: 100)",
            "labels: an embedding beside the normal latents",
            REUSED,
        ),
    )
