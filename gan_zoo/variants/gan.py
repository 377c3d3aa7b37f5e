"""MLP GAN (Goodfellow et al. 2014), in the batch-normalized form of the tutorials."""

from gan_zoo.latent import uniform
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


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
            "batch norm and LeakyReLU in the generator, LeakyReLU in the discriminator (paper: rectifier and "
            "sigmoid units; maxout with dropout)",
            "Adam, lr 2e-4, beta1 0.5 (paper: momentum)",
            "images of 32x32 in [-1, 1], tanh out (paper: 28x28 in [0, 1], sigmoid out)",
            REUSED,
        ),
    )
