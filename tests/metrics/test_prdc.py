"""Nearest-neighbor metrics against closed forms, scikit-learn, torch-fidelity and distances by subtraction."""

import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.functional import normalize
from torch_fidelity.metric_prc import prc_features_to_metric
from vectors import SHAPES, correlated, normal

from gan_zoo.metrics.prdc import neighbor_radii, overlap

Four = tuple[float, float, float, float]


def by_scikit_learn(fake: Tensor, real: Tensor) -> Four:
    """Precision, recall, density and coverage by scikit-learn's neighbor search on normalized vectors."""
    n = len(fake)
    a, b = normalize(fake).numpy(), normalize(real).numpy()

    def radii(points: np.ndarray, k: int) -> np.ndarray:
        # Without an argument, kneighbors leaves each point itself out.
        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()[0][:, -1]

    ordered, index = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(b).kneighbors(a)
    distances = np.empty((n, n))
    np.put_along_axis(distances, index, ordered, axis=1)  # fakes down, reals across
    inside = distances < radii(b, 5)
    precision = (distances <= radii(b, 3)).any(axis=1).mean()
    recall = (distances <= radii(a, 3)[:, None]).any(axis=0).mean()
    return precision, recall, inside.sum() / (5 * n), inside.any(axis=0).mean()


def by_subtraction(fake: Tensor, real: Tensor) -> Four:
    """The four metrics from all distances, each by subtraction; those that agree in 9 digits are equal."""
    a, b = normalize(fake), normalize(real)

    def distances(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").round(decimals=9)

    cross, fakes, reals = distances(b, a), distances(a, a).sort(dim=1).values, distances(b, b).sort(dim=1).values
    precision = (cross <= reals[:, 3:4]).any(0).double().mean()
    recall = (cross <= fakes[:, 3]).any(1).double().mean()
    inside = (cross < reals[:, 5:6]).double()
    return float(precision), float(recall), float(inside.sum(0).mean() / 5), float(inside.amax(1).mean())


@given(n=st.integers(12, 60), d=st.integers(2, 8), seed=st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_of_few_vectors_is_that_of_scikit_learn(n: int, d: int, seed: int) -> None:
    fake, real = normal(n, d, seed, scale=0.7, shift=0.3), normal(n, d, seed + 1)
    assert overlap(fake, real) == pytest.approx(by_scikit_learn(fake, real), abs=1e-12)


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_of_correlated_vectors_is_that_of_scikit_learn(n: int, d: int, rank: int) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = correlated(n, d, rank, seed)
    assert overlap(fake, real) == pytest.approx(by_scikit_learn(fake, real), abs=1e-12), f"seed {seed}"


@pytest.mark.parametrize(("n", "d"), [(300, 128), (1100, 5)])
def test_is_that_of_torch_fidelity_and_of_distances_by_subtraction(n: int, d: int) -> None:
    mix = normal(5, d, 3)
    fake, real = ((side @ mix).relu() for side in (normal(n, 5, 1, scale=0.9, shift=0.3), normal(n, 5, 2)))
    theirs = prc_features_to_metric(
        normalize(fake), normalize(real), prc_neighborhood=3, prc_batch_size=n, save_cpu_ram=True, verbose=False
    )
    result = overlap(fake, real)
    # The library averages in float32.
    assert result[:2] == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-6)
    assert result == pytest.approx(by_subtraction(fake, real), abs=1e-12)
    assert all(0.05 < share < 1 for share in result[:2])


@given(n=st.integers(12, 60), d=st.integers(2, 4), seed=st.integers(0, 500))
@settings(max_examples=50, deadline=None)
def test_ties_and_duplicates_count_as_in_exact_arithmetic(n: int, d: int, seed: int) -> None:
    # Few directions, zero among them, in many lengths: distances are equal or far apart, and often zero.
    generator = torch.Generator().manual_seed(seed)
    fake, real = (torch.randint(-1, 2, (n, d), generator=generator).double() for _ in range(2))
    lengths = normal(n, 1, seed).abs() + 0.1
    assert overlap(fake * lengths, real) == pytest.approx(by_subtraction(fake, real), abs=1e-12)


def test_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = normal(100, 4, 1), normal(100, 4, 2)
    whole = overlap(fake, real)
    monkeypatch.setattr("gan_zoo.metrics.prdc._BLOCK", 33)
    assert overlap(fake, real) == whole


def test_of_identical_and_of_disjoint_sets() -> None:
    real = normal(80, 6)
    # A ball of k = 5 contains its center and, being open, 4 of the 5 neighbors.
    assert overlap(real, real) == (1.0, 1.0, 1.0, 1.0)
    # All radii of duplicates are zero: closed balls contain their centers, open ones nothing.
    repeated = normal(90, 128).repeat_interleave(8, dim=0)
    assert overlap(repeated, repeated.flip(0)) == (1.0, 1.0, 0.0, 0.0)
    near = normal(80, 6, 1, scale=0.1, shift=1.0)
    assert overlap(-near, near) == (0.0, 0.0, 0.0, 0.0)


def test_a_collapsed_set_is_precise_and_covers_little() -> None:
    real = normal(80, 6, 1)
    # Beside a real vector, not on it: that one lies on the very edge of other balls.
    found = overlap(real[:1] + 0.01 + normal(80, 6, 2, scale=1e-6), real)
    assert found.precision == 1.0
    assert found.recall <= 1 / 80
    # Every fake lies in the same balls, so the share covered is what the density says one fake lies in.
    assert found.coverage == pytest.approx(found.density * 5 / 80)
    assert found.coverage < 0.3


def test_small_features_are_not_rewarded() -> None:
    # In many dimensions the balls around real vectors reach the origin, where blank images have their features.
    real = normal(200, 400, 1, shift=0.5)
    blank = normal(200, 400, 2, scale=1e-4, shift=-1e-3)
    raw = torch.cdist(blank, real) <= torch.cdist(real, real).kthvalue(4).values
    assert raw.any(dim=1).double().mean() > 0.9
    assert (overlap(blank, real).precision, overlap(blank, real).density) == (0.0, 0.0)


def test_of_one_distribution_meets_its_expectation() -> None:
    # Naeem et al. 2020: density 1 (Lemma 1); coverage 1 - prod (N - i) / (2N - i), i from 1 to k (Lemma 2).
    n, k, draws = 200, 5, 40
    values = np.array([overlap(normal(n, 4, s), normal(n, 4, s + 999))[2:] for s in range(draws)])
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    error = values.std(axis=0, ddof=1) / math.sqrt(draws)
    assert abs(values[:, 0].mean() - 1.0) < 4 * error[0]
    assert abs(values[:, 1].mean() - expected) < 4 * error[1]


def test_radii_are_those_of_scikit_learn_and_serve_many_calls() -> None:
    fake, real = normal(60, 5, 1), normal(60, 5, 2)
    radii = neighbor_radii(real)
    expected = NearestNeighbors(n_neighbors=5).fit(normalize(real).numpy()).kneighbors()[0][:, [2, 4]]
    np.testing.assert_allclose(radii, expected, rtol=1e-10)
    assert overlap(fake, real, radii=radii) == overlap(fake, real)
    assert overlap(fake, real, radii=torch.zeros_like(radii)) == (0.0, overlap(fake, real).recall, 0.0, 0.0)
