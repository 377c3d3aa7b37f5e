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

from gan_zoo.metrics import prdc


def on_sphere(x: Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).numpy()


def neighbor_metrics(fake: Tensor, real: Tensor, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage by scikit-learn's neighbor search on normalized vectors."""
    a, b = on_sphere(fake), on_sphere(real)

    def radius(x: np.ndarray) -> np.ndarray:
        # Asked about its own points without naming them, the search leaves each point itself out.
        return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]

    inside_real = [np.linalg.norm(b - x, axis=1) <= radius(b) for x in a]
    inside_fake = [np.linalg.norm(a - x, axis=1) <= radius(a) for x in b]
    held = np.array(inside_real).T
    precision, recall = np.mean([x.any() for x in inside_real]), np.mean([x.any() for x in inside_fake])
    return precision, recall, held.sum(0).mean() / k, held.any(1).mean()


def exact_metrics(fake: Tensor, real: Tensor) -> tuple[float, float, float, float]:
    """The four measures at their usual k from all distances, each by subtraction, equal where 9 digits are."""
    a, b = normalize(fake), normalize(real)

    def apart(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").round(decimals=9)

    cross, fakes, reals = apart(b, a), apart(a, a).sort(dim=1).values, apart(b, b).sort(dim=1).values
    precision = (cross <= reals[:, 3:4]).any(0).double().mean()
    recall = (cross <= fakes[:, 3]).any(1).double().mean()
    held = (cross < reals[:, 5:6]).double()
    return float(precision), float(recall), float(held.sum(0).mean() / 5), float(held.amax(1).mean())


def precision_recall(fake: Tensor, real: Tensor, k: int = 3) -> tuple[float, float]:
    return prdc.overlap(fake, real, precision_k=k)[:2]


def density_coverage(fake: Tensor, real: Tensor, k: int = 5) -> tuple[float, float]:
    return prdc.overlap(fake, real, coverage_k=k)[2:]


class TestNeighborMetrics:
    @given(n=st.integers(12, 60), d=st.integers(2, 8), k=st.integers(1, 6), seed=st.integers(0, 500))
    @settings(max_examples=25, deadline=None)
    def test_agree_with_scikit_learn(self, n: int, d: int, k: int, seed: int) -> None:
        fake, real = normal(n, d, seed, scale=0.7, shift=0.3), normal(n, d, seed + 1)
        precision, recall, density, coverage = neighbor_metrics(fake, real, k)
        found = prdc.overlap(fake, real, precision_k=k, coverage_k=k)
        assert found == pytest.approx((precision, recall, density, coverage), abs=1e-12)

    @pytest.mark.parametrize(("n", "d"), [(300, 128), (1100, 5)])
    def test_agree_with_torch_fidelity_and_with_distances_by_subtraction(self, n: int, d: int) -> None:
        mix = normal(5, d, 3)
        fake, real = ((side @ mix).relu() for side in (normal(n, 5, 1, scale=0.9, shift=0.3), normal(n, 5, 2)))
        theirs = prc_features_to_metric(
            normalize(fake), normalize(real), prc_neighborhood=3, prc_batch_size=n, save_cpu_ram=True, verbose=False
        )
        result = prdc.overlap(fake, real)
        # The library averages in float32.
        assert result[:2] == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-6)
        assert result == pytest.approx(exact_metrics(fake, real), abs=1e-12)
        assert 0.05 < result.precision < 1
        assert 0.05 < result.recall < 1

    @given(n=st.integers(12, 60), d=st.integers(2, 4), seed=st.integers(0, 500))
    @settings(max_examples=50, deadline=None)
    def test_count_ties_and_duplicates_as_exact_arithmetic_does(self, n: int, d: int, seed: int) -> None:
        # Few directions, zero among them, in many lengths: distances are equal or far apart, and often zero.
        generator = torch.Generator().manual_seed(seed)
        fake, real = (torch.randint(-1, 2, (n, d), generator=generator).double() for _ in range(2))
        lengths = normal(n, 1, seed).abs() + 0.1
        assert prdc.overlap(fake * lengths, real) == pytest.approx(exact_metrics(fake, real), abs=1e-12)

    def test_do_not_depend_on_the_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake, real = normal(100, 4, 1), normal(100, 4, 2)
        whole = prdc.overlap(fake, real)
        monkeypatch.setattr("gan_zoo.metrics.prdc._BLOCK", 33)
        assert prdc.overlap(fake, real) == whole

    def test_of_identical_sets(self) -> None:
        real = normal(80, 6)
        assert precision_recall(real, real) == (1.0, 1.0)
        # A ball of k = 5 holds its center and, being open, 4 of the 5 neighbors.
        assert density_coverage(real, real) == (1.0, 1.0)

    def test_of_identical_sets_of_duplicates(self) -> None:
        # Every radius is zero: closed balls hold their centers, open ones nothing.
        real = normal(90, 128).repeat_interleave(8, dim=0)
        assert precision_recall(real, real.flip(0)) == (1.0, 1.0)
        assert density_coverage(real, real.flip(0)) == (0.0, 0.0)

    def test_of_disjoint_sets_are_zero(self) -> None:
        real = normal(80, 6, 1, scale=0.1, shift=1.0)
        assert precision_recall(-real, real) == (0.0, 0.0)
        assert density_coverage(-real, real) == (0.0, 0.0)

    def test_of_a_collapsed_set_are_precise_and_cover_little(self) -> None:
        real = normal(80, 6, 1)
        # Beside a real vector, not on it: that one lies on the very edge of other balls.
        fake = real[:1] + 0.01 + normal(80, 6, 2, scale=1e-6)
        precision, recall = precision_recall(fake, real)
        density, coverage = density_coverage(fake, real)
        assert precision == 1.0
        assert recall <= 1 / 80
        # Every fake lies in the same balls, so the share covered is what the density says one fake lies in.
        assert coverage == pytest.approx(density * 5 / 80)
        assert coverage < 0.3

    def test_do_not_reward_small_features(self) -> None:
        # In many dimensions the balls around real vectors reach the origin, where blank images have their features.
        real = normal(200, 400, 1, shift=0.5)
        blank = normal(200, 400, 2, scale=1e-4, shift=-1e-3)
        raw = torch.cdist(blank, real) <= torch.cdist(real, real).kthvalue(4).values
        assert raw.any(dim=1).double().mean() > 0.9
        assert precision_recall(blank, real)[0] == 0.0
        assert density_coverage(blank, real)[0] == 0.0

    def test_of_one_distribution_meet_their_expectations(self) -> None:
        # Naeem et al. 2020: density 1 (Lemma 1); coverage 1 - prod (N - i) / (2N - i), i from 1 to k (Lemma 2).
        n, k, draws = 200, 5, 40
        values = np.array([density_coverage(normal(n, 4, s), normal(n, 4, s + 999)) for s in range(draws)])
        expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
        error = values.std(axis=0, ddof=1) / math.sqrt(draws)
        assert abs(values[:, 0].mean() - 1.0) < 4 * error[0]
        assert abs(values[:, 1].mean() - expected) < 4 * error[1]

    def test_take_radii_computed_before(self) -> None:
        fake, real = normal(60, 5, 1), normal(60, 5, 2)
        radii = prdc.neighbor_radii(real)
        assert prdc.overlap(fake, real, radii=radii) == prdc.overlap(fake, real)
        precision, recall, density, coverage = prdc.overlap(fake, real, radii=torch.zeros_like(radii))
        assert (precision, density, coverage) == (0.0, 0.0, 0.0)
        assert recall == prdc.overlap(fake, real).recall

    def test_radii_are_the_distances_to_the_neighbors_asked_for(self) -> None:
        real = normal(60, 5, 2)
        expected = NearestNeighbors(n_neighbors=6).fit(on_sphere(real)).kneighbors()[0][:, [2, 4, 0]]
        np.testing.assert_allclose(prdc.neighbor_radii(real, k=(3, 5, 1)), expected, rtol=1e-10)
        assert torch.equal(prdc.neighbor_radii(real), prdc.neighbor_radii(real, k=(3, 5)))


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_overlap_is_that_of_scikit_learns_search(n: int, d: int, rank: int) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = correlated(n, d, rank, seed)
    one, two = (torch.nn.functional.normalize(side).numpy() for side in (fake, real))

    def radii(points: np.ndarray, k: int) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()[0][:, -1]

    apart = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(two).kneighbors(one)
    distances = np.empty((n, n))
    np.put_along_axis(distances, apart[1], apart[0], axis=1)  # fakes down, reals across
    held = distances < radii(two, 5)
    expected = (
        (distances <= radii(two, 3)).any(axis=1).mean(),
        (distances <= radii(one, 3)[:, None]).any(axis=0).mean(),
        held.sum() / (5 * n),
        held.any(axis=0).mean(),
    )
    assert prdc.overlap(fake, real) == pytest.approx(expected, abs=1e-12), f"seed {seed}"
