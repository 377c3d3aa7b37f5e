"""Metrics by name: what one call returns, and what is refused."""

import math
from collections.abc import Callable

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

EVERY = (
    "fid",
    "is",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "modes",
    "modes_hit",
    "class_kl",
    "label_accuracy",
    "memorization",
)


def test_metrics_are_those_of_the_single_functions_in_the_order_of_tables() -> None:
    fake, real, training = features(seed=1), features(seed=2), features(90, seed=3).vectors
    labels = torch.arange(60) % 5
    compared = Comparison(fake, Reference(real), labels)
    near, usual = (memorization.nearest(side.vectors, training).distances[:, 0] for side in (fake, real))
    values = measure(fake, Reference(real, training), labels=labels)
    assert tuple(values) == EVERY
    assert {type(value) for value in values.values()} == {float}
    assert values == {
        "fid": frechet_distance(fake.vectors, real.vectors),
        "is": classification.inception_score(compared),
        "kid": kernel_distance(fake.vectors, real.vectors),
        **prdc.overlap(fake.vectors, real.vectors)._asdict(),
        "modes": classification.modes(compared),
        "modes_hit": classification.modes_hit(compared),
        "class_kl": classification.class_kl(compared),
        "label_accuracy": (logits_of(fake).argmax(1) == labels).double().mean().item(),
        "memorization": memorization.memorization(near, usual),
    }


def test_metrics_without_their_input_are_left_out_or_refused_by_name() -> None:
    assert set(measure(features(seed=1), features(seed=2))) == set(EVERY) - {"label_accuracy", "memorization"}
    bare = Features(features(seed=1).vectors, None, "some-cnn")
    without = {"fid", "kid", "precision", "recall", "density", "coverage"}
    assert set(measure(bare, features(seed=2), labels=torch.zeros(60, dtype=torch.int64))) == without
    assert list(measure(features(seed=1), features(seed=2), names=["recall", "fid"])) == ["fid", "recall"]
    for name, need in (("is", "logits"), ("label_accuracy", "logits and labels"), ("memorization", "training")):
        with pytest.raises(GanZooError, match=f"'{name}'.*'some-cnn' needs {need}"):
            measure(bare, bare, names=[name])
    with pytest.raises(GanZooError, match="did you mean 'coverage'"):
        measure(features(), features(), names=["coverge"])


def test_a_reference_serves_many_calls_and_changes_nothing() -> None:
    shared = Reference(features(seed=2))
    for seed in (3, 4):
        assert measure(features(seed=seed), shared) == measure(features(seed=seed), features(seed=2))


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


def bad_features(**changes: float) -> Features:
    bad = features(seed=2)
    for name, value in changes.items():
        getattr(bad, name)[[3, 17], 2] = value
    return bad


@pytest.mark.parametrize(
    ("fake", "real", "message"),
    [
        (features(59), features(60), "59 fake images against 60 real ones"),
        (features(), features(extractor="other"), "'some-cnn', real ones of 'other'"),
        (features(5), features(5), "at least 6"),
        (bad_features(vectors=math.nan), features(), "fake features of extractor 'some-cnn': 2 of 60 rows"),
        (features(), bad_features(vectors=math.inf), "real features of extractor 'some-cnn': 2 of 60 rows"),
        (bad_features(logits=math.nan), features(), "fake logits of extractor 'some-cnn': 2 of 60 rows"),
    ],
    ids=["unequal", "other extractor", "too few", "fake NaN", "real infinity", "fake logits"],
)
def test_features_that_cannot_be_compared_are_refused(fake: Features, real: Features, message: str) -> None:
    with pytest.raises(GanZooError, match=message):
        measure(fake, real)


@pytest.mark.parametrize("function", [frechet_distance, kernel_distance, prdc.overlap])
def test_distances_check_their_input(function: Callable[[Tensor, Tensor], object]) -> None:
    bad = normal(20, 3)
    bad[4, 1] = math.nan
    for pair in ((bad, normal(20, 3)), (normal(20, 3), bad)):
        with pytest.raises(GanZooError, match="1 of 20 rows"):
            function(*pair)
    with pytest.raises(GanZooError, match="N must be equal"):
        function(normal(20, 3), normal(21, 3))
    with pytest.raises(GanZooError, match="one extractor for both"):
        function(normal(20, 3), normal(20, 4))
    with pytest.raises(GanZooError, match="shape"):
        function(torch.zeros(20), torch.zeros(20))
    with pytest.raises(GanZooError, match="at least"):
        function(normal(1, 3), normal(1, 3))
