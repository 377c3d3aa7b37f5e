"""Penalties against closed forms and finite differences, of values and of the discriminator's gradients."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.losses import DiscriminatorOutput, Objective, Result, Step
from gan_zoo.losses.penalties import gradient_penalty, noise_penalty, zero_centered
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import get
from gan_zoo.validation import random_data

ONE_SLOPE = {"between": gradient_penalty, "around": noise_penalty}
ZERO = {"r1": partial(zero_centered, "real"), "r2": partial(zero_centered, "fake")}
ALL = ONE_SLOPE | ZERO
VALUES = {1: 4, 3: 12}


def _random(seed=0):
    return torch.Generator().manual_seed(seed)


def _step(discriminator, real, fake, labels=None, fake_labels=None):
    given = {"labels": labels, "fake_labels": fake_labels, "latent": {}, "random": _random()}
    return Step(discriminator=discriminator, real=real, fake=fake, **given)


def _batches(channels, n=4, fakes=4, side=2):
    random = _random(1)
    return tuple(torch.randn(size, channels, side, side, generator=random, dtype=torch.float64) for size in (n, fakes))


def _term(penalty, step):
    """The penalty's one term."""
    (term,) = penalty.loss(step, {}).terms.values()
    return term


@pytest.mark.parametrize("channels", VALUES)
@pytest.mark.parametrize("name", ALL)
def test_linear_discriminator(name, channels):
    """<w, x> has the slope w everywhere: weight (||w|| - target)^2, or weight / 2 ||w||^2 of gradient weight w."""
    weights = torch.arange(1.0, 1 + VALUES[channels]).view(channels, 2, 2).double().requires_grad_()
    length = sum(k * k for k in range(1, 1 + VALUES[channels])) ** 0.5
    step = _step(lambda x, _: DiscriminatorOutput((x * weights).sum((1, 2, 3))), *_batches(channels))
    term = _term(ALL[name](weight=3.0, **({"target": 0.5} if name in ONE_SLOPE else {})), step)
    (pull,) = torch.autograd.grad(term, weights)
    if name in ONE_SLOPE:
        assert term.item() == pytest.approx(3 * (length - 0.5) ** 2, rel=1e-12)
        assert torch.allclose(pull, 6 * (length - 0.5) * weights / length, rtol=1e-12)
    else:
        assert term.item() == pytest.approx(1.5 * length**2, rel=1e-12)
        assert torch.allclose(pull, 3 * weights, rtol=1e-12)


@pytest.mark.parametrize("channels", VALUES)
@pytest.mark.parametrize("name", ALL)
def test_quadratic_discriminator(name, channels):
    """a / 2 ||x||^2 has the slope a x: so the points matter, real ones for R1 and fakes for R2."""
    a, seen = torch.tensor(0.7, dtype=torch.float64, requires_grad=True), []

    def discriminator(x, _labels):
        seen.append(x)
        return DiscriminatorOutput(a / 2 * x.square().sum((1, 2, 3)))

    real, fake = _batches(channels)
    term = _term(ALL[name](weight=3.0), _step(discriminator, real, fake))
    lengths = seen[0].detach().flatten(1).square().sum(1).sqrt()
    if name in ONE_SLOPE:
        expected = 3 * sum((0.7 * length - 1) ** 2 for length in lengths.tolist()) / 4
        slope = 6 * sum((0.7 * length - 1) * length for length in lengths.tolist()) / 4
    else:
        assert torch.equal(seen[0], real if name == "r1" else fake)
        expected = 1.5 * sum((0.7 * length) ** 2 for length in lengths.tolist()) / 4
        slope = 3 * sum(0.7 * length**2 for length in lengths.tolist()) / 4
    assert term.item() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.grad(term, a)[0].item() == pytest.approx(slope, rel=1e-12)


def _network(channels):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 1)).double()


@pytest.mark.parametrize("channels", VALUES)
@pytest.mark.parametrize("name", ALL)
def test_penalty_is_that_of_finite_differences(name, channels):
    network, seen = _network(channels), []

    def discriminator(samples, _labels):
        seen.append(samples)
        return DiscriminatorOutput(network(samples).squeeze(1))

    term = _term(ALL[name](weight=3.0), _step(discriminator, *_batches(channels, side=3)))
    slopes = torch.zeros(4, channels * 9, dtype=torch.float64)
    with torch.no_grad():
        for index in range(channels * 9):
            shift = torch.zeros(channels * 9, dtype=torch.float64)
            shift[index] = 1e-6
            shift = shift.view(1, channels, 3, 3)
            slopes[:, index] = (network(seen[0] + shift) - network(seen[0] - shift)).squeeze(1) / 2e-6
    squares = slopes.square().sum(1)
    expected = 3 * ((squares.sqrt() - 1) ** 2).mean() if name in ONE_SLOPE else 1.5 * squares.mean()
    assert term.item() == pytest.approx(expected.item(), rel=1e-7)


@pytest.mark.parametrize("channels", VALUES)
@pytest.mark.parametrize("name", ALL)
def test_its_gradient_in_the_discriminator_is_that_of_finite_differences(name, channels):
    """Second-order: each weight moved by hand, with the same noise."""
    network, batches = _network(channels), _batches(channels, side=3)

    def term():
        return _term(ALL[name](), _step(lambda x, _: DiscriminatorOutput(network(x).squeeze(1)), *batches))

    trained = [network[0].weight, network[0].bias, network[3].weight]
    pulls = torch.autograd.grad(term(), trained)
    for weight, pull in zip(trained, pulls, strict=True):
        assert pull.abs().max() > 1e-6
        for index in range(0, weight.numel(), 5):
            ends = []
            for shift in (1e-5, -1e-5):
                with torch.no_grad():
                    weight.view(-1)[index] += shift
                ends.append(term().item())
                with torch.no_grad():
                    weight.view(-1)[index] -= shift
            assert pull.flatten()[index].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_a_discriminator_without_slope_is_finite(name):
    weights = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    term = _term(ALL[name](weight=10.0), _step(lambda x, _: DiscriminatorOutput(x.flatten(1) @ weights), *_batches(1)))
    assert term.item() == (10 if name in ONE_SLOPE else 0)
    assert torch.autograd.grad(term, weights)[0].isfinite().all()


def _noting(seen):
    def discriminator(samples, labels):
        seen.append((samples.detach(), labels))
        return DiscriminatorOutput(samples.square().sum((1, 2, 3)))

    return discriminator


def test_the_noise_around_real_samples_is_up_to_half_a_deviation_and_new_for_every_value():
    """A share of the way a sample, to uniform noise a value; the deviation is that of all values of the batch.

    The product of two uniform numbers has mean 1/4; two values of a sample, which share one of the two, correlate by
    (1/12 x 1/4) / (1/9 - 1/16) = 3/7.
    """
    real = torch.cat([torch.full((1000, 1, 2, 2), -3.0), torch.full((1000, 1, 2, 2), 5.0)]).double()
    seen = []
    step = _step(_noting(seen), real, torch.zeros(7, 1, 2, 2))
    noise_penalty().loss(step, {})
    noise_penalty().loss(step, {})
    first, second = ((points - real).flatten() for points, _ in seen)
    # Half the deviation of values that are -3 and 5 alike, with n - 1 of 8,000 below the bar.
    width = 0.5 * 4 * (8000 / 7999) ** 0.5
    assert first.min() >= 0
    assert width * 0.9 < first.max() <= width
    # Of a sample's mean of four values: (1/9 - 1/16) (1 + 3 x 3/7) / 4.
    of_samples = (1 / 9 - 1 / 16) * (1 + 9 / 7) / 4
    assert first.mean().item() == pytest.approx(width / 4, abs=5 * width * (of_samples / 2000) ** 0.5)
    assert first.var().item() == pytest.approx(width**2 * (1 / 9 - 1 / 16), rel=0.1)
    values = first.view(2000, 4)
    assert torch.corrcoef(values[:, :2].T)[0, 1].item() == pytest.approx(3 / 7, abs=0.1)
    assert len(set(first.tolist())) > 7900
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ALL)
def test_points_have_the_labels_of_their_samples(name):
    """R1 and DRAGAN are over all real samples, R2 over all fakes, pairs over as many as there are."""
    seen = []
    labels, fake_labels = torch.arange(5), torch.arange(10, 13)
    ALL[name]().loss(_step(_noting(seen), *_batches(1, n=5, fakes=3), labels, fake_labels), {})
    ((points, given),) = seen
    assert given.tolist() == {"r2": [10, 11, 12], "between": [0, 1, 2]}.get(name, [0, 1, 2, 3, 4])
    assert len(points) == len(given)


@pytest.mark.parametrize("name", ALL)
def test_samples_themselves_are_left_as_they_were(name):
    real, fake = _batches(1)
    before = real.clone(), fake.clone()
    ALL[name]().loss(_step(_noting([]), real, fake), {})
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])
    assert not real.requires_grad
    assert not fake.requires_grad


@pytest.mark.parametrize("name", ALL)
def test_a_pack_has_one_slope(name):
    """Through the engine with packs of 2: 4 points of 6 channels for 8 samples of 3."""
    penalty, seen = ALL[name](), []
    variant = get("gan", packing=2, batch_size=8)

    def watched(step, state):
        own = step.discriminator
        object.__setattr__(
            step, "discriminator", lambda samples, labels: (seen.append(samples.shape), own(samples, labels))[1]
        )
        return penalty.loss(step, state)

    state = init(replace(variant, penalties=(replace(penalty, loss=watched),)), random_data(4, 3), seed=0)
    values = flush(advance(state, 1))
    assert seen[0] == (4, 6, 4, 4)
    assert any("penalty" in key or key.endswith(name) for key in values)


def test_both_penalties_of_r3gan_are_recorded_by_name():
    state = init(get("r3gan", width=2, batch_size=4), random_data(32, n=4), seed=0)
    values = flush(advance(state, 2))
    terms = [values[f"discriminator_loss/{name}"] for name in ("pairs", "r1", "r2")]
    assert values["discriminator_loss"] == pytest.approx(sum(terms), rel=1e-5)
    assert all(term > 0 for term in terms)


def test_points_lie_between_with_one_share_a_sample():
    seen = []
    real, fake = torch.ones(2000, 1, 2, 2), torch.zeros(2000, 1, 2, 2)
    gradient_penalty().loss(_step(_noting(seen), real, fake, torch.arange(2000)), {})
    ((points, labels),) = seen
    share = points.flatten(1)
    assert (share == share[:, :1]).all()
    assert share.min() >= 0
    assert share.max() <= 1
    assert share[:, 0].mean().item() == pytest.approx(0.5, abs=5 * (1 / 12 / 2000) ** 0.5)
    assert share[:, 0].var().item() == pytest.approx(1 / 12, rel=0.1)
    assert torch.equal(labels, torch.arange(2000))


def _still():
    """An objective whose own losses have no gradient, so that only the penalty trains the discriminator."""
    nothing = lambda step, _state: Result({"nothing": 0 * step.on_fake.score.sum()})  # noqa: E731
    return Objective(title="nothing", discriminator=nothing, generator=nothing, probability=False)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_engine_takes_the_penalty_s_own_gradient(channels):
    """Second-order: the slope has a gradient in every weight, and training brings it to the target."""
    variant = _small("gan", objective=_still(), penalties=(gradient_penalty(10.0, target=2.0),))
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


def _small(name, **changes):
    networks = partial(mlp, generator=(8,), discriminator=(16,))
    return replace(get(name), networks=networks, batch_size=8, **changes)


def test_samples_that_it_does_not_know_are_one_line():
    with pytest.raises(GanZooError, match=r"on = 'fakes'; did you mean 'fake'.*fake, real"):
        zero_centered("fakes")


def test_two_penalties_of_one_name_are_refused():
    variant = _small("gan", penalties=(gradient_penalty(), gradient_penalty(1.0)))
    with pytest.raises(GanZooError, match="gradient_penalty"):
        advance(init(variant, random_data(4), seed=0), 1)


def test_batch_norm_is_refused_in_the_discriminator_alone():
    variant = replace(get("dcgan", width=4, batch_size=8), penalties=(gradient_penalty(),))
    with pytest.raises(GanZooError, match="batch norm in a discriminator under a gradient penalty, weight 10"):
        init(variant, random_data(32), seed=0)
    state = init(_small("gan", penalties=(gradient_penalty(),)), random_data(4), seed=0)
    assert any(isinstance(module, nn.BatchNorm1d) for module in state.networks.generator.modules())
