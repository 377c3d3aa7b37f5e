"""Metrics of points against closed forms: modes by hand, shares by the chi distribution, divergences in the limit."""

import math

import numpy as np
import pytest
from scipy import stats

from gan_zoo.metrics import mixture as metrics
from gan_zoo.metrics.mixture import COUNTED, Points, density_extractor
from gan_zoo.mixture import Mixture


@pytest.fixture
def mixture():
    means = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    return Mixture(means, np.full(4, 0.25), deviation=0.02, bins=100, scale=1.0)


def modes_found(points, mixture):
    return metrics.modes_found(Points(points, mixture.histogram(points), mixture))


def high_quality(points, mixture):
    return metrics.high_quality(Points(points, mixture.histogram(points), mixture))


def jsd(counts, mixture):
    return metrics.jsd(Points(np.zeros((1, 2)), counts, mixture))


def d_gap(discriminator, counts, mixture):
    return metrics.d_gap(Points(np.zeros((1, 2)), counts, mixture, discriminator))


def drawn(mixture, n, seed=0):
    return mixture.sample(n, np.random.default_rng(seed))[0]


def test_a_mode_is_found_by_one_point_within_three_deviations(mixture):
    near = mixture.means[:3] + np.array([[0.059, 0], [0, -0.059], [0.061, 0]])
    assert modes_found(near, mixture) == 2
    assert high_quality(near, mixture) == pytest.approx(2 / 3)


def test_modes_are_looked_for_among_the_first_points_alone(mixture):
    points = np.repeat(mixture.means[:1], COUNTED, axis=0)
    assert modes_found(np.concatenate([points, mixture.means]), mixture) == 1
    assert modes_found(np.concatenate([mixture.means, points]), mixture) == 4


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_truth_has_the_quality_of_the_chi_distribution(dimensions):
    mixture = Mixture(np.array([[0.3] * dimensions]), np.ones(1), deviation=0.05, bins=10, scale=1.0)
    expected = stats.chi(dimensions).cdf(3)
    assert high_quality(drawn(mixture, 100_000), mixture) == pytest.approx(expected, abs=4 * 0.01 / 100_000**0.5 * 10)


def test_jsd_of_disjoint_densities_is_ln_2(mixture):
    assert jsd(mixture.histogram(np.full((1000, 2), 0.93)), mixture) == pytest.approx(math.log(2))
    assert jsd(mixture.histogram(np.full((1000, 2), 7.0)), mixture) == pytest.approx(math.log(2))  # outside the bins


def test_jsd_of_one_mode_of_four_by_hand(mixture):
    # Q is P restricted to a quarter of its mass: with M = (P + Q) / 2, JSD = (KL(P|M) + KL(Q|M)) / 2.
    by_hand = 0.5 * (0.25 * math.log(0.25 / 0.625) + 0.75 * math.log(2)) + 0.5 * math.log(1 / 0.625)
    one = Mixture(mixture.means[:1], np.ones(1), mixture.deviation, mixture.bins, mixture.scale)
    assert jsd(mixture.histogram(drawn(one, 400_000)), mixture) == pytest.approx(by_hand, abs=2e-3)


def test_jsd_of_the_truth_is_its_stated_bias(mixture):
    for n in (50_000, 500_000):
        counts = mixture.histogram(drawn(mixture, n))
        bias = ((counts > 0).sum() - 1) / (8 * n)
        assert bias < jsd(counts, mixture) < 2 * bias


def test_gap_is_nought_at_the_optimum_and_a_half_at_the_worst(mixture):
    counts = mixture.histogram(drawn(mixture, 200_000))
    best = mixture.optimal_discriminator(counts)
    assert d_gap(np.nan_to_num(best), counts, mixture) == 0
    # A generator of the truth: D* is 1/2 but for the histogram's noise.
    assert d_gap(np.full(best.shape, 0.5), counts, mixture) < 0.02
    assert d_gap(np.zeros(best.shape), counts, mixture) == pytest.approx(0.5, abs=0.01)


def test_gap_of_a_blind_discriminator_against_a_generator_elsewhere(mixture):
    counts = mixture.histogram(np.full((1000, 2), 0.93))
    assert d_gap(np.full(mixture.bins**2, 0.5), counts, mixture) == pytest.approx(0.5)


def test_density_extractor_is_identified_by_the_mixture(mixture):
    density = density_extractor(mixture)
    assert density.metrics == ("jsd", "modes_found", "high_quality", "d_gap")
    assert density.digest == density_extractor(Mixture.of(mixture.facts)).digest
    other = Mixture(mixture.means, mixture.weights, 0.021, mixture.bins, mixture.scale)
    assert density.digest != density_extractor(other).digest
