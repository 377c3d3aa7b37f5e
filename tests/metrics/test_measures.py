"""All measures by name: what one call gives, and what is refused."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from vectors import features, logits_of, normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classification, frechet, memorization, prdc, registry
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.measures import MEASURED, measure
from gan_zoo.metrics.reference import Reference


class TestMeasure:
    everything = (
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

    def test_gives_every_measure_once_in_the_catalogues_order_as_floats(self) -> None:
        real = Reference(features(seed=2), features(90, seed=3).vectors)
        values = measure(features(seed=1), real, asked=torch.zeros(60, dtype=torch.int64))
        assert tuple(values) == self.everything == MEASURED
        assert {type(value) for value in values.values()} == {float}

    def test_gives_what_the_single_functions_give(self) -> None:
        fake, real, training = features(seed=1), features(seed=2), features(90, seed=3).vectors
        asked = torch.arange(60) % 5
        predicted, expected = logits_of(fake).argmax(1), logits_of(real).argmax(1)
        near, usual = (memorization.nearest(side.vectors, training).distances[:, 0] for side in (fake, real))
        assert measure(fake, Reference(real, training), asked=asked) == {
            "fid": frechet.frechet_distance(fake.vectors, real.vectors),
            "is": classification.inception_score(logits_of(fake)),
            "kid": frechet.kernel_distance(fake.vectors, real.vectors),
            **dict(zip(("precision", "recall"), prdc.precision_recall(fake.vectors, real.vectors), strict=True)),
            **dict(zip(("density", "coverage"), prdc.density_coverage(fake.vectors, real.vectors), strict=True)),
            "modes": classification.modes(predicted, 5),
            "modes_hit": classification.modes_hit(predicted, 5),
            "class_kl": classification.class_kl(predicted, expected, 5),
            "label_accuracy": classification.label_accuracy(predicted, asked),
            "memorization": memorization.memorization(near, usual),
        }

    def test_leaves_out_what_the_input_does_not_allow(self) -> None:
        assert set(measure(features(seed=1), features(seed=2))) == set(self.everything) - {
            "label_accuracy",
            "memorization",
        }
        bare = Features(features(seed=1).vectors, None, "some-cnn")
        without = {"fid", "kid", "precision", "recall", "density", "coverage"}
        assert set(measure(bare, features(seed=2), asked=torch.zeros(60, dtype=torch.int64))) == without

    def test_gives_only_what_is_asked_for(self) -> None:
        assert list(measure(features(seed=1), features(seed=2), names=["recall", "fid"])) == ["fid", "recall"]

    def test_a_reference_serves_many_calls_and_changes_nothing(self) -> None:
        reference = Reference(features(seed=2))
        for seed in (3, 4):
            assert measure(features(seed=seed), reference) == measure(features(seed=seed), features(seed=2))
        assert reference.moments is reference.moments
        assert reference.radii is reference.radii
        assert reference.kernel_sum is reference.kernel_sum

    @pytest.mark.parametrize("logits", [True, False])
    def test_a_reference_taken_apart_and_made_again_gives_the_same_to_the_bit(self, logits: bool) -> None:
        real = features(seed=2)
        whole = Reference(real if logits else Features(real.vectors, None, real.extractor))
        again = Reference.from_tensors(whole.to_tensors(), "some-cnn")
        assert ("logits" in whole.to_tensors()) == logits
        names = None if logits else ["fid", "kid", "precision", "recall", "density", "coverage"]
        assert measure(features(seed=1), again, names=names) == measure(features(seed=1), whole, names=names)

    def test_statistics_that_a_reference_was_given_are_used_as_they_are(self) -> None:
        tensors = Reference(features(seed=2)).to_tensors()
        before = measure(features(seed=1), features(seed=2))
        given = {name: torch.zeros_like(tensors[name]) for name in ("mean", "covariance", "radii", "kernel_sum")}
        after = measure(features(seed=1), Reference.from_tensors(tensors | given, "some-cnn"))
        changed = {name for name, value in before.items() if after[name] != value}
        assert changed == {"fid", "kid", "precision", "density", "coverage"}

    @pytest.mark.cuda
    def test_on_cuda_gives_the_figures_of_the_cpu(self) -> None:
        def on_cuda(side: Features) -> Features:
            return Features(side.vectors.cuda(), logits_of(side).cuda(), side.extractor)

        fake, real, asked = features(1200, seed=1), features(1200, seed=2), torch.arange(1200) % 5
        values = measure(on_cuda(fake), on_cuda(real), asked=asked)
        assert values == pytest.approx(measure(fake, real, asked=asked), rel=1e-10)

    def test_does_not_depend_on_order(self) -> None:
        fake, real, asked = features(seed=1), features(seed=2), torch.arange(60) % 5
        order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
        shuffled = Features(fake.vectors[order], logits_of(fake)[order], fake.extractor)
        reversed_real = Features(real.vectors.flip(0), logits_of(real).flip(0), real.extractor)
        one, two = measure(fake, real, asked=asked), measure(shuffled, reversed_real, asked=asked[order])
        assert two == pytest.approx(one, rel=1e-9)

    @pytest.mark.parametrize("side", ["fake", "real"])
    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_rows_that_are_not_finite_are_named_and_counted(self, side: str, value: float) -> None:
        good, bad = features(seed=1), features(seed=2)
        bad.vectors[[3, 17], 2] = value
        pair = (bad, good) if side == "fake" else (good, bad)
        with pytest.raises(GanZooError, match=f"{side} features of extractor 'some-cnn': 2 of 60 rows"):
            measure(*pair)

    def test_logits_that_are_not_finite_are_refused(self) -> None:
        bad = features(seed=1)
        logits_of(bad)[0] = math.nan
        with pytest.raises(GanZooError, match="fake logits of extractor 'some-cnn': 1 of 60 rows"):
            measure(bad, features(seed=2))

    @pytest.mark.parametrize(
        ("fake", "real", "message"),
        [
            (features(59), features(60), "59 fake images against 60 real ones"),
            (features(), features(extractor="other"), "extractor 'some-cnn', real ones of 'other'"),
            (features(5), features(5), "at least 6"),
        ],
        ids=["unequal", "other extractor", "too few"],
    )
    def test_sets_that_cannot_be_compared_are_refused(self, fake: Features, real: Features, message: str) -> None:
        with pytest.raises(GanZooError, match=message):
            measure(fake, real)

    def test_names_that_cannot_be_served_are_refused(self) -> None:
        bare = Features(features().vectors, None, "bare-cnn")
        with pytest.raises(GanZooError, match="did you mean 'coverage'"):
            measure(features(), features(), names=["coverge"])
        with pytest.raises(GanZooError, match="'bare-cnn' gives no logits"):
            measure(bare, bare, names=["is"])
        with pytest.raises(GanZooError, match="asked for"):
            measure(features(), features(), names=["label_accuracy"])


@pytest.mark.parametrize(
    "function",
    [frechet.frechet_distance, frechet.kernel_distance, prdc.precision_recall, prdc.density_coverage],
    ids=lambda function: function.__name__,
)
class TestEveryDistance:
    def test_refuses_a_nan(self, function: Callable[[Tensor, Tensor], object]) -> None:
        bad = normal(20, 3)
        bad[4, 1] = math.nan
        for pair in ((bad, normal(20, 3)), (normal(20, 3), bad)):
            with pytest.raises(GanZooError, match="1 of 20 rows are not finite"):
                function(*pair)

    def test_refuses_unequal_counts_and_dimensions(self, function: Callable[[Tensor, Tensor], object]) -> None:
        with pytest.raises(GanZooError, match="N must be equal"):
            function(normal(20, 3), normal(21, 3))
        with pytest.raises(GanZooError, match="one extractor for both"):
            function(normal(20, 3), normal(20, 4))

    def test_refuses_other_shapes_and_too_few_rows(self, function: Callable[[Tensor, Tensor], object]) -> None:
        with pytest.raises(GanZooError, match="shape"):
            function(torch.zeros(20), torch.zeros(20))
        with pytest.raises(GanZooError, match="at least"):
            function(normal(1, 3), normal(1, 3))


def test_every_measure_is_described() -> None:
    for name, metric in registry.METRICS.items():
        assert metric.name == name
        assert metric.arrow == {"lower": "↓", "higher": "↑", "half": "½"}[metric.better]
        assert all((metric.title, metric.range, metric.meaning, metric.misleads, metric.source))
