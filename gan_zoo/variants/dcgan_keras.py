"""DCGAN (Radford et al. 2016) in the Keras style: dropout, soft noisy targets, truncated latents, joint batches."""

from functools import partial

from gan_zoo.latent import truncated_normal
from gan_zoo.losses import noisy_cross_entropy
from gan_zoo.networks.dcgan_keras import keras
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import register
from gan_zoo.variant import Variant


@register("dcgan_keras", revision=2)
def dcgan_keras(*, width: int = 32, dropout: float = 0.4, batch_size: int = 128) -> Variant:
    """The generator's batch is as large as the discriminator's joint one, twice ``batch_size``."""
    adam = Optimizer("KerasAdam", {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-7}, decay=1e-8)
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
        joint=True,
        fakes_in_eval=True,
        image_side=28,
        initialization="glorot uniform",
        deviations=(
            "dropout in place of batch norm in the discriminator, kernel 3, other widths (paper: batch norm, kernel 5)",
            "soft noisy targets, truncated normal latents, Glorot weights (paper: 1 and 0, uniform, N(0, 0.02))",
            "Adam as Keras 2 has it: one step count for both players, decay 1e-8, epsilon 1e-7 outside of the bias "
            "correction (paper: Adam with lr and beta1 alone named)",
        ),
    )
