"""The evaluation of a sampler: rows, reference, neighbors and clock."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_zoo import data
from gan_zoo.data import Dataset
from gan_zoo.data.splits import StreamedSplit
from gan_zoo.metrics import evaluator as evaluator_module
from gan_zoo.metrics import reference
from gan_zoo.metrics.evaluator import Evaluator
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor, Features

N = 140
Evaluators = Callable[..., Evaluator]


@dataclass(frozen=True)
class Counted:
    """An extractor that remembers how many images it was given each time."""

    inner: Extractor
    digest: str
    encoded: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, images: Tensor, batch: int = 500) -> Features:
        self.encoded.append(len(images))
        return self.inner.encode(images, batch)


@dataclass
class Digits:
    """A sampler that draws real digits."""

    digits: Dataset
    conditional: bool = False
    weights: str = "raw"
    classes: int = 10
    drawn: list[tuple[int, Any, int]] = field(default_factory=list)

    def __call__(self, n: int, labels: Tensor | None = None, seed: int = 0) -> Tensor:
        self.drawn.append((n, labels, seed))
        index = torch.randperm(len(self.digits.train), generator=torch.Generator().manual_seed(seed))[:n]
        return self.digits.train.images[index]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path))
    return tmp_path / "features"


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture
def extractor() -> Counted:
    inner = load_extractor("digits-cnn")
    return Counted(inner, inner.digest)


@pytest.fixture
def evaluator(digits: Dataset, extractor: Counted) -> Evaluators:
    def make(*, fingerprint: str | None = digits.fingerprint, n: int = N, extractor: Counted = extractor) -> Evaluator:
        return Evaluator(digits.train, digits.test, (extractor,), n, fingerprint=fingerprint)

    return make


def test_a_row_has_all_metrics_and_the_fid_of_another_draw(evaluator: Evaluators, digits: Dataset) -> None:
    sampler = Digits(digits)
    (row,) = evaluator().measure(sampler, seed=3)
    facts = {"extractor": "digits-cnn", "num_samples": N, "weights": "raw", "reference": "test", "real_modes": 10}
    assert {key: row[key] for key in row if key not in ("values", "selection", "class_counts")} == facts
    assert (len(row["class_counts"]), sum(row["class_counts"])) == (10, N)
    assert set(row["values"]) == set(load_extractor("digits-cnn").metrics) - {"label_accuracy"}
    assert list(row["selection"]) == ["fid"]
    assert row["selection"]["fid"] != row["values"]["fid"]
    (one, _, reported), (two, _, selection) = sampler.drawn
    assert one == two == N
    assert reported != selection


def test_conditional_samplers_draw_the_labels_of_the_reference(evaluator: Evaluators, digits: Dataset) -> None:
    sampler, made = Digits(digits, conditional=True), evaluator()
    (row,) = made.measure(sampler, seed=3)
    for _, labels, _ in sampler.drawn:
        assert torch.equal(labels, digits.test.labels[made._index])
    # It draws digits of any class.
    assert 0.0 < row["values"]["label_accuracy"] < 0.5


def test_the_floor_is_other_training_images_for_another_seed(evaluator: Evaluators) -> None:
    made = evaluator()
    (row,), (same,), (other,) = made.floor(0), made.floor(0), made.floor(1)
    assert row == same
    assert row["values"]["fid"] != other["values"]["fid"]
    assert row["values"]["label_accuracy"] > 0.98
    assert row["values"]["memorization"] > 0.99
    assert (row["weights"], row["selection"]) == ("none", {})


def test_the_reference_is_encoded_once_on_this_machine_and_values_stay_equal_to_the_bit(
    evaluator: Evaluators, extractor: Counted, folder: Path, digits: Dataset
) -> None:
    bare = [evaluator(fingerprint=None).floor(0), evaluator(fingerprint=None).measure(Digits(digits), 1)]
    assert not folder.exists()
    extractor.encoded.clear()
    first = evaluator()
    assert [first.floor(0), first.measure(Digits(digits), 1)] == bare
    # The reference, the training images, the floor, and two draws of the sampler.
    assert extractor.encoded == [N, len(digits.train), N, N, N]
    assert len(list(folder.iterdir())) == 2
    extractor.encoded.clear()
    second = evaluator()
    assert [second.floor(0), second.measure(Digits(digits), 1)] == bare
    assert extractor.encoded == [N] * 3


@pytest.mark.parametrize(
    ("changes", "patched"),
    [
        ({"n": N + 1}, ()),
        ({"fingerprint": "f" * 64}, ()),
        ({"digest": "0" * 64}, ()),
        ({}, (reference, "METRICS_VERSION", 0)),
        ({}, (torch, "__version__", "0.1")),
        ({}, (torch, "get_num_threads", lambda: 77)),
    ],
    ids=["num_samples", "data", "weights", "code", "torch", "threads"],
)
def test_a_reference_of_other_inputs_is_not_read(
    changes: dict[str, Any],
    patched: tuple[Any, ...],
    evaluator: Evaluators,
    extractor: Counted,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluator().floor(0)
    if patched:
        monkeypatch.setattr(*patched)
    if "digest" in changes:
        changes = {"extractor": replace(extractor, **changes)}
    changed = evaluator(**changes)
    extractor.encoded.clear()
    changed.floor(0)
    training = [] if changed.n != N else [len(changed.train)]
    assert extractor.encoded == [changed.n, *training, changed.n]
    # The features of the training images do not depend on num_samples.
    assert len(list(folder.iterdir())) == (4 if training else 3)


def test_the_clock_counts_evaluations_also_those_that_fail(
    evaluator: Evaluators, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Digits):
        def __call__(self, n: int, labels: Tensor | None = None, seed: int = 0) -> Tensor:
            raise ValueError("no samples")

    now = iter([10.0, 13.0, 100.0, 104.0, 200.0, 202.5])
    monkeypatch.setattr(evaluator_module, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    made = evaluator()
    assert made.seconds == 0.0
    made.measure(Digits(digits), seed=0)
    assert made.seconds == 3.0
    made.floor(0)
    assert made.seconds == 7.0
    with pytest.raises(ValueError, match="no samples"):
        made.measure(Broken(digits), seed=0)
    assert made.seconds == 9.5


@pytest.mark.parametrize("streamed", [False, True])
def test_the_neighbors_of_training_images_are_themselves(digits: Dataset, extractor: Counted, streamed: bool) -> None:
    train = StreamedSplit(digits.train.images, digits.train.labels) if streamed else digits.train
    made = Evaluator(train, digits.test, (extractor,), N)
    images = digits.train.images[[5, 900]]
    found = made.neighbors(images, 3)
    assert found is not None
    assert (found.shape, found.dtype) == ((2, 3, *digits.train.shape), torch.uint8)
    assert torch.equal(found[:, 0], images)
    assert not torch.equal(found[:, 1], found[:, 0])
    # Other sides are resized as for every metric.
    again = made.neighbors(data.resize(images, 64), 3)
    assert again is not None
    assert again.shape == found.shape


def test_there_are_no_neighbors_without_an_extractor_of_training_images(digits: Dataset, extractor: Counted) -> None:
    images = digits.train.images[:2]
    inception = Counted(replace(extractor.inner, metrics=("fid", "is", "kid")), extractor.digest)  # type: ignore[type-var]
    for extractors in ((), (inception,)):
        assert Evaluator(digits.train, digits.test, extractors, N).neighbors(images, 3) is None
    both = Evaluator(digits.train, digits.test, (inception, extractor), N)
    assert both.neighbors(images, 3) is not None
    assert both.neighbors(images, len(digits.train) + 1) is None
    row, own = both.floor(0)
    assert "memorization" not in row["values"]
    assert "memorization" in own["values"]
    # Nothing is encoded that no metric needs.
    assert inception.encoded == [N, N]
