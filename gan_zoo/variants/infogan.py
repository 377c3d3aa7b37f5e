"""InfoGAN (Chen et al. 2016): parts of the latent that the discriminator's second head can read from the images."""

from dataclasses import replace

from gan_zoo.latent import categorical, normal, uniform
from gan_zoo.losses import cross_entropy, mutual_information
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("infogan")
def infogan(*, width: int = 64, weight: float = 1.0) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="InfoGAN",
        paper="arXiv 1606.03657",
        group="labels and codes",
        objective=mutual_information(cross_entropy(), weight=weight),
        latent=normal(62) + categorical(10) + uniform(2, -1.0, 1.0, name="style"),
        heads=("category", "style"),
        generator_optimizer=Optimizer("Adam", {"lr": 1e-3, "betas": (0.5, 0.999)}),
        deviations=(
            "networks: those of `dcgan`, width 64, heads linear in its features (paper: a hidden layer of 128)",
            "codes: unit variance of the continuous ones (paper: learned)",
            "latent: 62 normal + 10 categorical + 2 uniform [-1, 1) (authors' code: uniform noise)",
            "batch_size: 64 (authors' code: 128)",
            REUSED,
        ),
    )
