"""EBGAN (Zhao et al. 2017): an autoencoder's error as an energy, with a margin and a pulling-away term."""

from dataclasses import replace

from gan_zoo.losses import energy_based
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("ebgan")
def ebgan(*, width: int = 64, margin: float = 0.2, pull_away: float = 0.1) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="EBGAN-PT",
        paper="arXiv 1609.03126",
        group="autoencoders",
        objective=energy_based(margin=margin, pull_away=pull_away),
        autoencoder=2,
        norm="batch",
        deviations=(
            "networks: encoder and decoder after `dcgan`, width 64 (paper: found by a search)",
            "margin: 0.2 (paper: found by a search)",
            "batch_size: 64",
            "latent: 100 normal",
            REUSED,
        ),
    )
