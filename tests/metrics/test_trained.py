"""Classifiers trained for data sets without a shipped one: once, kept, told; and what is said where there is none."""

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
from gan_zoo.metrics import inception, trained
from gan_zoo.metrics.classifier_training import Recipe, train_classifier
from gan_zoo.metrics.extractors import load_extractor, resolve
from gan_zoo.metrics.features import ExtractorUnavailable
from gan_zoo.metrics.trained import load_trained

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
    """The names of the sets that were trained on; with a short recipe."""
    names: list[str] = []

    def count(dataset: Dataset, *rest: object) -> object:
        names.append(dataset.name)
        return train_classifier(dataset, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trained, "train_classifier", count)
    monkeypatch.setattr(trained, "recipe_for", lambda images, channels: Recipe(epochs=3, widths=(4, 8, 8), batch=25))
    return names


@pytest.fixture
def no_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_colors_are_told_apart_that_are_the_same_grey() -> None:
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
    [flip_a_bit, Path.unlink, lambda file: file.write_bytes(b"{}"), lambda file: file.write_bytes(b"")],
    ids=["a bit", "gone", "another", "empty"],
)
def test_a_damaged_pair_is_made_again(
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


def test_who_asks_at_the_same_time_waits_for_the_first(trainings: list[str]) -> None:
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


@pytest.mark.parametrize(("said", "threads"), [("2", 2), ("1", 1)])
def test_training_takes_the_threads_that_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int
) -> None:
    seen: list[int] = []

    def train(*rest: object) -> object:
        seen.append(torch.get_num_threads())
        return train_classifier(*rest)  # type: ignore[arg-type]

    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setattr(trained, "train_classifier", train)
    load_trained(colors(), CPU)
    assert seen == [threads]


def test_the_note_tells_accuracy_and_digest() -> None:
    extractor = load_trained(colors(), CPU)
    assert extractor.note == (f"colors-cnn was trained for this: test accuracy 100.0%, weights {extractor.digest[:12]}")


def test_the_note_of_a_classifier_that_guesses_says_that_its_figures_are_weak() -> None:
    labels = torch.randint(3, (300,), generator=torch.Generator().manual_seed(0))
    extractor = load_trained(colors("noise", labels=labels), CPU)
    assert extractor.accuracy is not None
    assert extractor.accuracy < 0.5
    assert "that is low and weakens all its figures (guessing gives" in extractor.note


def test_sets_that_cannot_be_learned_are_named_with_the_remedy(trainings: list[str]) -> None:
    bare = replace(colors("bare"), classes=0, class_names=())
    with pytest.raises(ExtractorUnavailable, match=r"bare-cnn is left out: Bare has no labels.*one sub-folder a class"):
        load_trained(bare, CPU)
    with pytest.raises(ExtractorUnavailable, match="has a single class"):
        load_trained(replace(bare, classes=1, class_names=("all",)), CPU)
    with pytest.raises(ExtractorUnavailable, match="at least 129 images in each split, and Few has 128"):
        load_trained(colors("few", test=128), CPU)
    assert trainings == []


class TestOwn:
    def test_is_the_shipped_one_where_there_is_one(self, trainings: list[str]) -> None:
        fashion = replace(colors(), extractor="fashion-cnn")
        assert resolve(["own", "inception"], fashion) == ["fashion-cnn", "inception"]
        assert load_extractor("own", dataset=fashion).name == "fashion-cnn"
        assert trainings == []

    @pytest.mark.usefixtures("no_inception")
    def test_is_trained_where_inception_is_not_here(self) -> None:
        assert resolve(["own"], colors()) == ["trained"]
        assert load_extractor("own", dataset=colors()).name == "colors-cnn"

    @pytest.mark.usefixtures("no_inception")
    def test_is_inception_where_that_is_here_and_the_images_suffice(self, tmp_path: Path) -> None:
        weights = tmp_path / "hub" / "checkpoints" / inception.FILE_NAME
        weights.parent.mkdir(parents=True)
        weights.touch()
        assert resolve(["own"], colors()) == resolve(["own"], colors(), n=2048) == ["inception"]
        assert resolve(["own"], colors(), n=2047) == ["trained"]
        assert resolve(["own", "inception"], colors()) == ["trained", "inception"]
        assert resolve(["trained"], colors()) == ["trained"]

    @pytest.mark.usefixtures("no_inception")
    def test_named_weights_of_inception_count_as_here(self, tmp_path: Path) -> None:
        assert resolve(["own"], colors(), inception_weights=tmp_path / "file") == ["inception"]

    @pytest.mark.parametrize("name", ["own", "trained"])
    def test_needs_the_data_set(self, name: str) -> None:
        with pytest.raises(GanZooError, match=f"extractor '{name}' depends on the data"):
            load_extractor(name)
