"""Training of classifiers that serve as feature extractors: deterministic, once for each data set of a machine."""

import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import Progress
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from gan_zoo import METRICS_VERSION
from gan_zoo.data import Dataset, Split, resize
from gan_zoo.device import default_threads
from gan_zoo.errors import DamagedFileError, StorageError
from gan_zoo.io import atomic_write, cache_root
from gan_zoo.metrics.classifier import SIDE, Classifier, ClassifierExtractor, build_classifier, card_fault
from gan_zoo.metrics.features import LEAST_N, ExtractorUnavailable
from gan_zoo.text import duration

SEED = 0
WEAK_ACCURACY = 0.6
_LONG = 10.0
"""Seconds from which a training is announced without a terminal."""

OnEpoch = Callable[[int, float], None]
"""Called after each epoch with its number, from 1 on, and its mean loss."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a classifier is trained; ``shift`` is in pixels at side 32, ``flip`` mirrors half of the images."""

    epochs: int
    widths: tuple[int, int, int] = (16, 32, 64)
    shift: int = 2
    flip: bool = False
    dropout: float = 0.3
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    batch: int = 128


@dataclass(frozen=True)
class Trained:
    """The content of a classifier's safetensors file, and the card that describes it as JSON values."""

    weights: bytes
    card: dict[str, Any]


def options_for(images: int, channels: int) -> TrainingOptions:
    """The options for a labelled set of so many training images: at most minutes on two CPU cores.

    Nothing is mirrored: a mirrored letter or digit belongs to another class or to none.
    """
    widths, seen = ((16, 32, 64), 420_000) if channels == 1 else ((24, 48, 64), 280_000)
    epochs = min(40, max(3, seen // max(1, images)))
    return TrainingOptions(epochs=epochs, widths=widths, batch=min(128, max(2, images // 8)))


def train_classifier(dataset: Dataset, options: TrainingOptions, on_epoch: OnEpoch | None = None) -> Trained:
    """Train a classifier on a data set's labels, on the CPU, and test it on the test split.

    Equal data, options, threads and versions give equal weights; the caller's random state does not change.
    """
    train = _prepared(dataset.train)
    test = _prepared(dataset.test)
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        network = fit(options, train, dataset.classes, on_epoch)
    seconds = time.perf_counter() - start
    weights = save({key: value.contiguous() for key, value in network.state_dict().items()})
    card = {
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "architecture": {
            "class": f"{Classifier.__module__}.{Classifier.__qualname__}",
            "widths": options.widths,
            "classes": dataset.classes,
            "channels": network.channels,
            "input": f"{SIDE}x{SIDE} {'grey' if network.channels == 1 else 'RGB'} in [-1, 1]",
        },
        "features": "the 128 outputs of the dense layer after its ReLU, as they are: not normalized, not centered",
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "train_images": len(train),
        "test_images": len(test),
        "test_accuracy": accuracy(network, test),
        "seed": SEED,
        "epochs": options.epochs,
        "batch_size": options.batch,
        "optimizer": f"AdamW, one-cycle to {options.learning_rate}, weight decay {options.weight_decay}",
        "dropout": options.dropout,
        "augmentation": f"shifts to {options.shift} pixels" + (", mirror images" if options.flip else ""),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "seconds": round(seconds, 1),
    }
    return Trained(weights, card)


def augment(samples: Tensor, options: TrainingOptions, generator: torch.Generator) -> Tensor:
    """Samples (N, C, H, W), each shifted by up to ``options.shift`` pixels, half mirrored if ``options.flip``."""
    count, channels, _, side = samples.shape
    reach = options.shift
    padded = functional.pad(samples, (reach,) * 4, value=-1.0)
    top, left = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=generator)
    rows = top + torch.arange(side)
    columns = left + torch.arange(side)
    if options.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    image = torch.arange(count)[:, None, None, None]
    channel = torch.arange(channels)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def fit(options: TrainingOptions, train: Split, classes: int, on_epoch: OnEpoch | None = None) -> Classifier:
    """Train from scratch on a split of 32x32 images on the CPU: AdamW, one-cycle learning rate, cross-entropy."""
    torch.default_generator.manual_seed(SEED)  # torch.manual_seed would reach CUDA's too
    generator = torch.Generator().manual_seed(SEED)
    network = Classifier(options.widths, classes, options.dropout, channels=train.shape[0])
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    steps = len(train) // options.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=options.epochs * steps)
    for epoch in range(options.epochs):
        total = torch.zeros(())
        for index in torch.randperm(len(train), generator=generator)[: steps * options.batch].split(options.batch):
            samples, labels = train.take(index)
            _, logits = network(augment(samples, options, generator).contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        if on_epoch is not None:
            on_epoch(epoch + 1, total.item() / steps)
    return network


@torch.inference_mode()
def accuracy(network: nn.Module, split: Split) -> float:
    """Share of a split's images whose class is predicted correctly; the network is set to evaluation mode."""
    network.eval()
    correct = 0
    for index in torch.arange(len(split)).split(500):
        samples, labels = split.take(index)
        correct += int((network(samples)[1].argmax(1) == labels).sum())
    return correct / len(split)


def _prepared(split: Split) -> Split:
    return Split(resize(split.images, SIDE).cpu(), split.labels.cpu())


def load_trained(dataset: Dataset, device: torch.device) -> ClassifierExtractor:
    """The classifier trained on a data set's labels, e.g. ``kmnist-cnn``, with its accuracy in its ``note``.

    It is trained once for equal images, labels, options and code, on the CPU with all threads, and stored in
    ``extractors`` of the cache folder; damaged files are replaced. Other processes that need it wait. If the folder
    cannot be written to, nothing is stored.

    Raises:
        ExtractorUnavailable: the data set has no labels, a single class, or too few images.
    """
    name = f"{dataset.name}-cnn"
    _check(name, dataset)
    options = options_for(len(dataset.train), dataset.train.shape[0])
    # All that decides the weights, versions and threads apart.
    facts = {
        "data": dataset.fingerprint,
        "shape": dataset.train.shape,
        "recipe": asdict(options),
        "metrics": METRICS_VERSION,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    weights, card, lock = (
        cache_root() / "extractors" / f"{digest}.{suffix}" for suffix in ("safetensors", "json", "lock")
    )
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(lock))
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
            if wrong := card_fault(content):
                raise DamagedFileError(wrong)
            extractor = build_classifier(name, weights.read_bytes(), content, device)
        except (OSError, ValueError, RecursionError, DamagedFileError):
            trained = _train(name, dataset, options)
            # The card comes last: weights without one are not used.
            with contextlib.suppress(StorageError):
                atomic_write(weights, trained.weights)
                atomic_write(card, json.dumps(trained.card, indent=2) + "\n")
            extractor = build_classifier(name, trained.weights, trained.card, device)
    return replace(extractor, note=_note(extractor, dataset))


def _check(name: str, dataset: Dataset) -> None:
    if dataset.classes < 2:
        why = "no labels" if dataset.classes == 0 else "a single class"
        raise ExtractorUnavailable(
            f"{name} is left out: {dataset.title} has {why}, so no classifier can be trained on it; sort its images "
            "into one sub-folder a class, or name Inception's weights with --inception-weights"
        )
    fewest = min(len(dataset.train), len(dataset.test))
    if fewest < LEAST_N:
        raise ExtractorUnavailable(
            f"{name} is left out: its metrics need at least {LEAST_N} images in each split, and {dataset.title} has "
            f"{fewest} in the smaller one; add images"
        )


def _train(name: str, dataset: Dataset, options: TrainingOptions) -> Trained:
    """Train with all threads that the environment allows, with a progress bar in a terminal, else a line if it is long.

    The time is estimated from the second epoch, since the first one has the warm-up too.
    """
    console = Console(stderr=True)
    ends: list[float] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(default_threads())
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"training the extractor {name}", total=options.epochs)

            def on_epoch(epoch: int, _loss: float) -> None:
                progress.update(task, completed=epoch)
                ends.append(time.perf_counter())
                seconds = (ends[-1] - ends[0]) * options.epochs
                if epoch == 2 and progress.disable and seconds > _LONG:
                    what = f"training the extractor {name}, once for these images: about {duration(seconds)}"
                    console.print(what, highlight=False, markup=False, soft_wrap=True)

            return train_classifier(dataset, options, on_epoch)
    finally:
        torch.set_num_threads(threads)


def _note(extractor: ClassifierExtractor, dataset: Dataset) -> str:
    """Its accuracy; low is below half way from the share of the largest class to 1."""
    accuracy = extractor.accuracy or 0.0
    largest = int(torch.bincount(dataset.test.labels).max()) / len(dataset.test)
    of = "test accuracy" if dataset.reference == "test" else "accuracy on its own training images"
    note = f"{extractor.name} was trained for this: {of} {accuracy:.1%}, weights {extractor.digest[:12]}"
    if accuracy >= max(WEAK_ACCURACY, (1 + largest) / 2):
        return note
    return f"{note}; that is low and weakens all its metrics (guessing the largest class gives {largest:.1%})"
