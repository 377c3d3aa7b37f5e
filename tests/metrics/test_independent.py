"""FID, KID and the neighbor measures against other people's code, on features drawn anew each time.

The seed is drawn from the system and told where a test fails.
"""

import os
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_fid import fid_score
from scipy import linalg
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from vectors import normal

from gan_zoo.metrics import frechet, prdc

# Features in number, their dimensions, and how many directions they truly have; the last hardly has more than D.
SHAPES = [(600, 8, 8), (900, 128, 128), (900, 128, 20), (300, 128, 128), (130, 128, 128)]


@pytest.fixture
def seed(record_property: Any) -> int:
    drawn = int.from_bytes(os.urandom(4), "big")
    record_property("seed", drawn)
    return drawn


def drawn(n: int, d: int, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two sets of correlated features (N, D), not negative as a classifier's are, with a little noise in each."""
    mix = normal(rank, d, seed) / rank**0.5
    return (
        (normal(n, rank, seed + 1, scale=1.3) @ mix + 0.2).relu() + normal(n, d, seed + 2, scale=0.05),
        (normal(n, rank, seed + 3) @ mix).relu() + normal(n, d, seed + 4, scale=0.05),
    )


@pytest.fixture
def pytorch_fid(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pytorch-fid's own function; scipy's square root no longer knows the argument that it silences warnings with."""

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
def test_fid_is_that_of_pytorch_fid_and_of_torch_fidelity(
    n: int, d: int, rank: int, seed: int, pytorch_fid: Any
) -> None:
    fake, real = drawn(n, d, rank, seed)
    ours = frechet.frechet_distance(fake, real)
    assert ours == pytest.approx(pytorch_fid(fake, real), rel=1e-6), f"seed {seed}"
    theirs = fid_statistics_to_metric(*(fid_features_to_statistics(side) for side in (fake, real)), verbose=False)
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6), f"seed {seed}"
    # As an extractor gives them: in float32, which is what both then start from.
    fake, real = fake.float(), real.float()
    assert frechet.frechet_distance(fake, real) == pytest.approx(pytorch_fid(fake.double(), real.double()), rel=1e-6)


def test_fid_of_fresh_features_of_one_distribution_is_that_of_pytorch_fid(seed: int, pytorch_fid: Any) -> None:
    # Where the distance is all bias, the small difference of large traces.
    fake, real = normal(2000, 64, seed), normal(2000, 64, seed + 1)
    assert frechet.frechet_distance(fake, real) == pytest.approx(pytorch_fid(fake, real), rel=1e-6), f"seed {seed}"


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_kid_is_the_estimate_from_the_kernel_of_scikit_learn(n: int, d: int, rank: int, seed: int) -> None:
    fake, real = drawn(n, d, rank, seed)
    same = 0.0
    for side in (fake, real):
        kernel = polynomial_kernel(side.numpy(), degree=3, gamma=1 / d, coef0=1)
        same += (kernel.sum() - kernel.trace()) / (n * (n - 1))
    cross = polynomial_kernel(fake.numpy(), real.numpy(), degree=3, gamma=1 / d, coef0=1).mean()
    assert frechet.kernel_distance(fake, real) == pytest.approx(same - 2 * cross, abs=1e-10), f"seed {seed}"


def test_kid_over_the_subsets_that_torch_fidelity_draws_is_its_mean(seed: int) -> None:
    fake, real, size, subsets = *drawn(700, 32, 32, seed), 200, 10
    theirs = kid_features_to_metric(
        fake,
        real,
        kid_subsets=subsets,
        kid_subset_size=size,
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=seed,
        verbose=False,
    )
    random = np.random.RandomState(seed)
    ours = []
    for _ in range(subsets):
        one, two = (random.choice(700, size, replace=False) for _ in range(2))
        ours.append(frechet.kernel_distance(fake[one], real[two]))
    assert np.mean(ours) == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-10), f"seed {seed}"
    assert np.std(ours) == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-10), f"seed {seed}"


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_neighbor_measures_are_those_of_scikit_learns_search(n: int, d: int, rank: int, seed: int) -> None:
    fake, real = drawn(n, d, rank, seed)
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
