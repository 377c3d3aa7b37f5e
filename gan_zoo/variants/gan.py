"""The GAN of Goodfellow et al. 2014: multi-layer perceptrons, and both of its losses on DCGAN networks."""

from dataclasses import replace
from functools import partial

from gan_zoo.latent import normal, uniform
from gan_zoo.losses import cross_entropy, minimax
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant

REUSED = "generator's fakes: those that the discriminator has just learned from (paper: fresh ones)"


@register("gan")
def gan() -> Variant:
    return Variant(
        title="MLP GAN",
        paper="arXiv 1406.2661",
        group="systems of the articles",
        networks=mlp,
        objective=cross_entropy(),
        latent=uniform(100),
        deviations=(
            "networks: batch norm and LeakyReLU in the generator, LeakyReLU in the discriminator (paper: rectifier and "
            "sigmoid units; maxout with dropout)",
            "optimizers: Adam, lr 0.0002, betas [0.5, 0.999] (paper: momentum)",
            "images: 32x32 in [-1, 1], tanh out (paper: 28x28 in [0, 1], sigmoid out)",
            REUSED,
        ),
    )


@register("nsgan")
def nsgan(*, width: int = 64) -> Variant:
    return Variant(
        title="NSGAN",
        paper="arXiv 1406.2661",
        group="losses",
        networks=partial(linear_stem, width=width),
        objective=cross_entropy(),
        latent=normal(100),
        batch_size=64,
        initialization="normal 0.02",
        deviations=("networks: those of `dcgan`, width 64 (paper: multi-layer perceptrons)", REUSED),
    )


@register("mmgan")
def mmgan(*, width: int = 64) -> Variant:
    return replace(get("nsgan", width=width), title="MMGAN", objective=minimax())
