"""WGAN-GP (Gulrajani et al. 2017): a Wasserstein critic with a penalty on the length of its gradient."""

from dataclasses import replace

from gan_zoo.losses import wasserstein
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("wgan_gp")
def wgan_gp(*, width: int = 64, weight: float = 10.0, discriminator_steps: int = 5) -> Variant:
    adam = Optimizer("Adam", {"lr": 1e-4, "betas": (0.0, 0.9)})
    return replace(
        get("nsgan", width=width),
        title="WGAN-GP",
        paper="arXiv 1704.00028",
        group="gradient penalties",
        objective=wasserstein(),
        penalties=(gradient_penalty(weight),),
        norm="layer",
        discriminator_steps=discriminator_steps,
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        deviations=("networks: those of `dcgan`, width 64 (paper: DCGAN, and residual networks)", REUSED),
    )
