"""DCGAN as its paper trained it (Radford et al. 2016), with each of its rules as a switch.

``batch_norm="everywhere"`` adds the discriminator's input and the generator's output.
"""

from functools import partial
from typing import Literal

from gan_zoo.errors import check_known
from gan_zoo.latent import uniform
from gan_zoo.losses import cross_entropy
from gan_zoo.networks.dcgan_paper import projected
from gan_zoo.registry import register
from gan_zoo.variant import Variant
from gan_zoo.variants.nsgan import REUSED


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
        deviations=("32x32, the widest stage left out (paper: 64x64, as with image_side=64)", REUSED),
    )
