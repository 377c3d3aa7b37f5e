"""The extractor of a data set without a shipped one: a classifier trained on its labels, once on a machine."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import Progress

from gan_zoo import METRICS_VERSION
from gan_zoo.data import Dataset
from gan_zoo.errors import StorageError
from gan_zoo.io import atomic_write, cache_root
from gan_zoo.metrics.classifier import MINIMUM_N, ClassifierExtractor, build_classifier
from gan_zoo.metrics.classifier_training import Recipe, Trained, recipe_for, train_classifier
from gan_zoo.metrics.features import ExtractorUnavailable

WEAK_ACCURACY = 0.6


def load_trained(dataset: Dataset, device: torch.device) -> ClassifierExtractor:
    """The classifier trained on a data set's labels, named after it (`kmnist-cnn`), its accuracy in its `note`.

    It is trained once for the same images, labels, recipe and code, on the CPU with all its threads, and read from
    `extractors` in the cache folder after that; a pair of files that is damaged is made again. Processes that ask for
    the same at the same time wait for the first. Where the folder cannot be written to, nothing is kept.

    Raises:
        ExtractorUnavailable: the data set has no labels, a single class, or too few images: go on without it.
    """
    name = f"{dataset.name}-cnn"
    _check(name, dataset)
    recipe = recipe_for(len(dataset.train), dataset.train.shape[0])
    stem = cache_root() / "extractors" / _key(dataset, recipe)
    with _alone(stem.with_suffix(".lock")):
        extractor = _read(stem, name, device)
        if extractor is None:
            trained = _train(name, dataset, recipe)
            # A cache that cannot be written to costs time and no more.
            with contextlib.suppress(StorageError):
                _write(stem, trained)
            extractor = build_classifier(name, trained.weights, trained.card, device)
    assert extractor is not None
    return replace(extractor, note=_note(extractor, dataset))


def _check(name: str, dataset: Dataset) -> None:
    if dataset.classes < 2:
        why = "no labels" if dataset.classes == 0 else "a single class"
        raise ExtractorUnavailable(
            f"{name} is left out: {dataset.title} has {why}, so no classifier can be trained on it; sort its images "
            "into one sub-folder a class, or name Inception's weights with --inception-weights"
        )
    fewest = min(len(dataset.train), len(dataset.test))
    if fewest < MINIMUM_N:
        raise ExtractorUnavailable(
            f"{name} is left out: its figures need at least {MINIMUM_N} images in each split, and {dataset.title} has "
            f"{fewest} in the smaller one; add images"
        )


def _key(dataset: Dataset, recipe: Recipe) -> str:
    """A name for the files: SHA-256 (hex) of all that decides the weights, versions and threads apart."""
    facts = {
        "data": dataset.fingerprint,
        "shape": dataset.train.shape,
        "recipe": asdict(recipe),
        "metrics": METRICS_VERSION,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; without one where its folder cannot be written to."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path))
        yield


def _read(stem: Path, name: str, device: torch.device) -> ClassifierExtractor | None:
    """The classifier in the pair of files, where both are there, whole and of each other."""
    try:
        card = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        return build_classifier(name, stem.with_suffix(".safetensors").read_bytes(), card, device)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(stem: Path, trained: Trained) -> None:
    """Write the pair, the card last: weights without theirs are never used."""
    atomic_write(stem.with_suffix(".safetensors"), trained.weights)
    atomic_write(stem.with_suffix(".json"), json.dumps(trained.card, indent=2) + "\n")


def _train(name: str, dataset: Dataset, recipe: Recipe) -> Trained:
    """Train with all threads, with a progress bar in a terminal."""
    console = Console(stderr=True)
    with _all_threads(), Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"training the extractor {name}", total=recipe.epochs)
        return train_classifier(dataset, recipe, lambda epoch, loss: progress.update(task, completed=epoch))


@contextlib.contextmanager
def _all_threads() -> Iterator[None]:
    """As many of torch's threads as OMP_NUM_THREADS says, else as this process may use cores; as before at the end."""
    before, said = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    torch.set_num_threads(int(said) if said.isdecimal() and int(said) > 0 else cores)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _note(extractor: ClassifierExtractor, dataset: Dataset) -> str:
    """What a reader of its figures must know; below half way from guessing the largest class to knowing is weak."""
    accuracy = extractor.accuracy or 0.0
    guessing = int(torch.bincount(dataset.test.labels).max()) / len(dataset.test)
    told = f"{extractor.name} was trained for this: test accuracy {accuracy:.1%}, weights {extractor.digest[:12]}"
    weak = accuracy < max(WEAK_ACCURACY, (1 + guessing) / 2)
    return f"{told}; that is low and weakens all its figures (guessing gives {guessing:.1%})" if weak else told
