"""DCGAN (Radford et al. 2016): for 32x32, 28x28 and 64x64, as in its paper, and in the style of Keras."""

from functools import partial
from typing import Literal

from gan_zoo.errors import check_known
from gan_zoo.latent import normal, truncated_normal, uniform
from gan_zoo.losses import cross_entropy, noisy_cross_entropy
from gan_zoo.networks.dcgan import all_convolutional, linear_stem, tutorial
from gan_zoo.networks.dcgan_keras import keras
from gan_zoo.networks.dcgan_paper import projected
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("dcgan")
def dcgan(*, width: int = 128) -> Variant:
    return Variant(
        title="DCGAN",
        paper="arXiv 1511.06434",
        group="systems of the articles",
        networks=partial(linear_stem, width=width),
        objective=cross_entropy(),
        latent=uniform(100),
        deviations=(
            "networks: three stages, kernel 4 in the generator and 3 in the discriminator (paper: four, kernel 5)",
            "latent: 100 uniform [0, 1) (paper: 100 uniform [-1, 1))",
            "initialization: default (paper: normal 0.02)",
            "batch_size: 512 (paper: 128)",
            REUSED,
        ),
    )


@register("dcgan28", revision=2)
def dcgan28() -> Variant:
    """Small and all-convolutional, for 28x28."""
    return Variant(
        title="DCGAN 28x28",
        paper="arXiv 1511.06434",
        group="systems of the articles",
        networks=all_convolutional,
        objective=cross_entropy(),
        latent=normal(100),
        batch_size=128,
        image_side=28,
        initialization="normal 0.02",
        deviations=(
            "networks: widths 128, 64, 32 and 16, 32, 64, kernel 4 (paper: up to 1024, kernel 5)",
            "latent: 100 normal (paper: 100 uniform [-1, 1))",
            "source article: gives no latents, batch size or epochs, and 0.02 as a variance",
            REUSED,
        ),
    )


@register("dcgan64")
def dcgan64(*, width: int = 64) -> Variant:
    """PyTorch's DCGAN tutorial: all-convolutional, for 64x64."""
    return Variant(
        title="DCGAN 64x64",
        paper="arXiv 1511.06434",
        group="systems of the articles",
        networks=partial(tutorial, width=width),
        objective=cross_entropy(),
        latent=normal(100),
        batch_size=128,
        image_side=64,
        initialization="normal 0.02, gains too",
        deviations=(
            "networks: widths 512, 256, 128, 64, kernel 4 (paper: 1024, 512, 256, 128, kernel 5)",
            "networks: a transposed convolution as the stem (paper: a projection)",
            "latent: 100 normal (paper: 100 uniform [-1, 1))",
            "initialization: normal 0.02, gains too (paper: normal 0.02)",
            REUSED,
        ),
    )


@register("dcgan_paper")
def dcgan_paper(
    *,
    generator_width: int = 128,
    discriminator_width: int = 128,
    resampling: Literal["strided", "pooling"] = "strided",
    activation: Literal["leaky_relu", "relu"] = "leaky_relu",
    batch_norm: Literal["inner", "none", "everywhere"] = "inner",
    head: Literal["flat", "dense"] = "flat",
) -> Variant:
    """The rules of the paper as switches; ``batch_norm="everywhere"`` adds the discriminator's input, G's output."""
    check_known("batch_norm", batch_norm, ("inner", "none", "everywhere"))
    return Variant(
        title="DCGAN (paper)",
        paper="arXiv 1511.06434",
        group="systems of the articles",
        networks=partial(
            projected,
            generator=generator_width,
            discriminator=discriminator_width,
            resampling=resampling,
            activation=activation,
            norm="none" if batch_norm == "none" else "batch",
            norm_at_edges=batch_norm == "everywhere",
            head=head,
        ),
        objective=cross_entropy(),
        latent=uniform(100, -1.0, 1.0),
        batch_size=128,
        initialization="normal 0.02",
        deviations=("images: 32x32, the widest stage left out (paper: 64x64, as with image_side=64)", REUSED),
    )


@register("dcgan_keras", revision=2)
def dcgan_keras(*, width: int = 32, dropout: float = 0.4, batch_size: int = 128) -> Variant:
    """Dropout, noisy targets, truncated latents; the generator's batch and D's (real and fake) are 2 ``batch_size``."""
    adam = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=1e-8), "betas": (0.5, 0.999), "eps": 1e-7})
    return Variant(
        title="DCGAN (Keras style)",
        paper="arXiv 1511.06434",
        group="systems of the articles",
        networks=partial(keras, width=width, dropout=dropout),
        objective=noisy_cross_entropy(),
        latent=truncated_normal(100),
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        shared_step_count=True,
        batch_size=batch_size,
        generator_batch_size=2 * batch_size,
        sampling="replacement",
        concat_real_fake=True,
        fakes_in_eval=True,
        image_side=28,
        initialization="glorot uniform",
        deviations=(
            "networks: dropout in place of batch norm in the discriminator, kernel 3 (paper: batch norm, kernel 5)",
            "targets: soft and noisy (paper: 1 and 0)",
            "latent: 100 truncated_normal [-1, 1] (paper: 100 uniform [-1, 1))",
            "initialization: glorot uniform (paper: normal 0.02)",
            "optimizers: Adam of Keras 2: one step count for both players, decay 1e-8, epsilon 1e-7 outside of the "
            "bias correction (paper: Adam with lr and beta1 alone named)",
        ),
    )
