"""The Frechet distance against closed forms, other libraries and its formula written out; its limit at infinite N."""

import math
import os
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_fid import fid_score
from scipy import linalg
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from vectors import SHAPES, correlated, normal, spread, with_moments

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.frechet import frechet_distance, frechet_infinity, moments

COUNTS = (500, 1000, 2000, 5000)


def gaussian(means: list[float], variances: list[float], seed: int) -> Tensor:
    """Vectors with exactly these means and a diagonal covariance."""
    return with_moments(torch.tensor(means).double(), torch.tensor(variances).double().diag(), 50, seed)


@pytest.mark.parametrize(
    ("fake", "real", "expected"),
    [
        # Diagonal covariances commute: (sqrt(a) - sqrt(b))^2 sums to 10, as do the squared differences of the means.
        (gaussian([1.0, -2.0, 0.5], [4.0, 1.0, 9.0], 1), gaussian([0.0, 1.0, 0.5], [1.0, 16.0, 9.0], 2), 20.0),
        (gaussian([1.0], [4.0], 1), gaussian([3.0], [25.0], 2), 4.0 + 9.0),
        (torch.full((50, 2), 2.0), gaussian([0.0, 0.0], [3.0, 5.0], 1), 8.0 + 8.0),
    ],
    ids=["commuting", "one dimension", "constant"],
)
def test_in_closed_form(fake: Tensor, real: Tensor, expected: float) -> None:
    assert frechet_distance(fake, real) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(fake, moments(real)) == frechet_distance(fake, real)


@given(d=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_of_any_covariances_is_the_formula_by_symmetric_square_roots(d: int, seed: int) -> None:
    m1, m2 = normal(1, d, seed)[0], normal(1, d, seed + 1)[0]
    c1, c2 = spread(d, seed + 2), spread(d, seed + 3)
    fake, real = with_moments(m1, c1, 40, seed + 4), with_moments(m2, c2, 40, seed + 5)
    values, basis = torch.linalg.eigh(c1)
    root = basis @ values.sqrt().diag() @ basis.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).sqrt().sum()
    expected = ((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * cross
    assert frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-8)


@pytest.fixture
def pytorch_fid(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pytorch-fid's own function; scipy's square root no longer has the argument that silences its warnings."""

    def sqrtm(matrix: np.ndarray, disp: bool = True) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = linalg.sqrtm(matrix)
        return root if disp else (root, None)

    monkeypatch.setattr(fid_score, "linalg", SimpleNamespace(sqrtm=sqrtm))

    def distance(fake: Tensor, real: Tensor) -> float:
        statistics = [part for side in (fake.numpy(), real.numpy()) for part in (side.mean(0), np.cov(side.T))]
        return float(fid_score.calculate_frechet_distance(*statistics))

    return distance


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_is_that_of_pytorch_fid_and_of_torch_fidelity(n: int, d: int, rank: int, pytorch_fid: Any) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = correlated(n, d, rank, seed)
    ours = frechet_distance(fake, real)
    assert ours == pytest.approx(pytorch_fid(fake, real), rel=1e-6), f"seed {seed}"
    theirs = fid_statistics_to_metric(*(fid_features_to_statistics(side) for side in (fake, real)), verbose=False)
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6), f"seed {seed}"
    # Extractors return float32.
    fake, real = fake.float(), real.float()
    assert frechet_distance(fake, real) == pytest.approx(pytorch_fid(fake.double(), real.double()), rel=1e-6)


def test_of_equal_distributions_is_that_of_pytorch_fid(pytorch_fid: Any) -> None:
    # The distance is all bias, a small difference of large traces.
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = normal(2000, 64, seed), normal(2000, 64, seed + 1)
    assert frechet_distance(fake, real) == pytest.approx(pytorch_fid(fake, real), rel=1e-6), f"seed {seed}"


@pytest.mark.parametrize("d", [1, 5])
def test_moments_are_those_of_torch_fidelity(d: int) -> None:
    vectors = normal(50, d, 1, scale=3.0, shift=100.0)
    theirs, ours = fid_features_to_statistics(vectors), moments(vectors)
    np.testing.assert_allclose(ours.mean, theirs["mu"], rtol=1e-10)
    np.testing.assert_allclose(ours.covariance, np.atleast_2d(theirs["sigma"]), rtol=1e-10, atol=1e-12)
    assert ours.n == 50


def test_of_singular_covariances_is_finite_and_real() -> None:
    fake, real = normal(10, 64, 1), normal(10, 64, 2)
    # The cross term is the nuclear norm of A B^T, where A and B are the centered sets over sqrt(N - 1) = 3.
    one, two = ((x - x.mean(0)) / 3.0 for x in (fake, real))
    nuclear = torch.linalg.svdvals(one @ two.T).sum()
    mean_term = ((fake.mean(0) - real.mean(0)) ** 2).sum()
    expected = mean_term + (one**2).sum() + (two**2).sum() - 2 * nuclear
    assert frechet_distance(fake, real) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("d", [3, 32])
def test_of_a_set_to_itself_is_zero_and_never_negative(d: int) -> None:
    assert 0.0 <= frechet_distance(normal(100, d), normal(100, d)) < 1e-8


def test_infinity_of_an_exact_line() -> None:
    found = frechet_infinity(COUNTS, [[3.0 + 700.0 / n for n in COUNTS]] * 3)
    for estimate, expected in ((found.limit, 3.0), (found.slope, 700.0)):
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((expected,) * 3)
        assert estimate.seeds == 3


def test_infinity_has_students_interval_over_draws() -> None:
    draws = [[limit + 100.0 / n for n in COUNTS] for limit in (1.0, 2.0, 6.0)]
    found = frechet_infinity(COUNTS, draws).limit
    # Mean 3, standard deviation sqrt(7), t(0.975, 2) = 4.302653.
    assert found.mean == pytest.approx(3.0)
    assert found.high - found.mean == pytest.approx(4.302653 * math.sqrt(7 / 3), rel=1e-6)
    alone = frechet_infinity(COUNTS, draws[:1]).limit
    assert alone.mean == pytest.approx(1.0)
    assert math.isnan(alone.low)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_infinity_of_gaussians_is_their_distance_and_the_slope_their_bias(shift: float) -> None:
    # For C = I both covariances add |E1 - E2|^2 / 4, each E|E|^2 = D (D + 1) / N, and the means 2 D / N.
    d, counts, draws = 8, (200, 400, 800, 1600), 60
    values = [
        [
            frechet_distance(normal(n, d, 2 * seed + 10_000 * n, shift=shift), normal(n, d, 2 * seed + 1 + 10_000 * n))
            for n in counts
        ]
        for seed in range(draws)
    ]
    found = frechet_infinity(counts, values)
    assert found.limit.low < d * shift**2 < found.limit.high
    assert found.limit.high - found.limit.low < 0.12
    expected = 2 * d + d * (d + 1) / 2
    assert found.slope.low < expected < found.slope.high
    if shift == 0.0:
        biased = torch.tensor(values).mean(dim=0)
        assert biased.tolist() == pytest.approx([expected / n for n in counts], rel=0.1)
        assert abs(found.limit.mean) < 0.2 * float(biased[-1])


def test_infinity_needs_two_counts() -> None:
    with pytest.raises(GanZooError, match="different N"):
        frechet_infinity((500, 500), [[1.0, 2.0]])
