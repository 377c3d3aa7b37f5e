"""The learned and the optimal discriminator: closed forms of Gaussians, and a run that is trained again."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from gan_zoo import train
from gan_zoo.engine import start
from gan_zoo.engine.state import Networks
from gan_zoo.metrics.mixture import Points, jsd
from gan_zoo.mixture import Mixture
from gan_zoo.registry import get
from gan_zoo.studies import optimum
from gan_zoo.studies.discriminator_charts import draw_moments
from gan_zoo.studies.optimal_discriminator import LEAST_PROBABILITY, observe, spaced, value
from gan_zoo.studies.trained import NotApplicable, find_trained

POINTS = {"name": "points", "width": 16, "depth": 1, "scale": 8, "norm": "none"}


def gaussian(mean, bins=400):
    return Mixture(np.array([[mean]]), np.array([1.0]), 0.1, bins, 1.0)


def counted(mixture, of=10_000_000):
    """The expected counts of points of a density, as a histogram without noise."""
    inside = np.floor(mixture.cell_probabilities() * of)
    return np.append(inside, of - inside.sum()).astype(np.int64)


def nsgan(**changes):
    return get("nsgan", backbone=POINTS, latent="2 normal", batch_size=32, **changes)


@pytest.fixture(scope="module")
def run():
    return train(nsgan(), "mixture1d", steps=8, seed=3, device="cpu")


@pytest.fixture(scope="module")
def values(run):
    result = optimum(run, moments=2, num_samples=5_000)
    return {(each.measure, each.condition): each.value for each in result.record.values}, result


def test_the_optimal_discriminator_of_two_gaussians_is_a_logistic_curve():
    data, generated = gaussian(-0.1), gaussian(0.1)
    optimal = data.optimal_discriminator(counted(generated))
    at = data.centers[:, 0]
    near = np.abs(at) < 0.3
    # log(p_data / p_g) = (mean - mean') x / deviation^2 for means around 0.
    assert optimal[near] == pytest.approx(1 / (1 + np.exp(20 * at[near])), abs=2e-3)


def test_its_value_is_twice_the_divergence_and_that_of_any_other_is_less():
    data, generated = gaussian(-0.1), gaussian(0.1)
    counts = counted(generated)
    optimal = data.optimal_discriminator(counts)
    known = np.nan_to_num(optimal, nan=0.5)
    twice = 2 * jsd(Points(np.zeros((0, 1)), counts, data))
    assert value(data, counts, known, np.zeros(0)) == pytest.approx(twice, abs=1e-5)
    # A numerical integral of the definition.
    x = np.linspace(-1, 1, 20_001)[:, None]
    p, q = data.density(x), generated.density(x)
    both = np.maximum(p + q, 1e-300)
    integrand = p * np.log(np.maximum(2 * p / both, 1e-300)) + q * np.log(np.maximum(2 * q / both, 1e-300))
    assert twice == pytest.approx(np.trapezoid(integrand, x[:, 0]), rel=2e-3)
    for other in (known * 0.9, known**2, np.full_like(known, 0.5)):
        assert value(data, counts, other, np.zeros(0)) < twice


def test_disjoint_densities_reach_log_4_and_equal_ones_nothing():
    data = gaussian(0.0)
    far = np.zeros(401, np.int64)
    far[-1] = 100
    sure = np.ones(400)
    assert value(data, far, sure, np.zeros(100)) == pytest.approx(np.log(4), abs=1e-9)
    assert value(data, counted(data), np.full(400, 0.5), np.zeros(0)) == pytest.approx(0, abs=1e-4)


def test_a_discriminator_that_is_sure_and_wrong_has_a_finite_value():
    data = gaussian(0.0)
    expected = 2 * np.log(LEAST_PROBABILITY) + np.log(4)
    far = np.zeros(401, np.int64)
    far[-1] = 100
    assert value(data, far, np.zeros(400), np.ones(100)) == pytest.approx(expected)


def test_a_planted_optimum_has_no_distance():
    """G draws one Gaussian, data are another: D* is the logistic function of a line, which a linear D can be."""
    data, generated = gaussian(-0.1, bins=100), gaussian(0.1)

    class Planted(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = nn.Parameter(torch.tensor(0.1))

        def forward(self, latent):
            return self.mean + 0.1 * latent[:, :1]

    line = nn.Linear(1, 1)
    with torch.no_grad():
        line.weight.fill_(-20)
        line.bias.fill_(0)
    from gan_zoo import data as data_sets

    state = start(nsgan(), data_sets.load("mixture1d"), 0)
    state = dataclasses.replace(state, networks=Networks(Planted(), nn.Sequential(line, nn.Flatten(0))))
    found = observe(state, data, 200_000)
    assert found.distance < 0.01
    assert found.value == pytest.approx(found.bound, abs=2e-3)
    assert found.value <= found.bound
    assert found.bound == pytest.approx(2 * jsd(Points(np.zeros((0, 1)), counted(gaussian(0.1, 100)), data)), abs=0.01)
    assert generated.cell_probabilities().sum() == pytest.approx(1)


def test_training_again_gives_the_run(run, values):
    found, result = values
    assert not result.record.notes, "the weights are those of the run"
    assert found["value", "trained"] <= found["value", "optimal D*"]
    assert found["value", "untrained D"] <= found["value", "optimal D*"]
    assert found["value", "optimal D*"] == found["divergence", "trained"]
    # (Occupied bins - 1) / (8 N), twice.
    assert 0 < found["divergence", "real points"] < 0.01
    mixture = find_trained(run)[0].load_data().density
    assert found["divergence", "trained"] == 2 * jsd(_drawn(run, mixture))


def _drawn(run, mixture):
    from gan_zoo.device import derive

    points = run.sampler(5_000, seed=derive(3, "optimum")).double().numpy()
    return Points(points, mixture.histogram(points), mixture)


def test_another_end_than_the_checkpoint_is_noted(run):
    trained = find_trained(run)[0]
    assert len(optimum.function(dataclasses.replace(trained, seed=4), moments=1, num_samples=1_000).notes) == 1


def test_pictures(values):
    _, result = values
    names = ("training.png", "training.webp", "value.png")
    assert sorted(result.images) == [f"optimum/nsgan-seed3-{name}" for name in names]


def test_a_plane_has_heat_maps():
    plane = train(nsgan(), "ring8", steps=2, device="cpu")
    trained = find_trained(plane)[0]
    mixture = trained.load_data().density
    moment = observe(plane.state, mixture, 2_500)
    assert moment.counts.sum() == 2_500
    one, two = (draw_moments([moment] * number, mixture) for number in (1, 2))
    assert one.width > one.height
    assert two.height > two.width


def test_moments_are_spaced_by_ratios():
    assert spaced(1000, 5) == [0, 1, 10, 100, 1000]
    assert spaced(3, 24) == [0, 1, 2, 3]
    assert spaced(7, 2) == [0, 7]


def test_where_another_optimum_is_learned_there_is_no_answer(run):
    trained = find_trained(run)[0]
    images = find_trained(train("gan", "digits", steps=1, device="cpu"))
    least_squares = get("lsgan_dcgan", backbone=POINTS, latent="2 normal", batch_size=32)
    others = find_trained(train(least_squares, "mixture1d", steps=1, device="cpu"))
    for source in (images, others, [dataclasses.replace(trained, steps=0)]):
        with pytest.raises(NotApplicable):
            optimum(source)
