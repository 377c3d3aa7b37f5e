"""The engine on CUDA."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.device import pick
from gan_zoo.engine import Sampler, advance, checkpoint, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.registry import get
from gan_zoo.validation import random_data

pytestmark = pytest.mark.cuda


def _variants():
    dcgan = get("dcgan", width=8, batch_size=8)
    penalized = replace(get("cgan"), penalties=(gradient_penalty(),), batch_size=8, ema=0.9)
    return {"dcgan": dcgan, "penalized": penalized}


def _start(variant, device="cuda", n=30):
    return init(variant, random_data(32, n=n).to(device), seed=0)


def _weights(state):
    return torch.cat([p.detach().flatten().cpu() for network in state.networks for p in network.parameters()])


@pytest.mark.parametrize("name", ["dcgan", "penalized"])
def test_weights_begin_as_on_the_cpu(name):
    variant = _variants()[name]
    assert torch.equal(_weights(_start(variant)), _weights(_start(variant, "cpu")))


@pytest.mark.parametrize("name", ["dcgan", "penalized"])
def test_rounds_are_finite_and_repeat(name):
    first, again = (advance(_start(_variants()[name]), 5) for _ in range(2))
    values = flush(first)
    assert all(torch.tensor(value).isfinite() for value in values.values())
    assert flush(again) == pytest.approx(values, rel=1e-3)


def _dropping(spec):
    generator, discriminator = linear_stem(spec, width=4)
    discriminator.body.insert(1, nn.Dropout(0.5))
    return generator, discriminator


def test_the_devices_own_random_state_is_neither_used_nor_moved():
    variant = replace(get("dcgan"), networks=_dropping, batch_size=8)
    drawn = []
    for outside in (1, 2):
        torch.cuda.manual_seed(outside)
        before = torch.cuda.get_rng_state()
        state = advance(_start(variant), 2)
        assert torch.equal(torch.cuda.get_rng_state(), before)
        drawn.append(state.default_random)
    assert torch.equal(*drawn)


def test_images_are_made_on_the_device_and_are_those_of_the_cpu():
    """To a grey level: only the order of sums differs."""
    state = _start(_variants()["dcgan"])
    images = Sampler.of(state)(20)
    assert images.is_cuda
    expected = Sampler.of(_start(_variants()["dcgan"], "cpu"))(20)
    assert (images.cpu().int() - expected.int()).abs().max() <= 1


def test_a_checkpoint_goes_on_and_samples_on_either_device(tmp_path):
    state = advance(_start(_variants()["dcgan"]), 2)
    path = tmp_path / "state.safetensors"
    checkpoint.save(state, path)
    loaded = checkpoint.load(path)
    restored = checkpoint.restore(_start(get("dcgan", width=8, batch_size=8)), loaded)
    assert torch.equal(_weights(restored), _weights(state))
    assert torch.equal(restored.random["latent"].get_state(), state.random["latent"].get_state())
    # Another layout of the weights, so other kernels.
    assert (loaded.sampler("cuda")(5).int() - Sampler.of(state)(5).int()).abs().max() <= 1
    assert (loaded.sampler("cpu")(5).int() - Sampler.of(state)(5).cpu().int()).abs().max() <= 1
    with pytest.raises(GanZooError, match="does not fit"):
        checkpoint.restore(_start(get("dcgan", width=8, batch_size=8), "cpu"), loaded)


def test_a_device_that_is_not_here_is_one_clear_line():
    with pytest.raises(GanZooError, match="'cuda:99' is not here"):
        pick("cuda:99")


def test_matrix_products_are_float32():
    prepared = partial(_start, _variants()["dcgan"])
    prepared()
    left, right = (torch.randn(256, 256, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    exact = left.double() @ right.double()
    error = ((left.cuda() @ right.cuda()).cpu().double() - exact).norm() / exact.norm()
    assert error < 1e-5
