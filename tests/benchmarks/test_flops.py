from dataclasses import replace

import pytest
from timing.flops import cost, measured_flops

from gan_zoo import registry

SHAPE, CLASSES = (1, 32, 32), 10


@pytest.mark.parametrize("name", ["gan", "cgan", "dcgan", "lsgan"])
def test_our_count_is_that_of_torch_over_a_real_step(name):
    variant = replace(registry.get(name), batch_size=16)
    assert cost(variant, SHAPE, CLASSES).flops == measured_flops(variant, SHAPE, CLASSES)


@pytest.mark.parametrize(
    "changes",
    [
        {"discriminator_steps": 2},
        {"generator_steps": 3, "generator_batch_size": 8},
        {"fake_batch_size": 6},
        {"fakes_in_eval": True},
        {"packing": 2},
        {"concat_real_fake": True},
    ],
    ids=str,
)
def test_it_holds_for_any_plan_of_a_round(changes):
    variant = replace(registry.get("gan"), batch_size=16, **changes)
    assert cost(variant, SHAPE, CLASSES).flops == measured_flops(variant, SHAPE, CLASSES)


def test_the_mlp_by_hand():
    generator = [100 * 128, 128 * 256, 256 * 512, 512 * 1024, 1024 * 1024]
    discriminator = [1024 * 1024, 1024 * 512, 512 * 256, 256]
    # Forward and weight gradients everywhere, input gradients but for the first layer; the generator's step passes the
    # discriminator once more, forward and back to the image, without weight gradients.
    draws = 3 * sum(generator) - generator[0]
    learns = 2 * (3 * sum(discriminator) - discriminator[0])
    judges = 2 * sum(discriminator)
    counted = cost(registry.get("gan"), SHAPE, CLASSES)
    assert counted.flops == 2 * 512 * (draws + learns + judges)
    assert counted.weights == draws + learns + judges


def test_the_optimizer_moves_seven_floats_a_parameter():
    variant = registry.get("gan")
    parameters = sum(p.numel() for network in variant.build(SHAPE, CLASSES) for p in network.parameters())
    counted = cost(variant, SHAPE, CLASSES)
    assert counted.optimizer == 7 * 4 * parameters
    assert counted.bytes_moved(2) == 2 * (counted.activations + counted.weights) + counted.optimizer
    strange = replace(variant.generator_optimizer, name="Rprop", settings={})
    assert cost(replace(variant, generator_optimizer=strange), SHAPE, CLASSES).optimizer is None
