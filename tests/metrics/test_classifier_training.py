"""Training of classifiers as extractors: deterministic, once a data set, stored; and the default extractor."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from full_disk import full_disk
from torch import Tensor
from vectors import flip_a_bit

from gan_zoo.data import Dataset, Split
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classifier_training, extractors
from gan_zoo.metrics.classifier_training import TrainingOptions, augment, load_trained, options_for, train_classifier
from gan_zoo.metrics.extractors import load_extractor, resolve
from gan_zoo.metrics.features import ExtractorUnavailable
from gan_zoo.text import duration

CPU = torch.device("cpu")
OPTIONS = TrainingOptions(epochs=3, widths=(4, 8, 8), batch=25)
# Colors of one and the same luma by ITU-R 601 (0.299, 0.587, 0.114): a grey classifier could but guess.
COLORS = torch.tensor([[200, 40, 100], [20, 150, 0], [40, 97, 219]])


def colors(name: str = "colors", *, labels: Tensor | None = None, test: int = 150, side: int = 32) -> Dataset:
    """Noisy images of one color each; the color is the class, or `labels` are."""

    def split(count: int) -> Split:
        drawn = torch.arange(count) % len(COLORS)
        noise = torch.randint(30, (count, 3, side, side), generator=torch.Generator().manual_seed(count))
        images = (COLORS[drawn][:, :, None, None] + noise).to(torch.uint8)
        return Split(images, drawn if labels is None else labels[:count])

    names = tuple(map(str, range(len(COLORS))))
    return Dataset(name, name.title(), split(300), split(test), len(names), names, extractor="trained", fingerprint="c")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "extractors"


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The sets that were trained on, and with how many threads; with short options."""
    found: list[tuple[str, int]] = []

    def count(dataset: Dataset, *rest: object) -> object:
        found.append((dataset.name, torch.get_num_threads()))
        return train_classifier(dataset, *rest)  # type: ignore[arg-type]

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(classifier_training, "train_classifier", count)
    monkeypatch.setattr(classifier_training, "options_for", lambda images, channels: OPTIONS)
    return found


@pytest.fixture
def no_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_colors_of_equal_grey_are_distinguished() -> None:
    extractor = load_trained(colors(), CPU)
    assert extractor.accuracy == 1.0
    features = extractor.encode(colors().test.images)
    assert features.vectors.shape == (150, 128)
    assert torch.equal(features.predicted, colors().test.labels)


def test_it_is_trained_once_and_has_the_same_features_when_loaded_again(trainings: list, cache: Path) -> None:
    images = colors().test.images
    first, second = load_trained(colors(), CPU), load_trained(colors(), CPU)
    assert len(trainings) == 1
    assert torch.equal(first.encode(images).vectors, second.encode(images).vectors)
    assert (first.digest, first.accuracy, first.note) == (second.digest, second.accuracy, second.note)
    card = json.loads(next(cache.glob("*.json")).read_text())
    assert (card["sha256"], card["data_fingerprint"]) == (first.digest, "c")
    other = load_trained(replace(colors("dogs"), fingerprint="d"), CPU)
    assert (other.name, trainings[1][0]) == ("dogs-cnn", "dogs")


def rename_a_key(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace("sha256", "sha257"), encoding="utf-8")


def empty(file: Path) -> None:
    file.write_bytes(b"{}")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".safetensors", flip_a_bit),
        (".safetensors", Path.unlink),
        (".safetensors", empty),
        (".json", flip_a_bit),
        (".json", Path.unlink),
        (".json", empty),
        (".json", rename_a_key),
    ],
)
def test_a_damaged_pair_is_replaced(
    trainings: list, cache: Path, suffix: str, damage: Callable[[Path], object]
) -> None:
    first = load_trained(colors(), CPU)
    damage(next(cache.glob(f"*{suffix}")))
    for _ in range(2):
        assert load_trained(colors(), CPU).digest == first.digest
        assert len(trainings) == 2


def test_processes_wait_for_the_first(trainings: list) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load_trained(colors(), CPU), range(2)))
    assert len(trainings) == 1
    assert both[0].digest == both[1].digest


def test_a_cache_that_cannot_be_written_to_costs_a_training_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainings: list
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "file"))
    assert load_trained(colors(), CPU).accuracy == load_trained(colors(), CPU).accuracy == 1.0
    assert len(trainings) == 2


@pytest.mark.parametrize("free", [100, 5_000], ids=["weights", "card"])
def test_a_full_disk_costs_a_training_and_leaves_no_half_file(cache: Path, trainings: list, free: int) -> None:
    with full_disk(free):
        assert load_trained(colors(), CPU).accuracy == 1.0
    assert {path.suffix for path in cache.iterdir()} <= {".lock"}
    assert load_trained(colors(), CPU).accuracy == 1.0
    assert len(trainings) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_training_takes_the_threads_that_the_environment_allows_and_restores_the_state(
    monkeypatch: pytest.MonkeyPatch, trainings: list, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    load_trained(colors(), CPU)
    assert trainings == [("colors", threads)]
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("long", "lines"), [(0.0, 1), (1e9, 0)])
def test_a_long_training_is_announced_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], long: float, lines: int
) -> None:
    monkeypatch.setattr(classifier_training, "_LONG", long)
    load_trained(colors(), CPU)
    output, error = capsys.readouterr()
    assert output == ""
    assert error.count("training the extractor colors-cnn, once for these images: about") == lines


def test_the_time_is_estimated_from_the_second_epoch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]

    def train(dataset: Dataset, options: TrainingOptions, on_epoch: Callable[[int, float], None]) -> object:
        for epoch, seconds in enumerate((200.0, 20.0, 20.0), start=1):
            now[0] += seconds
            on_epoch(epoch, 0.0)
        return train_classifier(dataset, options)

    monkeypatch.setattr(classifier_training, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(classifier_training, "train_classifier", train)
    load_trained(colors(), CPU)
    assert f"about {duration(60)}" in capsys.readouterr().err


def test_the_accuracy_on_images_that_were_trained_on_is_named_so() -> None:
    assert "accuracy on its own training images" in load_trained(replace(colors(), reference="whole set"), CPU).note


def test_the_note_has_accuracy_and_digest_and_warns_of_a_low_accuracy() -> None:
    extractor = load_trained(colors(), CPU)
    assert "100.0%" in extractor.note
    assert extractor.digest[:12] in extractor.note
    assert "low" not in extractor.note
    labels = torch.randint(3, (300,), generator=torch.Generator().manual_seed(0))
    extractor = load_trained(replace(colors("noise", labels=labels), fingerprint="noise"), CPU)
    assert extractor.accuracy is not None
    assert extractor.accuracy < 0.5
    assert "low" in extractor.note


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (replace(colors("bare"), classes=0, class_names=()), r"bare-cnn.*no labels.*sub-folder"),
        (replace(colors(), classes=1, class_names=("all",)), "has a single class"),
        (colors(test=5), r"6 images.*has 5 "),
    ],
)
def test_sets_without_classes_or_with_few_images_are_errors_with_a_fix(dataset: Dataset, message: str) -> None:
    with pytest.raises(ExtractorUnavailable, match=message):
        load_trained(dataset, CPU)


def test_the_default_is_the_shipped_extractor_if_there_is_one() -> None:
    fashion = replace(colors(), extractor="fashion-cnn")
    assert resolve(["own", "inception"], fashion) == ["fashion-cnn", "inception"]
    assert load_extractor("own", dataset=fashion).name == "fashion-cnn"


@pytest.mark.usefixtures("no_inception")
def test_the_default_is_inception_if_its_weights_exist_and_the_images_suffice(tmp_path: Path) -> None:
    assert resolve(["own"], colors()) == ["trained"]
    assert load_extractor("own", dataset=colors()).name == "colors-cnn"
    assert resolve(["own"], colors(), inception_weights=tmp_path / "file") == ["inception"]
    weights = tmp_path / "hub" / "checkpoints" / extractors.FILE_NAME
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert resolve(["own"], colors()) == resolve(["own"], colors(), n=2048) == ["inception"]
    assert resolve(["own"], colors(), n=2047) == ["trained"]
    assert resolve(["own"], replace(colors(), classes=0, class_names=()), n=30) == ["inception"]
    assert resolve(["own", "inception"], colors()) == ["trained", "inception"]
    assert resolve(["trained"], colors()) == ["trained"]


@pytest.mark.parametrize("name", ["own", "trained"])
def test_extractors_of_a_data_set_need_it(name: str) -> None:
    with pytest.raises(GanZooError, match=f"extractor '{name}' depends on the data"):
        load_extractor(name)


def test_training_again_has_the_same_weights_and_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    one = train_classifier(colors(), OPTIONS)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert train_classifier(colors(), OPTIONS).weights == one.weights


def test_the_card_describes_the_training_and_epochs_are_reported() -> None:
    losses: dict[int, float] = {}
    trained = train_classifier(colors(side=20), OPTIONS, losses.__setitem__)
    assert (trained.card["architecture"]["channels"], trained.card["architecture"]["classes"]) == (3, 3)
    assert (trained.card["train_images"], trained.card["test_images"]) == (300, 150)
    assert trained.card["bytes"] == len(trained.weights)
    assert 0 <= trained.card["test_accuracy"] <= 1
    assert list(losses) == [1, 2, 3]
    assert losses[3] < losses[1]


def bright_pixel(moved: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the bright pixel in each image."""
    flat = moved[:, 0].flatten(1).argmax(1)
    return flat // 32, flat % 32


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_moved_as_a_whole_by_no_more_than_the_shift(channels: int) -> None:
    samples = torch.full((200, channels, 32, 32), -1.0)
    samples[:, :, 10, 20] = 1.0
    moved = augment(samples, TrainingOptions(epochs=1, shift=2), torch.Generator().manual_seed(0))
    assert moved.shape == samples.shape
    assert torch.equal(moved.flatten(2).sum(2), samples.flatten(2).sum(2))
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    rows, columns = bright_pixel(moved)
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {18, 19, 20, 21, 22}


def test_half_of_the_images_are_mirrored_with_flip() -> None:
    samples = torch.full((400, 1, 32, 32), -1.0)
    samples[:, :, 10, 2] = 1.0
    options = TrainingOptions(epochs=1, shift=0, flip=True)
    _, columns = bright_pixel(augment(samples, options, torch.Generator().manual_seed(0)))
    assert set(columns.tolist()) == {2, 29}
    assert 150 < int((columns == 29).sum()) < 250


@pytest.mark.parametrize("channels", [1, 3])
def test_options_for_any_set_take_minutes_at_most(channels: int) -> None:
    found = {images: options_for(images, channels) for images in (2, 20, 200, 5_000, 60_000, 500_000)}
    for images, options in found.items():
        assert 2 <= options.batch <= images
        assert 3 <= options.epochs <= 40
        assert not options.flip
    assert 200_000 <= found[60_000].epochs * 60_000 <= 450_000
    assert found[200].epochs * 200 <= 10_000
