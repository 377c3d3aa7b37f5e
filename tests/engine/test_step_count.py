"""One count of optimizer steps for both players, as one Adam object of Keras 2 has it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, init
from gan_zoo.losses import Objective, Result
from gan_zoo.optimizer import KerasAdam, Optimizer
from gan_zoo.registry import get
from gan_zoo.validation import random_data


class _Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self, latent):
        return self.value.expand(len(latent), 1, 4, 4)


class _Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, samples):
        return samples.mean(dim=(1, 2, 3)) + self.bias


def _constant(shared):
    """A variant in which the gradient of both players' one parameter is 1 in every step."""

    def loss(step, _state):
        return Result({"fake": step.on_fake.score.mean()})

    adam = Optimizer("KerasAdam", {"lr": 1.0, "betas": (0.5, 0.999), "eps": 0.0})
    return replace(
        get("gan"),
        networks=lambda _spec: (_Shift(), _Mean()),
        objective=Objective(title="constant", discriminator=loss, generator=loss, probability=False),
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        shared_step_count=shared,
        batch_size=2,
    )


def _moves(state, iterations):
    """How far each iteration moves the generator's parameter and the discriminator's, (iterations, 2)."""
    places = []
    for index in range(iterations + 1):
        advance(state, min(index, 1))
        places.append(torch.stack([next(network.parameters()).detach().clone() for network in state.networks]))
    return -torch.stack(places).diff(dim=0)


def _start_constant(shared):
    return init(_constant(shared), random_data(4, n=4), seed=0, dtype=torch.float64)


def _skip_to(state, iterations):
    """Give the optimizers the state that they have after so many iterations of a gradient of 1."""
    for optimizer in state.optimizers:
        (moments,) = optimizer.state.values()
        moments["exp_avg"].fill_(1 - 0.5**iterations)
        moments["exp_avg_sq"].fill_(1 - 0.999**iterations)
        moments["step"].fill_(2 * iterations)


def _factor(iterations):
    """The bias corrections of the counts 2r and 2r - 1 on moments of r steps, (iterations, 2)."""
    taken = torch.tensor(iterations, dtype=torch.float64)[:, None]
    counted = torch.cat([2 * taken, 2 * taken - 1], dim=1)
    return (1 - 0.5**taken) / (1 - 0.5**counted) * ((1 - 0.999**counted) / (1 - 0.999**taken)).sqrt()


def test_steps_are_larger_than_with_two_optimizers_at_first():
    """SYSTEMS, S8: at a constant gradient two optimizers step by the learning rate; with a shared count the steps are
    up to 1.41 times as large, 1.38 at iteration 100, 1.07 at 2,000."""
    torch.testing.assert_close(_moves(_start_constant(False), 20), torch.ones(20, 2, dtype=torch.float64))
    state = _start_constant(True)
    moves = _moves(state, 100)
    torch.testing.assert_close(moves, _factor(range(1, 101)), rtol=1e-9, atol=0)
    assert moves.max().item() == pytest.approx(1.41, abs=5e-3)
    assert moves[99].tolist() == pytest.approx([1.38, 1.38], abs=5e-3)
    _skip_to(state, 1999)
    late = _moves(state, 1)
    torch.testing.assert_close(late, _factor([2000]), rtol=1e-9, atol=0)
    assert late[0].tolist() == pytest.approx([1.07, 1.07], abs=5e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_step_of_either_player_counts_for_both(dtype):
    """Three steps an iteration; the rate of a step is lr / (1 + decay x the steps before it)."""
    adam = {"name": "KerasAdam", "lr": {"start": 2e-4, "shape": "inverse", "decay": 0.25}}
    changes = {"generator_optimizer": adam, "discriminator_optimizer": adam, "discriminator_steps": 2}
    variant = get("dcgan_keras", width=2, batch_size=4, **changes)
    state = advance(init(variant, random_data(28, n=16), seed=0, dtype=dtype), 4)
    assert {float(m["step"]) for optimizer in state.optimizers for m in optimizer.state.values()} == {12.0}
    rates = [float(optimizer.param_groups[0]["lr"]) for optimizer in state.optimizers]
    assert rates == pytest.approx([2e-4 / (1 + 0.25 * 11), 2e-4 / (1 + 0.25 * 10)], rel=1e-7)


def test_a_parameter_without_a_gradient_stays_and_its_step_is_counted():
    trained, idle = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = KerasAdam([idle, trained], lr=0.1)
    trained.grad = torch.tensor([1.0, -2.0, 0.0])
    optimizer.step()
    assert torch.equal(idle.detach(), torch.ones(3))
    assert {float(moments["step"]) for moments in optimizer.state.values()} == {1.0}
    torch.testing.assert_close(trained.detach(), torch.tensor([0.9, 1.1, 1.0]), rtol=1e-5, atol=0)
