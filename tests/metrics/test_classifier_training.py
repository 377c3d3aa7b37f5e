"""Training of classifiers as extractors: deterministic, once a data set, stored; and the default extractor."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from full_disk import full_disk
from torch import Tensor

from gan_zoo.data import Dataset, Split
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classifier_training, extractors
from gan_zoo.metrics.classifier_training import TrainingOptions, augment, load_trained, options_for, train_classifier
from gan_zoo.metrics.extractors import load_extractor, resolve
from gan_zoo.metrics.features import ExtractorUnavailable

CPU = torch.device("cpu")
# Colors of one and the same luma by ITU-R 601 (0.299, 0.587, 0.114): a grey classifier could but guess.
COLORS = torch.tensor([[200, 40, 100], [20, 150, 0], [40, 97, 219]])


def colors(name: str = "colors", *, labels: Tensor | None = None, test: int = 150) -> Dataset:
    """Noisy images of one color each; the color is the class, or `labels` are."""

    def split(count: int) -> Split:
        drawn = torch.arange(count) % len(COLORS)
        noise = torch.randint(30, (count, 3, 32, 32), generator=torch.Generator().manual_seed(count))
        images = (COLORS[drawn][:, :, None, None] + noise).to(torch.uint8)
        return Split(images, drawn if labels is None else labels[:count])

    names = tuple(map(str, range(len(COLORS))))
    return Dataset(name, name.title(), split(300), split(test), len(names), names, extractor="trained", fingerprint="c")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "extractors"


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the sets that were trained on; with short options."""
    names: list[str] = []

    def count(dataset: Dataset, *rest: object) -> object:
        names.append(dataset.name)
        return train_classifier(dataset, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(classifier_training, "train_classifier", count)
    options = TrainingOptions(epochs=3, widths=(4, 8, 8), batch=25)
    monkeypatch.setattr(classifier_training, "options_for", lambda images, channels: options)
    return names


@pytest.fixture
def no_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_colors_of_equal_grey_are_distinguished() -> None:
    extractor = load_trained(colors(), CPU)
    assert extractor.accuracy == 1.0
    features = extractor.encode(colors().test.images)
    assert features.vectors.shape == (150, 128)
    assert features.logits is not None
    assert torch.equal(features.logits.argmax(1), colors().test.labels)


def test_it_is_trained_once_and_gives_the_same_features_when_loaded_again(trainings: list[str], cache: Path) -> None:
    images = colors().test.images
    first, second = load_trained(colors(), CPU), load_trained(colors(), CPU)
    assert trainings == ["colors"]
    assert torch.equal(first.encode(images).vectors, second.encode(images).vectors)
    assert (first.digest, first.accuracy, first.note) == (second.digest, second.accuracy, second.note)
    (card,) = cache.glob("*.json")
    assert json.loads(card.read_text())["sha256"] == first.digest
    assert json.loads(card.read_text())["data_fingerprint"] == "c"


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, Path.unlink, lambda file: file.write_bytes(b"{}")],
    ids=["a bit", "gone", "another"],
)
def test_a_damaged_pair_is_replaced(
    trainings: list[str], cache: Path, suffix: str, damage: Callable[[Path], object]
) -> None:
    first = load_trained(colors(), CPU)
    (file,) = cache.glob(f"*{suffix}")
    damage(file)
    if suffix == ".json" and file.exists() and file.stat().st_size > 2:
        file.write_text(file.read_text(encoding="utf-8").replace("sha256", "sha257"), encoding="utf-8")
    again = load_trained(colors(), CPU)
    assert trainings == ["colors"] * 2
    assert again.digest == first.digest
    load_trained(colors(), CPU)
    assert trainings == ["colors"] * 2


def test_two_sets_have_two_names_and_what_differs_is_trained_apart(trainings: list[str]) -> None:
    assert load_trained(colors("cats"), CPU).name == "cats-cnn"
    assert load_trained(replace(colors("dogs"), fingerprint="d"), CPU).name == "dogs-cnn"
    assert trainings == ["cats", "dogs"]


def test_processes_wait_for_the_first(trainings: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load_trained(colors(), CPU), range(2)))
    assert trainings == ["colors"]
    assert both[0].digest == both[1].digest


def test_a_cache_that_cannot_be_written_to_costs_a_training_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "file"))
    assert load_trained(colors(), CPU).accuracy == load_trained(colors(), CPU).accuracy == 1.0
    assert trainings == ["colors"] * 2


@pytest.mark.parametrize("free", [100, 5_000], ids=["weights", "card"])
def test_a_full_disk_costs_a_training_and_leaves_no_half_file(cache: Path, trainings: list[str], free: int) -> None:
    with full_disk(free):
        assert load_trained(colors(), CPU).accuracy == 1.0
    assert {path.suffix for path in cache.iterdir()} <= {".lock"}
    assert load_trained(colors(), CPU).accuracy == 1.0
    assert trainings == ["colors"] * 2


def test_threads_and_random_state_are_as_before() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    load_trained(colors(), CPU)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("variable", "threads"), [("2", 2), ("1", 1)])
def test_training_takes_the_threads_that_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, variable: str, threads: int
) -> None:
    counts: list[int] = []

    def train(*rest: object) -> object:
        counts.append(torch.get_num_threads())
        return train_classifier(*rest)  # type: ignore[arg-type]

    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(classifier_training, "train_classifier", train)
    load_trained(colors(), CPU)
    assert counts == [threads]


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


def test_sets_without_classes_or_with_few_images_are_errors_with_a_fix(trainings: list[str]) -> None:
    bare = replace(colors("bare"), classes=0, class_names=())
    with pytest.raises(ExtractorUnavailable, match=r"bare-cnn.*no labels.*sub-folder"):
        load_trained(bare, CPU)
    with pytest.raises(ExtractorUnavailable, match="has a single class"):
        load_trained(replace(bare, classes=1, class_names=("all",)), CPU)
    with pytest.raises(ExtractorUnavailable, match=r"129 images.*128"):
        load_trained(colors("few", test=128), CPU)
    assert trainings == []


class TestDefault:
    def test_is_the_shipped_one_if_there_is_one(self, trainings: list[str]) -> None:
        fashion = replace(colors(), extractor="fashion-cnn")
        assert resolve(["own", "inception"], fashion) == ["fashion-cnn", "inception"]
        assert load_extractor("own", dataset=fashion).name == "fashion-cnn"
        assert trainings == []

    @pytest.mark.usefixtures("no_inception")
    def test_is_trained_if_inception_is_missing(self) -> None:
        assert resolve(["own"], colors()) == ["trained"]
        assert load_extractor("own", dataset=colors()).name == "colors-cnn"

    @pytest.mark.usefixtures("no_inception")
    def test_is_inception_if_its_weights_exist_and_the_images_suffice(self, tmp_path: Path) -> None:
        weights = tmp_path / "hub" / "checkpoints" / extractors.FILE_NAME
        weights.parent.mkdir(parents=True)
        weights.touch()
        assert resolve(["own"], colors()) == resolve(["own"], colors(), n=2048) == ["inception"]
        assert resolve(["own"], colors(), n=2047) == ["trained"]
        assert resolve(["own", "inception"], colors()) == ["trained", "inception"]
        assert resolve(["trained"], colors()) == ["trained"]

    @pytest.mark.usefixtures("no_inception")
    def test_is_inception_if_its_weights_are_named(self, tmp_path: Path) -> None:
        assert resolve(["own"], colors(), inception_weights=tmp_path / "file") == ["inception"]

    @pytest.mark.parametrize("name", ["own", "trained"])
    def test_needs_the_data_set(self, name: str) -> None:
        with pytest.raises(GanZooError, match=f"extractor '{name}' depends on the data"):
            load_extractor(name)


def toys(classes: int = 2, channels: int = 1, side: int = 32) -> Dataset:
    """Classes that differ in brightness."""

    def split(count: int) -> Split:
        labels = torch.arange(count) % classes
        levels = labels * (200 // classes)
        noise = torch.randint(30, (count, channels, side, side), generator=torch.Generator().manual_seed(count))
        return Split((levels[:, None, None, None] + noise).to(torch.uint8), labels)

    names = tuple(map(str, range(classes)))
    return Dataset("toys", "Toys", split(64), split(32), classes, names, extractor="trained", fingerprint="toys")


def test_training_again_gives_the_same_weights_and_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    one = train_classifier(toys(), TrainingOptions(epochs=2, batch=16))
    torch.rand(3)
    two = train_classifier(toys(), TrainingOptions(epochs=2, batch=16))
    assert one.weights == two.weights
    torch.rand(3)
    torch.random.set_rng_state(before)
    train_classifier(toys(), TrainingOptions(epochs=1, batch=16))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_card_describes_the_training_and_epochs_are_reported() -> None:
    losses: dict[int, float] = {}
    options = TrainingOptions(epochs=3, batch=16)
    trained = train_classifier(toys(classes=3, channels=3, side=20), options, losses.__setitem__)
    assert trained.card["architecture"]["channels"] == 3
    assert trained.card["architecture"]["classes"] == 3
    assert (trained.card["train_images"], trained.card["test_images"]) == (64, 32)
    assert trained.card["bytes"] == len(trained.weights)
    assert 0 <= trained.card["test_accuracy"] <= 1
    assert list(losses) == [1, 2, 3]
    assert losses[3] < losses[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_moved_as_a_whole_by_no_more_than_the_shift(channels: int) -> None:
    samples = torch.full((200, channels, 32, 32), -1.0)
    samples[:, :, 10, 20] = 1.0
    moved = augment(samples, TrainingOptions(epochs=1, shift=2), torch.Generator().manual_seed(0))
    assert moved.shape == samples.shape
    assert torch.equal(moved.flatten(2).sum(2), samples.flatten(2).sum(2))
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    rows, columns = places(moved)
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {18, 19, 20, 21, 22}


def test_half_of_the_images_are_mirrored_with_flip() -> None:
    samples = torch.full((400, 1, 32, 32), -1.0)
    samples[:, :, 10, 2] = 1.0
    _, columns = places(
        augment(samples, TrainingOptions(epochs=1, shift=0, flip=True), torch.Generator().manual_seed(0))
    )
    assert set(columns.tolist()) == {2, 29}
    assert 150 < int((columns == 29).sum()) < 250


def places(moved: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the bright pixel in each image."""
    flat = moved[:, 0].flatten(1).argmax(1)
    return flat // 32, flat % 32


@pytest.mark.parametrize("channels", [1, 3])
def test_options_for_any_set_take_minutes_at_most(channels: int) -> None:
    found = {images: options_for(images, channels) for images in (2, 20, 200, 5_000, 60_000, 500_000)}
    for images, options in found.items():
        assert 2 <= options.batch <= images
        assert 3 <= options.epochs <= 40
        assert not options.flip
    assert 200_000 <= found[60_000].epochs * 60_000 <= 450_000
    assert found[200].epochs * 200 <= 10_000
