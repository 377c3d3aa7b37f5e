"""The kernel distance against scikit-learn, torch-fidelity and its definition written out."""

import math
import os

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torch_fidelity.metric_kid import kid_features_to_metric
from vectors import SHAPES, correlated, normal

from gan_zoo.metrics.kernel import kernel_distance, kernel_sum


def test_is_the_unbiased_mmd_over_all_pairs() -> None:
    """Gretton et al. 2012, eq. 3, pair by pair."""
    fake, real, m, d = normal(25, 7, 1, scale=1.5).numpy(), normal(25, 7, 2, shift=0.5).numpy(), 25, 7

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((sum(a * b) / d + 1) ** 3)

    same = sum(kernel(s[i], s[j]) for s in (fake, real) for i in range(m) for j in range(m) if i != j)
    cross = sum(kernel(fake[i], real[j]) for i in range(m) for j in range(m))
    expected = same / (m * (m - 1)) - 2 * cross / m**2
    assert kernel_distance(torch.tensor(fake), torch.tensor(real)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_is_the_estimate_from_the_kernel_of_scikit_learn(n: int, d: int, rank: int) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = correlated(n, d, rank, seed)
    one, two, cross = (
        polynomial_kernel(a.numpy(), b.numpy(), degree=3, gamma=1 / d, coef0=1)
        for a, b in ((fake, fake), (real, real), (fake, real))
    )
    same = sum((kernel.sum() - kernel.trace()) / (n * (n - 1)) for kernel in (one, two))
    assert kernel_distance(fake, real) == pytest.approx(same - 2 * cross.mean(), abs=1e-10), f"seed {seed}"
    assert float(kernel_sum(real)) == pytest.approx(two.sum() - two.trace(), rel=1e-12), f"seed {seed}"
    assert kernel_distance(fake, real, real_sum=kernel_sum(real)) == kernel_distance(fake, real)


def test_mean_over_the_subsets_of_torch_fidelity_is_its_kid() -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    fake, real = correlated(700, 32, 32, seed)
    size, subsets = 200, 10
    kernel = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    draws = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": seed}
    theirs = kid_features_to_metric(fake, real, kid_kernel="poly", verbose=False, **kernel, **draws)
    random = np.random.RandomState(seed)
    ours = []
    for _ in range(subsets):
        one, two = (random.choice(700, size, replace=False) for _ in range(2))
        ours.append(kernel_distance(fake[one], real[two]))
    assert np.mean(ours) == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-10), f"seed {seed}"
    assert np.std(ours) == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-10), f"seed {seed}"


@pytest.mark.parametrize("block", [1, 33, 100])
def test_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    fake, real = normal(100, 4, 1, scale=1.5), normal(100, 4, 2)
    whole = kernel_distance(fake, real)
    monkeypatch.setattr("gan_zoo.metrics.kernel._BLOCK", block)
    assert kernel_distance(fake, real) == pytest.approx(whole, rel=1e-11)


def test_has_the_expectation_of_the_mean_over_subsets() -> None:
    fake, real = normal(400, 6, 1, scale=1.4), normal(400, 6, 2)
    random = np.random.default_rng(0)
    draws = [
        kernel_distance(*(side[random.choice(400, 80, replace=False)] for side in (fake, real))) for _ in range(300)
    ]
    error = np.std(draws, ddof=1) / math.sqrt(len(draws))
    assert abs(np.mean(draws) - kernel_distance(fake, real)) < 4 * error
