"""Every objective against its formula, written out by hand in float64: values, gradients and finite differences."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from scipy.stats import truncnorm

from gan_zoo import losses as o
from gan_zoo import registry

REAL, FAKE = [-3.0, -0.5, 0.3, 2.0], [-2.0, 0.7, 4.0]
STATE = {"k": torch.tensor(0.3, dtype=torch.float64), "real": torch.tensor(0.7, dtype=torch.float64)}
# Rows at angles of 90, 45 and 45 degrees: squared cosines 0, 1/2 and 1/2, so 1/3 in the mean.
CODES = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]], dtype=torch.float64)


class Formula(NamedTuple):
    """A game, and for each player (real, fake) -> (terms, gradient on the real scores, on the fakes')."""

    game: o.Objective
    discriminator: Callable
    generator: Callable


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def log1p_exp(x):
    return math.log(1 + math.exp(x))


def _mean(values):
    return sum(values) / len(values)


def _apart(game, on_real, on_fake, of_generator, **further):
    """A game of one function of a score for each player and batch, given with its derivative."""

    def discriminator(real, fake):
        terms = {"real": _mean([on_real[0](x) for x in real]), "fake": _mean([on_fake[0](x) for x in fake])}
        return terms, [on_real[1](x) / len(real) for x in real], [on_fake[1](x) / len(fake) for x in fake]

    def generator(real, fake):
        terms = {"adversarial": _mean([of_generator[0](x) for x in fake]), **further}
        return terms, [0.0] * len(real), [of_generator[1](x) / len(fake) for x in fake]

    return Formula(game, discriminator, generator)


def _pairs(real, fake, sign):
    """softplus(sign d) over the three pairs; the fourth real score has no partner, and no pull."""
    differences = [real[i] - fake[i] for i in range(3)]
    pull = [sign * sigmoid(sign * d) / 3 for d in differences]
    return _mean([log1p_exp(sign * d) for d in differences]), [*pull, 0.0], [-p for p in pull]


def _relativistic():
    def discriminator(real, fake):
        value, *pulls = _pairs(real, fake, -1)
        return {"pairs": value}, *pulls

    def generator(real, fake):
        value, *pulls = _pairs(real, fake, 1)
        return {"adversarial": value}, *pulls

    return Formula(o.relativistic(), discriminator, generator)


def _drawn(n, low, high, random):
    """Targets by scipy, from the uniform numbers that the step's generator gives."""
    shares = torch.rand(n, 1, generator=random, dtype=torch.float64).flatten()
    return truncnorm.ppf(shares.numpy(), low, high).tolist()


def _noisy():
    def entropy(x, t):
        return -t * math.log(sigmoid(x)) - (1 - t) * math.log(1 - sigmoid(x))

    def discriminator(real, fake):
        """One mean over the 7 samples of both batches; the derivative of a sample's entropy is p - t."""
        random = torch.Generator().manual_seed(0)
        t_real, t_fake = _drawn(4, 0.7, 1.2, random), _drawn(3, 0.0, 0.3, random)
        terms = {"real": sum(map(entropy, real, t_real)) / 7, "fake": sum(map(entropy, fake, t_fake)) / 7}
        pulls = [
            [(sigmoid(x) - t) / 7 for x, t in zip(*pair, strict=True)] for pair in ((real, t_real), (fake, t_fake))
        ]
        return terms, *pulls

    def generator(real, fake):
        targets = _drawn(3, 0.7, 1.2, torch.Generator().manual_seed(0))
        pull = [(sigmoid(x) - t) / 3 for x, t in zip(fake, targets, strict=True)]
        return {"adversarial": _mean(list(map(entropy, fake, targets)))}, [0.0] * len(real), pull

    return Formula(o.noisy_cross_entropy(), discriminator, generator)


IDENTITY = (lambda x: x, lambda _x: 1.0)
MINUS = (lambda x: -x, lambda _x: -1.0)
FOR_REAL = (lambda x: -math.log(sigmoid(x)), lambda x: sigmoid(x) - 1)
FOR_FAKE = (lambda x: -math.log(1 - sigmoid(x)), sigmoid)
AGAINST_FAKE = (lambda x: math.log(1 - sigmoid(x)), lambda x: -sigmoid(x))
TO_ONE = (lambda x: (sigmoid(x) - 1) ** 2, lambda x: -2 * (1 - sigmoid(x)) ** 2 * sigmoid(x))
TO_ZERO = (lambda x: sigmoid(x) ** 2, lambda x: 2 * sigmoid(x) ** 2 * (1 - sigmoid(x)))
RAW_TO_ONE, RAW_TO_ZERO = (lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)), (lambda x: x**2, lambda x: 2 * x)
ABOVE_ONE = (lambda x: max(0.0, 1 - x), lambda x: -1.0 if x < 1 else 0.0)
UP_TO_MARGIN = (lambda x: max(0.0, 0.2 - x), lambda x: -1.0 if x < 0.2 else 0.0)
BELOW_MINUS_ONE = (lambda x: max(0.0, 1 + x), lambda x: 1.0 if x > -1 else 0.0)

ALL = [
    _apart(o.cross_entropy(), FOR_REAL, FOR_FAKE, FOR_REAL),
    _apart(o.minimax(), FOR_REAL, FOR_FAKE, AGAINST_FAKE),
    _apart(o.least_squares(probability=True), TO_ONE, TO_ZERO, TO_ONE),
    _apart(o.least_squares(probability=False), RAW_TO_ONE, RAW_TO_ZERO, RAW_TO_ONE),
    _apart(o.wasserstein(), MINUS, IDENTITY, MINUS),
    _apart(o.hinge(), ABOVE_ONE, BELOW_MINUS_ONE, MINUS),
    # The energy of a fake is pushed up to the margin; a tenth of the codes' mean squared cosine of 1/3.
    _apart(o.energy_based(margin=0.2, pull_away=0.1), IDENTITY, UP_TO_MARGIN, IDENTITY, pull_away=0.1 / 3),
    _apart(
        o.boundary_equilibrium(diversity=0.5, gain=0.001), IDENTITY, (lambda x: -0.3 * x, lambda _x: -0.3), IDENTITY
    ),
    _relativistic(),
    _noisy(),
]
FORMULAS = {formula.game.title: formula for formula in ALL}
ADDED = {"classes", "mutual information"}
"""Terms that are added to any game: their formulas are in test_auxiliary.py."""
PLAYERS = ("discriminator", "generator")


@pytest.mark.parametrize("name", registry.names())
def test_no_variant_has_an_objective_without_a_formula(name):
    game, *added = registry.get(name).objective.title.split(" + ")
    assert game in FORMULAS
    assert set(added) <= ADDED


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def _total(step, title, player):
    return sum(getattr(FORMULAS[title].game, player)(step, STATE).terms.values())


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("title", FORMULAS)
def test_losses_and_gradients_are_the_formulas(title, player, make_step):
    terms, *pulls = getattr(FORMULAS[title], player)(REAL, FAKE)
    scores = _tensor(REAL), _tensor(FAKE)
    found = getattr(FORMULAS[title].game, player)(make_step(*scores, extra={"code": CODES}), STATE).terms
    assert {name: term.item() for name, term in found.items()} == pytest.approx(terms, rel=1e-12)
    total = sum(found.values())
    ours = torch.autograd.grad(total, scores, allow_unused=True)
    for score, ours_on, by_hand in zip(scores, ours, pulls, strict=True):
        given = torch.zeros_like(score) if ours_on is None else ours_on
        assert given.tolist() == pytest.approx(by_hand, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("title", FORMULAS)
def test_gradients_are_the_finite_differences(title, player, make_step):
    def loss(real, fake):
        return _total(make_step(real, fake, extra={"code": CODES}), title, player) + 0 * real.sum()

    assert torch.autograd.gradcheck(loss, (_tensor(REAL), _tensor(FAKE)))


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("title", FORMULAS)
@pytest.mark.parametrize("score", [-1000.0, -80.0, 80.0, 1000.0])
def test_extreme_scores_stay_finite(title, player, score, make_step):
    """In float32, where the logarithm of a rounded probability would be infinite; the batches far apart or alike."""
    for fakes in (score, -score):
        real, fake = torch.full((3,), score), torch.full((3,), fakes, requires_grad=True)
        total = _total(make_step(real, fake, extra={"code": CODES.float()}), title, player)
        assert total.isfinite()
        assert torch.autograd.grad(total, fake)[0].isfinite().all()


def _fixed_loss(make_step, title, shift):
    """D's loss with all scores shifted, the same noise in every call."""
    return _total(make_step(_tensor(REAL) + shift, _tensor(FAKE) + shift), title, "discriminator").item()


@pytest.mark.parametrize("title", FORMULAS)
def test_differences_only_where_a_common_shift_of_scores_changes_nothing(title, make_step):
    same = _fixed_loss(make_step, title, 2.5) == pytest.approx(_fixed_loss(make_step, title, 0.0), rel=1e-12)
    assert FORMULAS[title].game.differences_only is same


@pytest.mark.parametrize("title", FORMULAS)
def test_the_ratio_is_estimated_where_the_optimum_is_that_of_cross_entropy(title, make_step):
    """At a point with densities p and q, over a fine grid of scores: D* = p / (p + q), and there the loss is
    -p log D* - q log(1 - D*), which makes it a Jensen-Shannon divergence (least squares have the D* alone).
    """
    game, p, q = FORMULAS[title].game, 0.7, 0.2
    best = p / (p + q)

    def loss(score):
        terms = game.discriminator(make_step(_tensor([score]), _tensor([score])), STATE).terms
        return p * terms["real"].item() + q * terms["fake"].item() if "real" in terms else terms["pairs"].item()

    losses = {score / 1000: loss(score / 1000) for score in range(-3000, 3001, 4)}
    score = min(losses, key=losses.get)
    at_best = game.read(torch.tensor(score)).item() == pytest.approx(best, abs=2.1e-3)
    its_loss = losses[score] == pytest.approx(-p * math.log(best) - q * math.log(1 - best), rel=1e-5)
    assert game.estimates_ratio is (at_best and its_loss)
    if "squares" in title:
        assert at_best
        assert not its_loss


@pytest.mark.parametrize("title", FORMULAS)
def test_a_score_is_recorded_as_a_probability_or_as_it_is(title):
    game = FORMULAS[title].game
    probability = "cross-entropy" in title or title == "least squares on the probability"
    found = game.read(torch.tensor([-4.0, 0.0, 4.0], dtype=torch.float64)).tolist()
    assert found == pytest.approx([sigmoid(-4), 0.5, sigmoid(4)] if probability else [-4, 0, 4], rel=1e-12)
    assert game.probability is probability


def test_the_gradient_of_a_recognized_fake_vanishes_in_minimax_alone(make_step):
    """With the same loss for D, G's pull on a fake of logit x is sigmoid(x) - 1, or -sigmoid(x) in minimax."""
    for score, pulls in ((-40.0, (-1.0, -math.exp(-40))), (-1000.0, (-1.0, 0.0)), (5.0, (sigmoid(5) - 1, -sigmoid(5)))):
        for title, pull in zip(("non-saturating cross-entropy", "minimax cross-entropy"), pulls, strict=True):
            fake = _tensor([score])
            total = _total(make_step(fake, fake), title, "generator")
            assert torch.autograd.grad(total, fake)[0].item() == pytest.approx(pull, rel=1e-12, abs=0)
    step = make_step(_tensor(REAL), _tensor(FAKE))
    assert _total(step, "minimax cross-entropy", "discriminator") == _total(
        step, "non-saturating cross-entropy", "discriminator"
    )


def test_cross_entropy_is_linear_far_on_the_wrong_side(make_step):
    fake = torch.full((1,), -1000.0, requires_grad=True)
    assert _total(make_step(fake, fake), "non-saturating cross-entropy", "generator").item() == 1000
