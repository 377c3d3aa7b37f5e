"""WGAN (Arjovsky et al. 2017): a Wasserstein critic, Lipschitz by clipping of its weights."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from gan_zoo.losses import wasserstein
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@dataclass(frozen=True)
class Clip:
    """Clips a critic's parameters to [-bound, bound] (algorithm 1)."""

    bound: float

    def __call__(self, critic: nn.Module) -> None:
        torch._foreach_clamp_min_(list(critic.parameters()), -self.bound)
        torch._foreach_clamp_max_(list(critic.parameters()), self.bound)


@register("wgan")
def wgan(*, width: int = 64, clip: float = 0.01, discriminator_steps: int = 5) -> Variant:
    rmsprop = Optimizer("RMSprop", {"lr": 5e-5})
    return replace(
        get("nsgan", width=width),
        title="WGAN",
        paper="arXiv 1701.07875",
        group="losses",
        objective=wasserstein(),
        discriminator_steps=discriminator_steps,
        generator_optimizer=rmsprop,
        discriminator_optimizer=rmsprop,
        after_discriminator_step=Clip(clip),
        deviations=(
            "networks: those of `dcgan`, width 64 (paper: DCGAN for 64x64)",
            "critic steps: equal in every iteration (authors' code: 100 at the start and every 500 iterations)",
            REUSED,
        ),
    )
