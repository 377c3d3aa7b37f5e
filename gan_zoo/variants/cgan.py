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
            "labels as learned embeddings of 10 values, concatenated to the inputs (paper: one-hot, mapped to "
            "hidden layers of their own)",
            "the networks and the optimizer of `gan` (paper: ReLU and maxout layers, dropout, SGD with momentum)",
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
        deviations=("on the networks of `dcgan` at half its widths (paper: multi-layer perceptrons)", REUSED),
    )
