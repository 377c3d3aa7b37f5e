"""Conditional GAN (Mirza and Osindero 2014): the label, embedded, is given to both networks."""

from dataclasses import replace

from gan_zoo.registry import get, register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


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
