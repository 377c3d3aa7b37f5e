"""Settings of variants that must stay in step with each other, whatever a suite changes."""

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.resnet import Block
from gan_zoo.registry import get, names
from gan_zoo.variants.gan import REUSED


def test_batches_of_the_keras_style_keep_their_proportions():
    """S8: as many fakes as real images in the joint batch, and twice as many for the generator."""
    variant = get("dcgan_keras", batch_size=64)
    assert (variant.batch_size, variant.fake_batch_size, variant.generator_batch_size) == (64, None, 128)
    assert get("dcgan_keras").generator_batch_size == 256


@pytest.mark.parametrize("name", names())
def test_a_variant_that_reuses_fakes_lists_it_once(name):
    variant = get(name)
    assert variant.deviations.count(REUSED) == variant.reuses_fakes


@pytest.mark.parametrize("name", ["wgan_gp", "nsgan"])
def test_residual_networks_keep_their_own_weights(name):
    """A block begins as the identity under every variant, though these draw their weights from N(0, 0.02)."""
    networks = get(name, backbone={"name": "resnet", "width": 8}).build((1, 32, 32), 0)
    for network in networks:
        blocks = [module for module in network.modules() if isinstance(module, Block)]
        assert blocks
        assert not any(block.last.weight.any() for block in blocks)


def test_a_residual_width_that_16_does_not_divide():
    networks = get("r3gan", width=9).build((1, 32, 32), 0)
    assert networks.discriminator(torch.zeros(2, 1, 32, 32)).shape == (2,)


@pytest.mark.parametrize("name", ["acgan", "infogan"])
def test_heads_do_not_go_with_packs(name):
    with pytest.raises(GanZooError, match="a pack has no one"):
        get(name, packing=2)


def test_weights_that_begin_at_zero_are_drawn_for_spectral_norm():
    """Zero divided by its norm would be no number."""
    critic = (
        get("nsgan", backbone={"name": "resnet", "width": 8, "norm": "spectral"}).build((1, 32, 32), 0).discriminator
    )
    assert critic(torch.zeros(2, 1, 32, 32)).isfinite().all()
    assert all(hasattr(m, "parametrizations") for m in critic.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
