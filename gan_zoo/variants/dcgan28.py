"""DCGAN (Radford et al. 2016), small and all-convolutional, for 28x28."""

from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.dcgan import all_convolutional
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


@register("dcgan28", revision=2)
def dcgan28() -> Variant:
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
            "widths 128, 64, 32 and 16, 32, 64 (paper: up to 1024), kernel 4 (paper: 5)",
            "latent of 100 normal values, batch 128: the source article gives neither (paper: 100 uniform on [-1, 1], "
            "batch 128); it gives no epochs either: 25 would do, the suites give it the budget of the others",
            "N(0, 0.02) read as a deviation of 0.02 (the source article says variance; the paper, deviation)",
            REUSED,
        ),
    )
