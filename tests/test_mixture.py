"""The mixture against scipy: its density, its exact bin probabilities, its histogram, D* and its points."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate, stats

from gan_zoo.mixture import Mixture


@pytest.fixture
def plane():
    return Mixture(np.array([[-0.3, 0.2], [0.4, -0.1]]), np.array([0.75, 0.25]), deviation=0.1, bins=20, scale=0.5)


@pytest.fixture
def line():
    return Mixture(np.array([[-0.5], [0.25]]), np.array([0.4, 0.6]), deviation=0.1, bins=50, scale=1.0)


def test_density_is_scipy_s(plane):
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    parts = [stats.multivariate_normal(mean, 0.01).pdf(points) for mean in plane.means]
    np.testing.assert_allclose(plane.density(points), 0.75 * parts[0] + 0.25 * parts[1], rtol=1e-9)


def test_probability_of_a_bin_is_the_integral_of_the_density(plane):
    cells, edges = plane.cell_probabilities(), plane.edges
    for row, column in ((7, 12), (14, 9), (6, 11)):  # the bins' corners are in the order of their centers
        bounds = (*edges[row : row + 2], *edges[column : column + 2])
        by_quadrature, _ = integrate.dblquad(lambda y, x: float(plane.density(np.array([[x, y]]))[0]), *bounds)
        assert cells[row * 20 + column] == pytest.approx(by_quadrature, rel=1e-6)
        np.testing.assert_allclose(plane.centers[row * 20 + column], [edges[row] + 0.05, edges[column] + 0.05])
    assert cells.sum() == pytest.approx(1, abs=1e-6)


def test_counts_are_those_of_numpy_and_the_last_is_outside(plane):
    points = np.random.default_rng(1).uniform(-1.2, 1.1, (2000, 2))
    expected, _, _ = np.histogram2d(*points.T, bins=[plane.edges] * 2)
    counts = plane.histogram(points)
    np.testing.assert_array_equal(counts[:-1].reshape(20, 20), expected)
    assert counts.sum() == 2000
    assert counts[-1] == 2000 - expected.sum() > 0


def test_best_discriminator_of_a_gaussian_by_hand(line):
    # All generated points in one bin: there p_g = 1, elsewhere 0.
    counts = np.zeros(51, dtype=np.int64)
    counts[12] = 40
    line = dataclasses.replace(line, deviation=0.03)
    best, cells = line.optimal_discriminator(counts), line.cell_probabilities()
    assert best[12] == pytest.approx(cells[12] / (cells[12] + 1))
    assert best[13] == 1.0
    assert np.isnan(best[45])  # 18 deviations beyond the last mode: neither density is there


def test_points_have_the_mixture_s_moments(line):
    points, modes = line.sample(200_000, np.random.default_rng(0))
    mean = 0.4 * -0.5 + 0.6 * 0.25
    variance = 0.01 + 0.4 * 0.5**2 + 0.6 * 0.25**2 - mean**2
    assert points.shape == (200_000, 1)
    assert points.mean() == pytest.approx(mean, abs=4 * (variance / 200_000) ** 0.5)
    assert points.var() == pytest.approx(variance, rel=0.01)
    assert np.bincount(modes) / 200_000 == pytest.approx([0.4, 0.6], abs=0.005)
    assert points[modes == 1].std() == pytest.approx(0.1, rel=0.01)


def test_facts_make_the_same_mixture(plane):
    again = Mixture.of(plane.facts)
    np.testing.assert_array_equal(again.cell_probabilities(), plane.cell_probabilities())
    assert again.facts == plane.facts
