"""Measures of what a classifier names, against values by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import comparison, normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classification
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.reference import Comparison, Reference


def inception_score(logits: torch.Tensor) -> float:
    features = Features(torch.zeros(len(logits), 1), logits, "some-cnn")
    return classification.inception_score(Comparison(features, Reference(features)))


class TestInceptionScore:
    @pytest.mark.parametrize("n", [1, 7, 500])
    def test_of_uniform_predictions_is_one(self, n: int) -> None:
        assert inception_score(torch.full((n, 10), 3.0)) == pytest.approx(1.0, abs=1e-12)

    @pytest.mark.parametrize("sure", [50.0, 5000.0])
    def test_of_sure_and_balanced_predictions_is_the_number_of_classes(self, sure: float) -> None:
        logits = torch.eye(10).repeat(20, 1) * sure
        assert inception_score(logits) == pytest.approx(10.0, rel=1e-12)

    def test_of_one_class_is_one_even_where_the_others_underflow(self) -> None:
        logits = torch.zeros(30, 10)
        logits[:, 3] = 5000.0
        assert inception_score(logits) == pytest.approx(1.0, abs=1e-12)

    def test_is_the_exponential_of_the_mutual_information(self) -> None:
        logits = normal(80, 6, 1, scale=2.0)
        p = torch.softmax(logits, 1).numpy()
        entropy = -(p * np.log(p)).sum(1).mean()
        marginal = p.mean(0)
        expected = math.exp(-(marginal * np.log(marginal)).sum() - entropy)
        assert inception_score(logits) == pytest.approx(expected, rel=1e-12)


class TestClassMetrics:
    def test_modes_counts_classes_with_one_percent_or_more(self) -> None:
        predicted = torch.tensor([0] * 979 + [1] * 10 + [2] * 9 + [3] * 2)
        assert classification.modes(comparison(predicted)) == 2
        assert classification.modes(comparison(torch.tensor([0] * 693 + [1] * 7))) == 2
        assert classification.modes(comparison(torch.arange(10))) == 10
        assert classification.modes(comparison(torch.full((50,), 7))) == 1

    def test_modes_hit_counts_classes_with_an_image_or_more(self) -> None:
        assert classification.modes_hit(comparison(torch.tensor([0] * 998 + [1, 9]), classes=10)) == 3
        assert classification.modes_hit(comparison(torch.arange(0, 1000, 4).repeat(2), classes=1000)) == 250
        assert classification.modes_hit(comparison(torch.full((50,), 999), classes=1000)) == 1

    def test_class_kl_is_the_sum_by_hand(self) -> None:
        fake, real = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 2])
        assert classification.class_kl(comparison(fake, real, 3)) == pytest.approx(
            0.75 * math.log(3) + 0.25 * math.log(0.5)
        )

    def test_class_kl_of_one_class_against_balanced_ones_is_the_logarithm_of_their_number(self) -> None:
        assert classification.class_kl(comparison(torch.full((50,), 3), torch.arange(50) % 10)) == pytest.approx(
            math.log(10)
        )

    def test_class_kl_where_reals_lack_a_class_counts_half_an_image_there(self) -> None:
        fake, real = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 0])
        expected = 0.5 * math.log(0.5 / (4 / 4.5)) + 0.5 * math.log(0.5 / (0.5 / 4.5))
        assert classification.class_kl(comparison(fake, real, 2)) == pytest.approx(expected)

    @given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 99))
    @settings(max_examples=50, deadline=None)
    def test_class_kl_is_never_negative_and_zero_for_equal_histograms(self, labels: list[int], seed: int) -> None:
        fake = torch.tensor(labels)
        real = torch.randint(5, fake.shape, generator=torch.Generator().manual_seed(seed))
        assert classification.class_kl(comparison(fake, real, 5)) >= -1e-12
        assert classification.class_kl(comparison(fake, fake.flip(0), 5)) == 0.0

    def test_label_accuracy_is_the_share_of_matches(self) -> None:
        compared = comparison([1, 2, 3, 4], labels=torch.tensor([1, 2, 3, 0]))
        assert classification.label_accuracy(compared) == 0.75

    def test_there_must_be_a_label_for_each_image(self) -> None:
        with pytest.raises(GanZooError, match="2 images"):
            classification.label_accuracy(comparison([1, 2], labels=torch.tensor([1])))
