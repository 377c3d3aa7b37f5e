"""Memorization against planted copies, closed forms, scipy's Mann-Whitney statistic and scikit-learn's neighbors."""

import math
import os

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.functional import normalize
from vectors import features, normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.memorization import memorization, nearest
from gan_zoo.metrics.reference import Reference


@pytest.mark.parametrize(("n", "m", "d", "k"), [(7, 40, 3, 5), (650, 4500, 16, 1), (130, 2001, 8, 4), (3, 4, 2, 4)])
def test_nearest_is_that_of_scikit_learn_on_normalized_vectors(n: int, m: int, d: int, k: int) -> None:
    seed = int.from_bytes(os.urandom(3), "big")
    one, two = normal(n, d, seed), normal(m, d, seed + 1) * normal(m, 1, seed + 2).abs()
    expected, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(two)).kneighbors(normalize(one))
    found = nearest(one.float(), two.float(), k=k)
    # The vectors themselves are rounded to float32.
    np.testing.assert_allclose(found.distances.numpy(), expected, atol=1e-5, err_msg=f"seed {seed}")
    assert found.indices.shape == (n, k)
    rows = normalize(two)[found.indices] - normalize(one)[:, None]
    np.testing.assert_allclose(rows.norm(dim=2).numpy(), expected, atol=1e-5, err_msg=f"seed {seed}")


def test_a_copy_is_at_exactly_zero_whatever_its_length() -> None:
    training = normal(5000, 128, 1).float()
    found = nearest(training[4321:4322] * 4, training, k=2)
    assert found.indices[0, 0] == 4321
    assert found.distances[0, 0] == 0.0
    assert found.distances[0, 1] > 0.1


def test_distances_to_opposite_and_of_zero_vectors() -> None:
    training = torch.tensor([[1.0, 0.0]])
    assert nearest(-training, training).distances.item() == 2.0
    assert nearest(torch.zeros(1, 2), training).distances.item() == 1.0


def with_nan(vectors: Tensor) -> Tensor:
    vectors[2] = math.nan
    return vectors


@pytest.mark.parametrize(
    ("vectors", "training", "message"),
    [
        (normal(8, 5), normal(3, 5), "at least 4 rows of 5 dimensions"),
        (normal(8, 5), normal(4, 6), "at least 4 rows of 5 dimensions"),
        (normal(8, 5), torch.zeros(9), "at least 4 rows of 5 dimensions"),
        (normal(8, 5), with_nan(normal(8, 5)), "training features: 1 of 8"),
        (with_nan(normal(8, 5)), normal(8, 5), "features: 1 of 8"),
    ],
    ids=["few", "other D", "shape", "training NaN", "NaN"],
)
def test_vectors_that_cannot_be_searched_are_refused(vectors: Tensor, training: Tensor, message: str) -> None:
    with pytest.raises(GanZooError, match=message):
        nearest(vectors, training, k=4)


@pytest.mark.cuda
def test_nearest_on_cuda_is_that_of_the_cpu() -> None:
    one, two = normal(900, 128, 1).float(), normal(9000, 128, 2).float()
    on_cpu, on_cuda = nearest(one, two, k=3), nearest(one.cuda(), two.cuda(), k=3)
    torch.testing.assert_close(on_cuda.distances.cpu(), on_cpu.distances, rtol=1e-6, atol=1e-7)


def test_share_is_scipys_mann_whitney_statistic_over_the_pairs() -> None:
    seed = int.from_bytes(os.urandom(3), "big")
    # Whole numbers, so that many pairs are ties.
    one, two = ((normal(count, 1, seed + count)[:, 0] * 4).round() for count in (130, 77))
    more = mannwhitneyu(one.numpy(), two.numpy()).statistic / (130 * 77)
    assert memorization(one, two) == pytest.approx(1 - more, abs=1e-12), seed


def test_share_by_hand() -> None:
    near, far = torch.tensor([0.0, 0.1]), torch.tensor([0.2, 0.3, 0.4])
    assert memorization(near, far) == 1.0
    assert memorization(far, near) == 0.0
    assert memorization(near, near) == 0.5
    assert memorization(torch.tensor([0.1]), torch.tensor([0.0, 0.1, 0.2, 0.3])) == 0.625


def of(fake: Tensor, training: Tensor, real: Tensor) -> float:
    one, two = (Features(side.float(), None, "some-cnn") for side in (fake, real))
    return measure(one, Reference(two, training.float()), names=["memorization"])["memorization"]


def test_fresh_samples_have_one_half() -> None:
    # Each draw has training, samples and test of its own: the shares are then independent.
    shares = [of(normal(300, 6, s), normal(500, 6, s + 1000), normal(300, 6, s + 2000)) for s in range(40)]
    error = np.std(shares, ddof=1) / math.sqrt(len(shares))
    assert abs(np.mean(shares) - 0.5) < 4 * error
    assert error < 0.01


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_planted_copies_add_half_their_share(share: float) -> None:
    # A copy wins against every test image: share * 1 + (1 - share) / 2.
    training, real, fake = normal(600, 6, 1), normal(1000, 6, 2), normal(1000, 6, 3)
    fresh = of(fake, training, real)
    copies = round(share * 1000)
    fake[:copies] = training[torch.arange(copies) % 600] * 1.7
    assert of(fake, training, real) == pytest.approx(share + (1 - share) * fresh, abs=0.03 if share < 1 else 0)


def test_near_copies_are_detected_and_far_images_score_nothing() -> None:
    training, real = normal(600, 6, 1), normal(500, 6, 2)
    assert of(training[:500] + normal(500, 6, 4, scale=0.01), training, real) > 0.95
    beyond = torch.eye(7).double()[6].expand(500, 7)
    apart, unseen = (torch.nn.functional.pad(normal(n, 6, n).abs(), (0, 1)) for n in (600, 500))
    assert of(beyond, apart, unseen) == 0.0


def test_distances_of_the_reference_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(vectors: Tensor, training: Tensor, *, k: int = 1) -> object:
        calls.append(len(vectors))
        return nearest(vectors, training, k=k)

    monkeypatch.setattr("gan_zoo.metrics.memorization.nearest", counted)
    reference = Reference(features(seed=2), features(200, seed=3).vectors)
    for seed in (4, 5):
        measure(features(seed=seed), reference, names=["memorization"])
    assert len(calls) == 3
