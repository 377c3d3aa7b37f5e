"""DCGAN (Radford et al. 2016) for 64x64, as PyTorch's tutorial has it: all-convolutional, RGB or grey."""

from functools import partial

from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.dcgan import tutorial
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


@register("dcgan64")
def dcgan64(*, width: int = 64) -> Variant:
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
            "widths 512, 256, 128, 64 in both networks (paper: 1024, 512, 256, 128), kernel 4 (paper: 5)",
            "a transposed convolution as the stem (paper: a projection)",
            "latents from a standard normal (paper: uniform on [-1, 1])",
            "batch norm gains from N(1, 0.02) (paper: not said)",
            REUSED,
        ),
    )
