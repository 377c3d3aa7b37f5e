"""Metrics by name: what one call returns, and what is refused."""

import math

import pytest
import torch
from torch import Tensor
from vectors import features, logits_of, normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classification, memorization, prdc
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.frechet import frechet_distance
from gan_zoo.metrics.kernel import kernel_distance
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import METRICS


def test_metrics_are_those_of_the_single_functions_in_the_order_of_tables() -> None:
    fake, real, training = features(seed=1), features(seed=2), features(90, seed=3).vectors
    labels = torch.arange(60) % 5
    compared = Comparison(fake, Reference(real), labels)
    near, usual = (memorization.nearest(side.vectors, training).distances[:, 0] for side in (fake, real))
    expected = {
        "fid": frechet_distance(fake.vectors, real.vectors),
        "is": classification.inception_score(compared),
        "kid": kernel_distance(fake.vectors, real.vectors),
        **prdc.overlap(fake.vectors, real.vectors)._asdict(),
        "modes": classification.modes(compared),
        "modes_hit": classification.modes_hit(compared),
        "class_kl": classification.class_kl(compared),
        "label_accuracy": (fake.predicted == labels).double().mean().item(),
        "memorization": memorization.memorization(near, usual),
    }
    shared = Reference(real, training)
    for _ in range(2):  # one reference serves many calls
        values = measure(fake, shared, labels=labels)
        assert {name: values[name] for name in expected} == expected
        assert list(values) == [name for name in METRICS if name in values]
        assert {type(value) for value in values.values()} == {float}


def test_metrics_without_their_input_are_left_out_or_refused_by_name() -> None:
    bare = Features(features(seed=1).vectors, None, "some-cnn")
    of_vectors = ["fid", "kid", "precision", "recall", "density", "coverage"]
    assert list(measure(bare, features(seed=2), labels=torch.zeros(60, dtype=torch.int64))) == of_vectors
    assert {"label_accuracy", "memorization"}.isdisjoint(measure(features(seed=1), features(seed=2)))
    assert list(measure(features(seed=1), features(seed=2), names=["recall", "fid"])) == ["fid", "recall"]
    for name, need in (("is", "logits"), ("label_accuracy", "logits and labels"), ("memorization", "training")):
        with pytest.raises(GanZooError, match=f"'{name}'.*'some-cnn' needs {need}"):
            measure(bare, bare, names=[name])
    with pytest.raises(GanZooError, match="did you mean 'coverage'"):
        measure(features(), features(), names=["coverge"])


@pytest.mark.cuda
def test_metrics_on_cuda_are_those_of_the_cpu() -> None:
    def on_cuda(side: Features) -> Features:
        return Features(side.vectors.cuda(), logits_of(side).cuda(), side.extractor)

    fake, real, labels = features(1200, seed=1), features(1200, seed=2), torch.arange(1200) % 5
    values = measure(on_cuda(fake), on_cuda(real), labels=labels)
    assert values == pytest.approx(measure(fake, real, labels=labels), rel=1e-10)


def test_metrics_do_not_depend_on_order() -> None:
    fake, real, labels = features(seed=1), features(seed=2), torch.arange(60) % 5
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    shuffled = Features(fake.vectors[order], logits_of(fake)[order], fake.extractor)
    reversed_real = Features(real.vectors.flip(0), logits_of(real).flip(0), real.extractor)
    one, two = measure(fake, real, labels=labels), measure(shuffled, reversed_real, labels=labels[order])
    assert two == pytest.approx(one, rel=1e-9)


def bad_features(name: str, value: float) -> Features:
    bad = features(seed=2)
    getattr(bad, name)[[3, 17], 2] = value
    return bad


@pytest.mark.parametrize(
    ("fake", "real", "message"),
    [
        (features(59), features(60), "59 fake images against 60 real ones"),
        (features(), features(extractor="other"), "'some-cnn', real ones of 'other'"),
        (features(5), features(5), "at least 6"),
        (bad_features("vectors", math.nan), features(), "fake features of extractor 'some-cnn': 2 of 60 rows"),
        (features(), bad_features("vectors", math.inf), "real features of extractor 'some-cnn': 2 of 60 rows"),
        (bad_features("logits", math.nan), features(), "fake logits of extractor 'some-cnn': 2 of 60 rows"),
    ],
    ids=["unequal", "other extractor", "too few", "fake NaN", "real infinity", "fake logits"],
)
def test_features_that_cannot_be_compared_are_refused(fake: Features, real: Features, message: str) -> None:
    with pytest.raises(GanZooError, match=message):
        measure(fake, real)


@pytest.mark.parametrize(
    ("fake", "real", "message"),
    [
        (normal(20, 3).index_fill_(0, torch.tensor(4), math.nan), normal(20, 3), "1 of 20 rows"),
        (normal(20, 3), normal(20, 3).index_fill_(0, torch.tensor(4), math.nan), "1 of 20 rows"),
        (normal(20, 3), normal(21, 3), "N must be equal"),
        (normal(20, 3), normal(20, 4), "one extractor for both"),
        (torch.zeros(20), torch.zeros(20), "shape"),
        (normal(1, 3), normal(1, 3), "at least"),
    ],
    ids=["fake NaN", "real NaN", "N", "D", "shape", "one row"],
)
def test_distances_check_their_input(fake: Tensor, real: Tensor, message: str) -> None:
    for function in (frechet_distance, kernel_distance, prdc.overlap):
        with pytest.raises(GanZooError, match=message):
            function(fake, real)
