"""Frechet and kernel distance against closed forms, other libraries and their definitions written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from vectors import normal, spread, with_moments

from gan_zoo.metrics import frechet


class TestFrechetDistance:
    def test_of_commuting_covariances_is_the_closed_form(self) -> None:
        # Diagonal covariances commute: the trace term is the sum of (sqrt(a) - sqrt(b))^2.
        m1, m2 = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
        a, b = torch.tensor([4.0, 1.0, 9.0]).double(), torch.tensor([1.0, 16.0, 9.0]).double()
        fake, real = with_moments(m1, a.diag(), 50, seed=1), with_moments(m2, b.diag(), 50, seed=2)
        # 1 + 9 + 0 for the means; (2-1)^2 + (1-4)^2 + 0 for the covariances.
        assert frechet.frechet_distance(fake, real) == pytest.approx(20.0, rel=1e-10)

    @given(d=st.integers(1, 6), seed=st.integers(0, 1000))
    @settings(max_examples=25, deadline=None)
    def test_of_any_covariances_is_the_formula_by_symmetric_square_roots(self, d: int, seed: int) -> None:
        m1, m2 = normal(1, d, seed)[0], normal(1, d, seed + 1)[0]
        c1, c2 = spread(d, seed + 2), spread(d, seed + 3)
        fake, real = with_moments(m1, c1, 40, seed + 4), with_moments(m2, c2, 40, seed + 5)
        values, basis = torch.linalg.eigh(c1)
        root = basis @ values.sqrt().diag() @ basis.T
        cross = torch.linalg.eigvalsh(root @ c2 @ root).sqrt().sum()
        expected = ((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * cross
        assert frechet.frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-8)

    @pytest.mark.parametrize("d", [2, 32, 128])
    def test_is_that_of_torch_fidelity_and_of_scipy_by_the_product_of_covariances(self, d: int) -> None:
        fake, real = normal(400, d, 1, scale=1.5) @ normal(d, d, 2), normal(400, d, 3, shift=0.5)
        one, two = (fid_features_to_statistics(side) for side in (fake, real))
        value = frechet.frechet_distance(fake, real)
        theirs = fid_statistics_to_metric(one, two, verbose=False)["frechet_inception_distance"]
        assert value == pytest.approx(theirs, rel=1e-9)
        shift = ((one["mu"] - two["mu"]) ** 2).sum()
        root = np.trace(sqrtm(one["sigma"] @ two["sigma"]).real)
        assert value == pytest.approx(shift + np.trace(one["sigma"]) + np.trace(two["sigma"]) - 2 * root, rel=1e-9)

    @pytest.mark.parametrize("d", [1, 5])
    def test_moments_are_those_of_torch_fidelity(self, d: int) -> None:
        vectors = normal(50, d, 1, scale=3.0, shift=100.0)
        theirs, ours = fid_features_to_statistics(vectors), frechet.moments(vectors)
        np.testing.assert_allclose(ours.mean, theirs["mu"], rtol=1e-10)
        np.testing.assert_allclose(ours.covariance, np.atleast_2d(theirs["sigma"]), rtol=1e-10, atol=1e-12)
        assert ours.n == 50

    @pytest.mark.parametrize("rows", [4, 60])
    def test_roots_give_the_covariance_back_even_where_it_is_singular(self, rows: int) -> None:
        moments = frechet.moments(normal(rows, 6, 1))
        torch.testing.assert_close(moments.root @ moments.root.T, moments.covariance)

    def test_of_singular_covariances_stays_finite_and_real(self) -> None:
        fake, real = normal(10, 64, 1), normal(10, 64, 2)
        # The cross term is the nuclear norm of A B^T, where A and B are the centered sets over sqrt(N - 1) = 3.
        one, two = ((x - x.mean(0)) / 3.0 for x in (fake, real))
        nuclear = torch.linalg.svdvals(one @ two.T).sum()
        mean_term = ((fake.mean(0) - real.mean(0)) ** 2).sum()
        expected = mean_term + (one**2).sum() + (two**2).sum() - 2 * nuclear
        assert frechet.frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-5)

    def test_of_a_constant_set_is_the_other_ones_trace_and_the_squared_shift(self) -> None:
        real = with_moments(torch.zeros(4).double(), spread(4, 3), 30, seed=1)
        expected = 4 * 4.0 + float(spread(4, 3).trace())
        assert frechet.frechet_distance(torch.full((30, 4), 2.0), real) == pytest.approx(expected, rel=1e-10)

    def test_of_a_set_to_itself_is_nothing_and_never_negative(self) -> None:
        for d in (3, 32):
            value = frechet.frechet_distance(normal(100, d), normal(100, d))
            assert 0.0 <= value < 1e-8

    def test_takes_moments_computed_before(self) -> None:
        fake, real = normal(50, 6, 1), normal(50, 6, 2)
        assert frechet.frechet_distance(fake, frechet.moments(real)) == frechet.frechet_distance(fake, real)

    def test_of_one_dimension(self) -> None:
        fake = with_moments(torch.tensor([1.0]).double(), torch.tensor([[4.0]]).double(), 20, 1)
        real = with_moments(torch.tensor([3.0]).double(), torch.tensor([[25.0]]).double(), 20, 2)
        assert frechet.frechet_distance(fake, real) == pytest.approx(4.0 + 9.0, rel=1e-10)


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased squared MMD of Gretton et al. 2012, eq. 3, pair by pair, kernel (x.y / d + 1)^3."""
    m, d = x.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((sum(a * b) / d + 1) ** 3)

    same = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(m) for j in range(m) if i != j)
    cross = sum(kernel(x[i], y[j]) for i in range(m) for j in range(m))
    return same / (m * (m - 1)) - 2 * cross / m**2


class TestKernelDistance:
    def test_is_the_unbiased_mmd_over_all_pairs(self) -> None:
        fake, real = normal(25, 7, 1, scale=1.5), normal(25, 7, 2, shift=0.5)
        expected = unbiased_mmd(fake.numpy(), real.numpy())
        assert frechet.kernel_distance(fake, real) == pytest.approx(expected, rel=1e-10)

    def test_is_that_of_torch_fidelity_on_one_subset_of_all(self) -> None:
        fake, real = normal(1200, 16, 1, scale=1.5), normal(1200, 16, 2, shift=0.5)
        theirs = kid_features_to_metric(
            fake,
            real,
            kid_subsets=1,
            kid_subset_size=1200,
            kid_kernel="poly",
            kid_kernel_poly_degree=3,
            kid_kernel_poly_gamma=None,
            kid_kernel_poly_coef0=1,
            rng_seed=2020,
            verbose=False,
        )
        expected = theirs["kernel_inception_distance_mean"]
        assert frechet.kernel_distance(fake, real) == pytest.approx(expected, rel=1e-10)

    def test_is_the_estimate_from_the_kernel_of_scikit_learn(self) -> None:
        fake, real, n = normal(700, 8, 1, scale=1.5), normal(700, 8, 2, shift=0.5), 700
        one, two, cross = (
            polynomial_kernel(a, b, degree=3, gamma=1 / 8, coef0=1)
            for a, b in ((fake, fake), (real, real), (fake, real))
        )
        same = sum((kernel.sum() - kernel.trace()) / (n * (n - 1)) for kernel in (one, two))
        assert frechet.kernel_distance(fake, real) == pytest.approx(same - 2 * cross.mean(), rel=1e-10)
        assert float(frechet.kernel_sum(real)) == pytest.approx(two.sum() - two.trace(), rel=1e-12)

    @pytest.mark.parametrize("block", [1, 33, 100, 1000])
    def test_does_not_depend_on_the_blocks(self, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
        fake, real = normal(100, 4, 1, scale=1.5), normal(100, 4, 2)
        whole = frechet.kernel_distance(fake, real)
        monkeypatch.setattr("gan_zoo.metrics.frechet._BLOCK", block)
        assert frechet.kernel_distance(fake, real) == pytest.approx(whole, rel=1e-11)

    def test_takes_the_sum_computed_before(self) -> None:
        fake, real = normal(60, 5, 1), normal(60, 5, 2)
        given = frechet.kernel_distance(fake, real, real_sum=frechet.kernel_sum(real))
        assert given == frechet.kernel_distance(fake, real)
        more = frechet.kernel_distance(fake, real, real_sum=frechet.kernel_sum(real) + 60 * 59)
        assert more == pytest.approx(given + 1.0)

    def test_has_the_expectation_of_the_mean_over_subsets(self) -> None:
        fake, real = normal(400, 6, 1, scale=1.4), normal(400, 6, 2)
        random = np.random.default_rng(0)
        draws = [
            frechet.kernel_distance(*(side[random.choice(400, 80, replace=False)] for side in (fake, real)))
            for _ in range(300)
        ]
        error = np.std(draws, ddof=1) / math.sqrt(len(draws))
        assert abs(np.mean(draws) - frechet.kernel_distance(fake, real)) < 4 * error

    def test_leaves_the_global_random_state_alone(self) -> None:
        before, numpy_before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
        frechet.kernel_distance(normal(40, 5, 1), normal(40, 5, 2))
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(numpy_before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002
