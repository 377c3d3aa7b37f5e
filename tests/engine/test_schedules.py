"""Schedules in training: of learning rates, beta2, penalty weights and moving averages; resumed, and in graphs."""

from dataclasses import replace

import pytest
import torch

from gan_zoo.engine import advance, checkpoint, init
from gan_zoo.engine.cuda_graphs import Graphs
from gan_zoo.losses.penalties import gradient_penalty, zero_centered
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data

RATE = {"start": 2e-3, "shape": "inverse", "decay": 0.25}
BETA2 = {"start": 0.9, "shape": "linear", "end": 0.99, "length": 10}
ADAM = {"name": "Adam", "lr": RATE, "betas": [0.5, BETA2]}
EMA = Schedule(0.5, "linear", end=0.9, length=100, over="images")
WEIGHT = Schedule(10.0, "cosine", end=0.0, length=12)


def _small(spec):
    return mlp(spec, generator=(6,), discriminator=(6,))


def _variant(**changes):
    settings = {"batch_size": 8, "discriminator_steps": 2, "norm": "none", **changes}
    return replace(get("gan", generator_optimizer=ADAM, discriminator_optimizer=ADAM), networks=_small, **settings)


def _everything():
    return _variant(ema=EMA, penalties=(gradient_penalty(WEIGHT), zero_centered("real", WEIGHT)))


def _start(variant, dtype=torch.float32):
    return init(variant, random_data(4, n=28), seed=0, dtype=dtype)


def _numbers(state):
    modules = [*state.networks, *([] if state.ema is None else [state.ema])]
    moments = [value for optimizer in state.optimizers for kept in optimizer.state.values() for value in kept.values()]
    return torch.cat(
        [t.detach().double().flatten() for m in modules for t in m.state_dict().values()]
        + [value.double().flatten() for value in moments]
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_optimizers_follow_their_schedules_by_their_own_updates(dtype):
    """After n updates the last was made with the value at n - 1."""
    state = advance(_start(_variant(), dtype), 3)
    for optimizer, t in zip(state.optimizers, (2, 5), strict=True):
        (group,) = optimizer.param_groups
        assert float(group["lr"]) == pytest.approx(2e-3 / (1 + 0.25 * t), rel=1e-7)
        assert group["betas"] == (0.5, pytest.approx(0.9 + 0.09 * t / 10, rel=1e-12))


@pytest.mark.parametrize("name", ["Adam", "KerasAdam", "RMSprop", "SGD"])
def test_any_optimizer_may_have_a_schedule(name):
    variant = _variant(generator_optimizer=Optimizer(name, {"lr": Schedule(1e-3, "inverse", decay=0.5)}))
    state = advance(_start(variant), 3)
    assert float(state.optimizers.generator.param_groups[0]["lr"]) == pytest.approx(1e-3 / 2)


def test_a_scheduled_rate_steps_as_a_loop_that_sets_it():
    """One update of SGD is w - lr(t) g, so that the generator moves by the sum of the rates at a constant gradient."""
    schedule = Schedule(0.1, "linear", end=0.0, length=4)
    variant = _variant(generator_optimizer=Optimizer("SGD", {"lr": schedule}))
    state = _start(variant, torch.float64)
    for t in range(6):
        before = [p.detach().clone() for p in state.networks.generator.parameters()]
        advance(state, 1)
        for old, new in zip(before, state.networks.generator.parameters(), strict=True):
            torch.testing.assert_close(new.detach(), old - 0.1 * (1 - min(t / 4, 1)) * new.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rounds", [0, 1, 4, 7])
def test_a_run_that_is_resumed_at_any_iteration_equals_an_unbroken_one_to_the_bit(rounds, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "plain_options", lambda _variant: {})
    unbroken = advance(_start(_everything()), 9)
    half = advance(_start(_everything()), rounds)
    checkpoint.save(half, tmp_path / "half.safetensors")
    resumed = checkpoint.restore(_start(_everything()), checkpoint.load(tmp_path / "half.safetensors"))
    advance(resumed, 9 - rounds)
    assert torch.equal(_numbers(resumed), _numbers(unbroken))


def _weighted(weight):
    return _variant(penalties=(gradient_penalty(weight),), discriminator_steps=1, discriminator_optimizer=Optimizer())


def test_the_weight_of_a_penalty_follows_its_schedule():
    """The recorded term of each iteration is that of weight 1 times the schedule, with the discriminator held."""
    still = {
        "discriminator_optimizer": Optimizer("SGD", {"lr": 0.0}),
        "generator_optimizer": Optimizer("SGD", {"lr": 0.0}),
    }
    recorded = {}
    for name, weight in (("one", 1.0), ("scheduled", WEIGHT)):
        state = advance(_start(replace(_weighted(weight), **still), torch.float64), 14)
        column = state.history.names.index("discriminator_loss/gradient_penalty")
        recorded[name] = torch.cat(state.history.pending)[:, column]
    t = torch.arange(14, dtype=torch.float64)
    expected = 10 * (1 + torch.cos(torch.pi * (t / 12).clamp(max=1))) / 2
    torch.testing.assert_close(recorded["scheduled"], expected * recorded["one"], rtol=1e-9, atol=1e-12)


def test_a_moving_average_follows_its_schedule():
    """Over images: 2 batches of 8 an iteration, and the 4 left of an epoch of 28."""
    state = _start(_variant(ema=EMA), torch.float64)
    average = [p.detach().clone() for p in state.networks.generator.parameters()]
    for _ in range(5):
        advance(state, 1)
        decay = 0.5 + 0.4 * min(state.images / 100, 1)
        average = [
            decay * a + (1 - decay) * p.detach()
            for a, p in zip(average, state.networks.generator.parameters(), strict=True)
        ]
    for ours, expected in zip(state.ema.parameters(), average, strict=True):
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-12, atol=1e-15)
    assert state.images == 28 * 3 - 12


class _Replayed:
    def __init__(self, run):
        self.replay = run


def test_recorded_iterations_follow_schedules_to_the_bit():
    """With a recorder that runs what it recorded; what graphs read is on the device."""
    rate = Optimizer("KerasAdam", {"lr": Schedule(**RATE)})
    variant = replace(_everything(), generator_optimizer=rate, discriminator_optimizer=rate, shared_step_count=True)
    plain, state = _start(variant), _start(variant)
    graphs = Graphs(state, None, record=lambda run, _state: _Replayed(run))
    for rounds in (5, 1, 30):
        advance(plain, rounds)
        graphs.advance(state, rounds)
    assert state.execution == "CUDA graphs"
    assert torch.equal(_numbers(state), _numbers(plain))
    assert torch.equal(
        state.optimizers.generator.param_groups[0]["lr"], plain.optimizers.generator.param_groups[0]["lr"]
    )
