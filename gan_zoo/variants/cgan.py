"""Conditional GAN (Mirza and Osindero 2014): the labels are inputs of both networks; also on DCGAN networks."""

from dataclasses import replace

from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.gan import REUSED


@register("cgan")
def cgan() -> Variant:
    return replace(
        get("gan"),
        title="CGAN",
        paper="arXiv 1411.1784",
        conditioning="both",
        deviations=(
            "labels: learned embeddings of 10 values, concatenated to the inputs (paper: one-hot, mapped to "
            "hidden layers of their own)",
            "networks: those of `gan` (paper: ReLU and maxout layers, dropout)",
            "optimizers: Adam, lr 0.0002, betas [0.5, 0.999] (paper: SGD with momentum)",
            REUSED,
        ),
    )


@register("cdcgan")
def cdcgan(*, width: int = 64) -> Variant:
    return replace(
        get("nsgan", width=width),
        title="CDCGAN",
        paper="arXiv 1411.1784",
        group="labels and codes",
        conditioning="both",
        deviations=("networks: those of `dcgan`, width 64 (paper: multi-layer perceptrons)", REUSED),
    )
