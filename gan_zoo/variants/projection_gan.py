"""Projection GAN (Miyato and Koyama 2018): the label's embedding is projected on the discriminator's features."""

from dataclasses import replace

from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("projection_gan")
def projection_gan(*, width: int = 64, discriminator_steps: int = 5) -> Variant:
    return replace(
        get("sngan", width=width, discriminator_steps=discriminator_steps),
        title="Projection GAN",
        paper="arXiv 1802.05637",
        group="labels and codes",
        conditioning="projection",
        deviations=(
            "networks: those of `dcgan`, width 64 (paper: residual networks)",
            "labels: the generator's as an embedding joined to the latent (paper: conditional batch norm)",
            "generator's batch: that of the discriminator (authors' code: twice as large)",
            "latent: 100 normal (authors' code: 128 values)",
            "learning rates: constant (authors' code: decay linearly to 0 at the end)",
            REUSED,
        ),
    )
