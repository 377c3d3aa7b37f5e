"""The hinge loss (Lim and Ye 2017), and with spectral normalization (SNGAN: Miyato et al. 2018)."""

from dataclasses import replace

from gan_zoo.losses import hinge
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED

_NETWORKS = "networks: those of `dcgan`, width 64 (paper: other convolutional networks)"


@register("hinge")
def hinge_gan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="Hinge GAN",
        paper="arXiv 1705.02894",
        objective=hinge(),
        deviations=(_NETWORKS, "optimizers: Adam, lr 0.0002, betas [0.5, 0.999] (paper: RMSprop)", REUSED),
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
            "generator's batch: that of the discriminator (authors' code: twice as large)",
            "latent: 100 normal (authors' code: 128 values)",
            "learning rates: constant (authors' code: decay linearly to 0)",
            REUSED,
        ),
    )
