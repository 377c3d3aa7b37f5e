"""What a precision changes, and what stays float32."""

from dataclasses import replace

import pytest
import torch

from gan_zoo.device import prepare
from gan_zoo.engine import advance, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.losses import least_squares
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get
from gan_zoo.validation import random_data

VARIANTS = {
    "cgan": replace(get("cgan"), batch_size=32),
    "penalty": replace(get("gan"), batch_size=32, penalties=(gradient_penalty(),)),
    "dcgan": replace(get("dcgan", width=8), batch_size=32),
}


def _start(name, precision):
    return init(VARIANTS[name], random_data(32, n=64), seed=0, precision=precision)


@pytest.mark.parametrize("name", VARIANTS)
def test_bf16_trains_near_float32_with_weights_and_moments_in_it(name):
    exact, fast = (advance(_start(name, precision), 3) for precision in ("fp32", "bf16"))
    values = flush(fast)
    expected = flush(exact)
    assert values != expected
    assert values == pytest.approx(expected, rel=0.1, abs=0.02)
    for network in fast.networks:
        assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    for optimizer in fast.optimizers:
        assert {v.dtype for moments in optimizer.state.values() for v in moments.values()} == {torch.float32}


def test_bf16_scores_with_the_weights_as_they_are_after_the_step():
    """Casts are cached within a player's loss only: the generator's loss is by the discriminator after its step."""
    far = Optimizer("SGD", {"lr": 1000.0})
    variant = replace(VARIANTS["cgan"], discriminator_optimizer=far, objective=least_squares(probability=True))
    losses = [
        flush(advance(init(variant, random_data(32, n=64), 0, precision=p), 1))["generator_loss"]
        for p in ("fp32", "bf16")
    ]
    unmoved = replace(variant, discriminator_optimizer=Optimizer("SGD", {"lr": 1e-9}))
    before = flush(advance(init(unmoved, random_data(32, n=64), 0), 1))["generator_loss"]
    assert abs(losses[0] - before) > 0.1
    assert losses[1] == pytest.approx(losses[0], abs=0.02)


def test_bf16_divides_by_the_exact_spectral_norm():
    state = init(get("sngan", width=4, batch_size=8), random_data(32, n=16), 0, precision="bf16")
    discriminator = state.networks.discriminator.eval()
    layers = [module for module in discriminator.modules() if hasattr(module, "parametrizations")]
    exact = [layer.weight for layer in layers]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(torch.equal(layer.weight, weight) for layer, weight in zip(layers, exact, strict=True))
    assert len(layers) > 3


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "SGD"])
def test_an_optimizer_is_fused_where_torch_has_it_for_the_device(monkeypatch, name):
    """Adagrad has no fused step on CUDA up to torch 2.11."""
    weight = torch.nn.Parameter(torch.ones(2))
    assert Optimizer(name, {"lr": 1e-3}).build([weight], fused=True).defaults["fused"] is True
    monkeypatch.setattr(torch._C, "_dispatch_has_kernel_for_dispatch_key", lambda operator, key: False)
    assert not Optimizer(name, {"lr": 1e-3}).build([weight], fused=True).defaults["fused"]


def test_a_precision_that_is_not_there_is_one_clear_line():
    with pytest.raises(GanZooError, match="unknown precision 'fp16'; did you mean"):
        prepare("cpu", "fp16")
    with pytest.raises(GanZooError, match="'tf32' is one of CUDA devices alone; on a CPU use bf16"):
        prepare("cpu", "tf32")


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_fused_steps_are_those_of_the_plain_optimizer(name):
    """Float32 iterations of the engine against those with torch's for-loop Adam, in whatever layout the weights are."""
    loop = Optimizer(settings={"lr": 2e-4, "betas": (0.5, 0.999), "foreach": False})
    plain = replace(VARIANTS[name], generator_optimizer=loop, discriminator_optimizer=loop)
    states = [advance(init(variant, random_data(32, n=64), 0), 3) for variant in (VARIANTS[name], plain)]
    assert [s.optimizers.generator.defaults["fused"] for s in states] == [True, None]
    weights = [torch.cat([p.detach().flatten() for n in s.networks for p in n.parameters()]) for s in states]
    # A step is 2e-4 a weight: 1e-6 is half a hundredth of one. Where a true gradient is 0, Adam amplifies rounding.
    assert ((weights[0] - weights[1]).abs() < 1e-6).float().mean() > 0.99


def test_convolutions_of_one_channel_stay_channels_last():
    state = init(replace(get("dcgan", width=8, batch_size=8), networks=linear_stem), random_data(32, n=8), 0)
    maps = state.networks.discriminator.body[0](torch.rand(4, 1, 32, 32))
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert not maps.is_contiguous()
