"""Schedules in training: of learning rates, beta2, penalty weights and moving averages."""

from dataclasses import replace

import pytest
import torch

from gan_zoo.engine import advance, init
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data

RATE = {"start": 2e-3, "shape": "inverse", "decay": 0.25}
BETA2 = {"start": 0.9, "shape": "linear", "end": 0.99, "length": 10}
ADAM = {"name": "Adam", "lr": RATE, "betas": [0.5, BETA2]}
BACKBONE = {"name": "mlp", "generator": [6], "discriminator": [6]}


def _start(dtype=torch.float64, **changes):
    """Two batches of 8 an iteration; an epoch of 28 ends with one of 4."""
    variant = get("gan", generator_optimizer=ADAM, discriminator_optimizer=ADAM, backbone=BACKBONE)
    settings = {"batch_size": 8, "discriminator_steps": 2, "norm": "none", **changes}
    return init(replace(variant, **settings), random_data(4, n=28), seed=0, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_optimizers_follow_their_schedules_by_their_own_updates(dtype):
    """After n updates the last was made with the value at n - 1."""
    state = advance(_start(dtype), 3)
    for optimizer, t in zip(state.optimizers, (2, 5), strict=True):
        (group,) = optimizer.param_groups
        assert float(group["lr"]) == pytest.approx(2e-3 / (1 + 0.25 * t), rel=1e-7)
        assert group["betas"] == (0.5, pytest.approx(0.9 + 0.09 * t / 10, rel=1e-12))


@pytest.mark.parametrize("name", ["Adam", "KerasAdam", "RMSprop", "SGD"])
def test_any_optimizer_may_have_a_schedule(name):
    scheduled = Optimizer(name, {"lr": Schedule(1e-3, "inverse", decay=0.5)})
    state = advance(_start(torch.float32, generator_optimizer=scheduled), 3)
    assert float(state.optimizers.generator.param_groups[0]["lr"]) == pytest.approx(1e-3 / 2)


def test_a_scheduled_rate_steps_as_a_loop_that_sets_it():
    """One update of SGD is w - lr(t) g."""
    state = _start(generator_optimizer=Optimizer("SGD", {"lr": Schedule(0.1, "linear", end=0.0, length=4)}))
    for t in range(6):
        before = [p.detach().clone() for p in state.networks.generator.parameters()]
        advance(state, 1)
        for old, new in zip(before, state.networks.generator.parameters(), strict=True):
            torch.testing.assert_close(new.detach(), old - 0.1 * (1 - min(t / 4, 1)) * new.grad, rtol=1e-12, atol=1e-15)


def test_the_weight_of_a_penalty_follows_its_schedule():
    """The recorded term of each iteration is that of weight 1 times the schedule, with networks that stand still."""
    still = Optimizer("SGD", {"lr": 0.0})
    recorded = []
    for weight in (1.0, Schedule(10.0, "cosine", end=0.0, length=12)):
        changes = {"penalties": (gradient_penalty(weight),), "discriminator_steps": 1}
        state = advance(_start(generator_optimizer=still, discriminator_optimizer=still, **changes), 14)
        column = state.history.names.index("discriminator_loss/gradient_penalty")
        recorded.append(torch.cat(state.history.pending)[:, column])
    t = torch.arange(14, dtype=torch.float64)
    expected = 10 * (1 + torch.cos(torch.pi * (t / 12).clamp(max=1))) / 2
    torch.testing.assert_close(recorded[1], expected * recorded[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ema", [0.9, Schedule(0.5, "linear", end=0.9, length=100, over="images")])
def test_the_moving_average_is_the_formula(ema):
    """e <- d e + (1 - d) g at each generator step, d by the images so far; running statistics are the generator's."""
    state = _start(ema=ema)
    generator = state.networks.generator
    average = [p.detach().clone() for p in generator.parameters()]
    for _ in range(5):
        advance(state, 1)
        decay = 0.9 if ema == 0.9 else 0.5 + 0.4 * min(state.images / 100, 1)
        average = [decay * a + (1 - decay) * p.detach() for a, p in zip(average, generator.parameters(), strict=True)]
    for ours, expected in zip(state.ema.parameters(), average, strict=True):
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-12, atol=1e-15)
        assert not ours.requires_grad
    assert not torch.equal(next(state.ema.parameters()), next(generator.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(state.ema.buffers(), generator.buffers(), strict=True))
    assert state.images == 28 * 3 - 12
