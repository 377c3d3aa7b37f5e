"""DCGAN (Radford et al. 2016) with a linear stem, for 32x32 and 64x64."""

from functools import partial

from gan_zoo.latent import uniform
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


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
            "widths 512, 256, 128 with kernel 4 in the generator and kernel 3 in the discriminator (paper: 1024, 512, "
            "256, 128, kernel 5)",
            "latents uniform on [0, 1) (paper: [-1, 1])",
            "PyTorch's default weights (paper: N(0, 0.02))",
            "batch 512 (paper: 128)",
            REUSED,
        ),
    )
