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
            "the networks of `dcgan` at half its widths (paper: residual networks)",
            "the generator's label as an embedding joined to the latent (paper: conditional batch norm)",
            "batch 64 for both players, 100 normal latents (authors' code: twice the discriminator's batch for the "
            "generator, 128 latents)",
            "constant learning rate (authors' code: decays linearly to 0 at the end)",
            REUSED,
        ),
    )
