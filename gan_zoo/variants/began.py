"""BEGAN (Berthelot et al. 2017): an autoencoder as critic, and a running balance between the players."""

from dataclasses import replace

from gan_zoo.latent import uniform
from gan_zoo.losses import boundary_equilibrium
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("began")
def began(*, width: int = 64, diversity: float = 0.5, gain: float = 0.001) -> Variant:
    adam = Optimizer("Adam", {"lr": 1e-4, "betas": (0.5, 0.999)})
    return replace(
        get("nsgan", width=width),
        title="BEGAN",
        paper="arXiv 1703.10717",
        group="autoencoders",
        objective=boundary_equilibrium(diversity=diversity, gain=gain),
        autoencoder=1,
        norm="none",
        latent=uniform(64, -1.0, 1.0),
        batch_size=16,
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        initialization="default",
        deviations=(
            "networks: encoder and decoder after `dcgan`, width 64, batch norm in the generator, tanh out (paper: ELU, "
            "nearest-neighbor upsampling, no batch norm)",
            "learning rates: constant (paper: decayed)",
            REUSED,
        ),
    )
