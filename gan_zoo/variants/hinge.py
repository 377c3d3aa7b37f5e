"""The hinge loss (Lim and Ye 2017), and with spectral normalization (SNGAN: Miyato et al. 2018)."""

from dataclasses import replace

from gan_zoo.losses import hinge
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED

_NETWORKS = "the networks of `dcgan` at half its widths (paper: other convolutional networks)"


@register("hinge")
def hinge_gan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="Hinge GAN",
        paper="arXiv 1705.02894",
        objective=hinge(),
        deviations=(_NETWORKS, "Adam, beta1 0.5 (paper: RMSprop)", REUSED),
    )


@register("sngan")
def sngan(*, width: int = 64, discriminator_steps: int = 5) -> Variant:
    adam = Optimizer("Adam", {"lr": 2e-4, "betas": (0.0, 0.9)})
    return replace(
        get("hinge", width=width),
        title="SNGAN",
        paper="arXiv 1802.05957",
        norm="spectral",
        discriminator_steps=discriminator_steps,
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        deviations=(
            _NETWORKS,
            "batch 64 for both players, 100 normal latents (authors' code: 128 fakes for the generator, 128 latents)",
            "constant learning rate (authors' code: decays linearly to 0)",
            REUSED,
        ),
    )
