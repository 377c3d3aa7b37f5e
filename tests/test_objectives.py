"""Objectives against formulas written out by hand, in float64."""

import math

import pytest
import torch
from torch import nn

from gan_zoo.objectives import Critique, Step, cross_entropy, least_squares

REAL, FAKE = [-3.0, -0.5, 0.0, 2.0], [-2.0, 1.0, 4.0]
GAMES = {
    "cross entropy": cross_entropy(),
    "least squares, probability": least_squares(probability=True),
    "least squares, raw": least_squares(probability=False),
}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# name: (loss of D on a real score, on a fake score, loss of G on a fake score), each with its derivative.
FORMULAS = {
    "cross entropy": (
        (lambda x: -math.log(sigmoid(x)), lambda x: sigmoid(x) - 1),
        (lambda x: -math.log(1 - sigmoid(x)), sigmoid),
        (lambda x: -math.log(sigmoid(x)), lambda x: sigmoid(x) - 1),
    ),
    "least squares, probability": (
        (lambda x: (sigmoid(x) - 1) ** 2, lambda x: -2 * (1 - sigmoid(x)) ** 2 * sigmoid(x)),
        (lambda x: sigmoid(x) ** 2, lambda x: 2 * sigmoid(x) ** 2 * (1 - sigmoid(x))),
        (lambda x: (sigmoid(x) - 1) ** 2, lambda x: -2 * (1 - sigmoid(x)) ** 2 * sigmoid(x)),
    ),
    "least squares, raw": (
        (lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)),
        (lambda x: x**2, lambda x: 2 * x),
        (lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)),
    ),
}


def _identity(samples, _labels):
    return Critique(samples.flatten())


def _step(real, fake, critic=_identity, **settings):
    random = torch.Generator().manual_seed(0)
    given = {"labels": None, "fake_labels": None, "latent": {}, "random": random, **settings}
    return Step(critic=critic, real=real, fake=fake, **given)


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", GAMES)
def test_losses_and_gradients_are_the_formulas(name):
    """Each term is a mean over its own batch, so a sample's pull is the formula's derivative over the batch size."""
    on_real, on_fake, of_generator = FORMULAS[name]
    real, fake = _tensor(REAL), _tensor(FAKE)
    terms = GAMES[name].discriminator(_step(real, fake), {}).terms
    assert set(terms) == {"real", "fake"}
    assert terms["real"].item() == pytest.approx(sum(map(on_real[0], REAL)) / 4, rel=1e-12)
    assert terms["fake"].item() == pytest.approx(sum(map(on_fake[0], FAKE)) / 3, rel=1e-12)
    pulls = torch.autograd.grad(terms["real"] + terms["fake"], (real, fake))
    assert pulls[0].tolist() == pytest.approx([on_real[1](x) / 4 for x in REAL], rel=1e-12)
    assert pulls[1].tolist() == pytest.approx([on_fake[1](x) / 3 for x in FAKE], rel=1e-12)
    (term,) = GAMES[name].generator(_step(real, fake), {}).terms.values()
    assert term.item() == pytest.approx(sum(map(of_generator[0], FAKE)) / 3, rel=1e-12)
    (pull,) = torch.autograd.grad(term, fake)
    assert pull.tolist() == pytest.approx([of_generator[1](x) / 3 for x in FAKE], rel=1e-12)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("name", GAMES)
def test_gradients_are_the_finite_differences(name, player):
    def loss(real, fake):
        return sum(getattr(GAMES[name], player)(_step(real, fake), {}).terms.values()) + 0 * real.sum()

    assert torch.autograd.gradcheck(loss, (_tensor(REAL), _tensor(FAKE)))


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("logit", [-1000.0, -80.0, 80.0, 1000.0])
def test_extreme_logits_stay_finite(name, logit):
    """In float32, where the logarithm of a rounded probability would be infinite."""
    real, fake = (torch.full((3,), logit, requires_grad=True) for _ in range(2))
    for player in ("discriminator", "generator"):
        total = sum(getattr(GAMES[name], player)(_step(real, fake), {}).terms.values())
        (pull,) = torch.autograd.grad(total, fake)
        assert total.isfinite()
        assert pull.isfinite().all()


def test_cross_entropy_still_pulls_on_a_fake_far_on_the_wrong_side():
    fake = torch.full((1,), -1000.0, requires_grad=True)
    (term,) = cross_entropy().generator(_step(fake, fake), {}).terms.values()
    assert term.item() == 1000
    assert torch.autograd.grad(term, fake)[0].item() == -1


@pytest.mark.parametrize("name", GAMES)
def test_a_score_is_recorded_as_what_the_objective_takes_it_for(name):
    said = GAMES[name].read(torch.tensor([-4.0, 0.0, 4.0], dtype=torch.float64)).tolist()
    raw = name == "least squares, raw"
    assert said == pytest.approx([-4, 0, 4] if raw else [sigmoid(-4), 0.5, sigmoid(4)], rel=1e-12)
    assert GAMES[name].probability is not raw


def _normalizing(samples, _labels):
    norm = nn.BatchNorm1d(1, affine=False, eps=1e-15).double()
    return Critique(norm(samples.view(-1, 1)).flatten(), {"double": 2 * samples})


def test_batch_norm_sees_real_and_fake_apart():
    """Alone, [0, 2] and [10, 14] are each -1 and 1."""
    step = _step(_tensor([0.0, 2.0]), _tensor([10.0, 14.0]), _normalizing)
    assert step.on_real.score.tolist() == pytest.approx([-1, 1])
    assert step.on_fake.score.tolist() == pytest.approx([-1, 1])


def test_batch_norm_sees_a_joint_batch():
    """Together [0, 2, 10, 14] has mean 6.5 and variance 32.75; so also where the fakes are more than the real ones."""
    step = _step(_tensor([0.0]), _tensor([2.0, 10.0, 14.0]), _normalizing, joint=True)
    expected = [(x - 6.5) / 32.75**0.5 for x in (0, 2, 10, 14)]
    assert step.on_real.score.tolist() == pytest.approx(expected[:1])
    assert step.on_fake.score.tolist() == pytest.approx(expected[1:])
    assert step.on_real.extra["double"].tolist() == [0]
    assert step.on_fake.extra["double"].tolist() == [4, 20, 28]


@pytest.mark.parametrize("joint", [False, True])
def test_labels_go_with_their_samples_and_each_critique_is_made_once(joint):
    calls = []

    def critic(samples, labels):
        calls.append((samples.tolist(), labels.tolist()))
        return Critique(samples)

    labels, fake_labels = torch.tensor([1, 2]), torch.tensor([3])
    step = _step(
        torch.tensor([5.0, 6.0]), torch.tensor([7.0]), critic, joint=joint, labels=labels, fake_labels=fake_labels
    )
    for _ in range(2):
        assert (step.on_real.score.tolist(), step.on_fake.score.tolist()) == ([5, 6], [7])
    assert calls == ([([5, 6, 7], [1, 2, 3])] if joint else [([5, 6], [1, 2]), ([7], [3])])
