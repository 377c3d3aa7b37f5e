"""R3GAN: relativistic pairs with zero-centered penalties on residual networks (Huang et al. 2024)."""

from dataclasses import replace
from functools import partial

from gan_zoo.losses.penalties import zero_centered
from gan_zoo.networks.resnet import residual
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("r3gan")
def r3gan(*, width: int = 32, weight: float = 1.0, ema: float = 0.999) -> Variant:
    adam = Optimizer("Adam", {"lr": 2e-4, "betas": (0.0, 0.99)})
    return replace(
        get("rpgan"),
        title="R3GAN",
        paper="arXiv 2501.05441",
        group="gradient penalties",
        networks=partial(residual, width=width),
        penalties=(zero_centered("real", weight), zero_centered("fake", weight)),
        norm="none",
        initialization="default",
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        ema=ema or None,
        deviations=(
            "networks: four resolutions of two blocks, the last of one, 32 to 256 maps (authors' code for "
            "CIFAR-10: two blocks each, 768 maps)",
            "networks: nearest neighbors and average pooling in place of filtered resampling, no learned constant as "
            "the stem",
            "networks: 3x3 convolutions next to the image, tanh out, a linear head on the flattened maps (authors' "
            "code: 1x1, no tanh, a depthwise 4x4 convolution before the linear head)",
            "networks: blocks begin at the identity, but without fix-up's scaling; the gain for leaky ReLU in every "
            "convolution (authors' code: a block's inner weights scaled by L^(-1/4), L blocks a network; gain 1 "
            "elsewhere)",
            "latent: 100 normal (authors' code for CIFAR-10: 64 values)",
            "batch_size: 64 (authors' code for CIFAR-10: 512)",
            "weight: 1.0 (authors' code for CIFAR-10: 0.05 falling to 0.005)",
            "augmentation: none (authors' code for CIFAR-10: of both players' images)",
            "schedules: constant learning rate, beta2, penalty weight and averaging (paper: each on a schedule)",
            REUSED,
        ),
    )
