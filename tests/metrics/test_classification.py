"""Metrics of predicted classes against values by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot
from vectors import comparison, normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.classification import class_kl, inception_score, label_accuracy, modes, modes_hit
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.reference import Comparison, Reference


def score(logits: torch.Tensor) -> float:
    features = Features(torch.zeros(len(logits), 1), logits, "some-cnn")
    return inception_score(Comparison(features, Reference(features)))


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (torch.full((1, 10), 3.0), 1.0),
        (torch.full((500, 10), 3.0), 1.0),
        (torch.eye(10).repeat(20, 1) * 50.0, 10.0),
        (torch.eye(10).repeat(20, 1) * 5000.0, 10.0),
        (one_hot(torch.full((30,), 3), 10) * 5000.0, 1.0),  # the other classes underflow
    ],
    ids=["uniform, one image", "uniform", "sure and balanced", "very sure and balanced", "one class"],
)
def test_inception_score_in_closed_form(logits: torch.Tensor, expected: float) -> None:
    assert score(logits) == pytest.approx(expected, rel=1e-12)


def test_inception_score_is_the_exponential_of_the_mutual_information() -> None:
    logits = normal(80, 6, 1, scale=2.0)
    p = torch.softmax(logits, 1).numpy()
    entropy = -(p * np.log(p)).sum(1).mean()
    marginal = p.mean(0)
    assert score(logits) == pytest.approx(math.exp(-(marginal * np.log(marginal)).sum() - entropy), rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "with_one_percent", "with_an_image"),
    [
        ([979, 10, 9, 2, 0], 2, 4),
        ([693, 7], 2, 2),
        ([1] * 10, 10, 10),
        ([0, 0, 50, 0], 1, 1),
        ([2, 0] * 500, 0, 500),  # of many classes none has one percent
    ],
)
def test_modes_are_counted(counts: list[int], with_one_percent: int, with_an_image: int) -> None:
    predicted = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    compared = comparison(predicted, classes=len(counts))
    assert (modes(compared), modes_hit(compared)) == (with_one_percent, with_an_image)


@pytest.mark.parametrize(
    ("fake", "real", "expected"),
    [
        ([0, 0, 0, 1], [0, 1, 1, 2], 0.75 * math.log(3) + 0.25 * math.log(0.5)),
        ([3] * 50, [*range(10)] * 5, math.log(10)),
        # Half an image of a class that no real image has.
        ([0, 0, 1, 1], [0, 0, 0, 0], 0.5 * math.log(0.5 / (4 / 4.5)) + 0.5 * math.log(0.5 / (0.5 / 4.5))),
    ],
)
def test_class_kl_by_hand(fake: list[int], real: list[int], expected: float) -> None:
    assert class_kl(comparison(fake, real)) == pytest.approx(expected)


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_class_kl_is_never_negative_and_zero_for_equal_histograms(labels: list[int], seed: int) -> None:
    fake = torch.tensor(labels)
    real = torch.randint(5, fake.shape, generator=torch.Generator().manual_seed(seed))
    assert class_kl(comparison(fake, real, 5)) >= -1e-12
    assert class_kl(comparison(fake, fake.flip(0), 5)) == 0.0


def test_label_accuracy_is_the_share_of_matches() -> None:
    assert label_accuracy(comparison([1, 2, 3, 4], labels=torch.tensor([1, 2, 3, 0]))) == 0.75
    with pytest.raises(GanZooError, match="2 images"):
        label_accuracy(comparison([1, 2], labels=torch.tensor([1])))
