"""Class shares over training: of planted histograms, and of records."""

import dataclasses

import numpy as np
import pytest
import torch

from gan_zoo import data
from gan_zoo.bench.records import RunRecord
from gan_zoo.studies import collapse
from gan_zoo.studies.class_shares import draw, measure, read_shares
from gan_zoo.studies.trained import NotApplicable, find_trained


@pytest.fixture(scope="module")
def without_records():
    from gan_zoo import train

    return find_trained(train("gan", "digits", steps=1, device="cpu"))[0]


def recorded(trained, *counts):
    """The trained GAN with records of an evaluation for each histogram, at 100, 200 ... images."""
    rows = [
        {"row": "metrics", "extractor": "digits-cnn", "images": 100 * place, "class_counts": list(each)}
        for place, each in enumerate(counts, start=1)
    ]
    foreign = {"row": "metrics", "extractor": "inception", "images": 900, "class_counts": [1] * 10}
    return dataclasses.replace(trained, record=RunRecord("gan-seed0", metrics=[*rows, foreign]))


def test_measures_of_planted_histograms():
    real = np.array([0.25, 0.25, 0.5])
    found = measure(np.array([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0], [0.5, 0.005, 0.495]]), real)
    assert found["distance"] == pytest.approx(0.25)
    assert found["worst"] == pytest.approx(0.75)
    assert found["missing"] == 1
    assert found["least"] == pytest.approx(0.02)


def test_only_ones(without_records):
    result = collapse([recorded(without_records, [10] * 10, [0, 100, *[0] * 8])])
    values = {(each.measure, each.condition): each.value for each in result.record.values}
    ones = float((data.load("digits").test.labels == 1).float().mean())
    assert values["distance", "trained"] == pytest.approx(1 - ones, abs=0.02)  # The classifier is not perfect.
    assert values["missing", "trained"] == 9
    assert values["least", "trained"] == 0
    assert values["distance", "real images"] < 0.2
    assert list(result.images) == ["collapse/gan-seed0-shares.png"]


def test_the_null_is_the_expected_distance_of_a_binomial_share(without_records):
    trained = recorded(without_records, [10] * 10, [10] * 10)
    found = read_shares(trained)
    # E|share - p| of a binomial count, by De Moivre: the sum over classes is twice the total variation.
    from scipy.stats import binom

    counts = np.arange(101)
    expected = sum(
        float((np.abs(counts / 100 - share) * binom.pmf(counts, 100, share)).sum()) / 2 for share in found.real
    )
    values = {(each.measure, each.condition): each.value for each in collapse([trained]).record.values}
    assert values["distance", "real images"] == pytest.approx(expected, abs=0.002)


def test_shares_are_those_of_the_default_extractor_in_the_order_of_training(without_records):
    found = read_shares(recorded(without_records, [20, *[10] * 8, 0], [10] * 10))
    assert found.images.tolist() == [100, 200]
    assert found.shares[:, 0] == pytest.approx([0.2, 0.1])
    assert found.real.sum() == pytest.approx(1)
    assert draw(found).size == (1120, 600)


def test_the_first_quarter_of_training_does_not_count(without_records):
    early = recorded(without_records, [100, *[0] * 9], *[[10] * 10] * 4)
    values = {(each.measure, each.condition): each.value for each in collapse([early]).record.values}
    assert values["worst", "trained"] == values["distance", "trained"] < 0.1


def test_without_records_there_is_no_answer(without_records):
    with pytest.raises(NotApplicable, match="on record"):
        collapse([without_records])
    with pytest.raises(NotApplicable, match="on record"):
        collapse([dataclasses.replace(without_records, record=RunRecord("gan-seed0"))])
    with pytest.raises(NotApplicable, match="on record"):
        collapse([recorded(without_records, [10] * 10)])


def test_the_same_seed_gives_the_same_null(without_records):
    trained = recorded(without_records, [10] * 10, [10] * 10)
    state = torch.get_rng_state()
    first, second = (collapse([trained], draws=50).record.values for _ in range(2))
    assert first == second
    assert torch.equal(state, torch.get_rng_state())
