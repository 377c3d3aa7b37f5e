"""The gradient penalty against closed forms and finite differences, and that it trains the critic."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.losses import DiscriminatorOutput, Objective, Result, Step
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import get
from gan_zoo.validation import random_data


def _step(critic, real, fake, labels=None):
    random = torch.Generator().manual_seed(0)
    return Step(discriminator=critic, real=real, fake=fake, labels=labels, fake_labels=labels, latent={}, random=random)


def _batches(*shape, fakes=None):
    random = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=random).double(), torch.randn(
        fakes or shape[0], *shape[1:], generator=random
    ).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_critic(channels):
    """The gradient of <w, x> in x is w, so the penalty is weight (||w|| - target)^2, with the norm over all values.

    Its own gradient in w is 2 weight (||w|| - target) w / ||w||.
    """
    weights = torch.arange(1.0, 1 + channels * 4).view(channels, 2, 2).double().requires_grad_()
    length = sum(k * k for k in range(1, 1 + channels * 4)) ** 0.5
    step = _step(lambda x, _: DiscriminatorOutput((x * weights).sum((1, 2, 3))), *_batches(5, channels, 2, 2))
    result = gradient_penalty(weight=3.0, target=0.5).loss(step, {})
    assert result.terms["gradient_penalty"].item() == pytest.approx(3 * (length - 0.5) ** 2, rel=1e-12)
    assert result.logs["gradient_length"].item() == pytest.approx(length, rel=1e-12)
    (pull,) = torch.autograd.grad(result.terms["gradient_penalty"], weights)
    expected = 6 * (length - 0.5) * weights / length
    assert (pull - expected).abs().max() < 1e-10


def test_a_critic_without_slope_is_finite():
    weights = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    step = _step(lambda x, _: DiscriminatorOutput(x.flatten(1) @ weights), *_batches(5, 1, 2, 2))
    penalty = gradient_penalty(weight=10.0).loss(step, {}).terms["gradient_penalty"]
    assert penalty.item() == 10
    assert torch.autograd.grad(penalty, weights)[0].isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
def test_penalty_is_that_of_finite_differences(channels):
    """The points are those on which the critic was asked; the slope there is measured by central differences."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(channels, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 1)).double()
    seen = []

    def critic(samples, _labels):
        seen.append(samples)
        return DiscriminatorOutput(network(samples).squeeze(1))

    real, fake = _batches(4, channels, 3, 3)
    term = gradient_penalty(weight=10.0).loss(_step(critic, real, fake), {}).terms["gradient_penalty"]
    (points,) = seen
    slopes = torch.zeros(4, channels * 9, dtype=torch.float64)
    with torch.no_grad():
        for index in range(channels * 9):
            shift = torch.zeros(channels * 9, dtype=torch.float64)
            shift[index] = 1e-6
            shift = shift.view(1, channels, 3, 3)
            slopes[:, index] = (network(points + shift) - network(points - shift)).squeeze(1) / 2e-6
    expected = 10 * ((slopes.square().sum(1).sqrt() - 1) ** 2).mean()
    assert term.item() == pytest.approx(expected.item(), rel=1e-7)


def test_points_lie_between_with_one_share_a_sample():
    seen = []

    def critic(samples, labels):
        seen.append((samples, labels))
        return DiscriminatorOutput(samples.sum((1, 2, 3)))

    real, fake = torch.ones(2000, 1, 2, 2), torch.zeros(2000, 1, 2, 2)
    gradient_penalty().loss(_step(critic, real, fake, torch.arange(2000)), {})
    ((points, labels),) = seen
    share = points.flatten(1)
    assert (share == share[:, :1]).all()
    assert share.min() >= 0
    assert share.max() <= 1
    assert share[:, 0].mean().item() == pytest.approx(0.5, abs=5 * (1 / 12 / 2000) ** 0.5)
    assert share[:, 0].var().item() == pytest.approx(1 / 12, rel=0.1)
    assert torch.equal(labels, torch.arange(2000))


def test_unequal_batches_pair_what_they_have():
    labels = torch.arange(5)
    seen = []

    def critic(samples, labels):
        seen.append((len(samples), len(labels)))
        return DiscriminatorOutput(samples.sum((1, 2, 3)))

    gradient_penalty().loss(_step(critic, *_batches(5, 1, 2, 2, fakes=3), labels), {})
    assert seen == [(3, 3)]


def _still():
    """A game whose own losses pull on nothing, so that only the penalty trains the critic."""
    nothing = lambda step, _state: Result({"nothing": 0 * step.on_fake.score.sum()})  # noqa: E731
    return Objective(title="nothing", discriminator=nothing, generator=nothing, probability=False)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_engine_takes_the_penalty_s_own_gradient(channels):
    """Second-order: the slope has a gradient in every weight of the critic, and training brings it to the target."""
    networks = partial(mlp, generator=(8,), discriminator=(16,))
    variant = replace(
        get("gan"), networks=networks, objective=_still(), penalties=(gradient_penalty(10.0, target=2.0),), batch_size=8
    )
    fast = replace(variant.discriminator_optimizer, settings={"lr": 0.01})
    state = init(replace(variant, discriminator_optimizer=fast), random_data(4, channels), seed=0)
    advance(state, 1)
    first = flush(state)
    pulls = {name: p.grad for name, p in state.networks.discriminator.named_parameters()}
    assert all(pull.abs().max() > 1e-6 for name, pull in pulls.items() if name.endswith("weight"))
    assert first["discriminator_loss"] == pytest.approx(first["discriminator_loss/gradient_penalty"], rel=1e-6)
    advance(state, 250)
    flush(state)
    advance(state, 50)
    last = flush(state)
    assert abs(first["gradient_length"] - 2) > 0.5
    assert last["gradient_length"] == pytest.approx(2.0, abs=0.1)


def test_two_penalties_of_one_name_are_refused():
    """Neither may be lost: they are told apart by their names, or refused."""
    networks = partial(mlp, generator=(8,), discriminator=(16,))
    variant = replace(get("gan"), networks=networks, objective=_still(), batch_size=8)
    with pytest.raises(GanZooError, match="gradient_penalty"):
        advance(
            init(replace(variant, penalties=(gradient_penalty(), gradient_penalty(1.0))), random_data(4), seed=0), 1
        )


def test_batch_norm_under_the_penalty_is_refused():
    variant = replace(get("dcgan", width=4, batch_size=8), penalties=(gradient_penalty(),))
    with pytest.raises(GanZooError, match="batch norm in a discriminator under a gradient penalty, weight 10"):
        init(variant, random_data(32), seed=0)


def test_batch_norm_in_the_generator_is_none_of_its_business():
    variant = replace(
        get("gan"), networks=partial(mlp, generator=(8,), discriminator=(8,)), penalties=(gradient_penalty(),)
    )
    state = init(replace(variant, batch_size=8), random_data(4), seed=0)
    assert any(isinstance(module, nn.BatchNorm1d) for module in state.networks.generator.modules())
    advance(state, 1)


def test_conditional_critic_is_asked_with_labels():
    variant = replace(
        get("cgan"), networks=partial(mlp, generator=(8,), discriminator=(8,)), penalties=(gradient_penalty(),)
    )
    state = init(replace(variant, batch_size=8), random_data(4), seed=0)
    advance(state, 1)
    assert flush(state)["discriminator_loss/gradient_penalty"] > 0
