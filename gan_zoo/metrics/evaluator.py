"""Evaluation of a generator's samples: against a fixed random reference, and sheets of samples to look at."""

import abc
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from gan_zoo.data import Split, resize
from gan_zoo.device import derive, seeded, synchronize
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.io import atomic_path
from gan_zoo.metrics import reference as references
from gan_zoo.metrics.classification import modes
from gan_zoo.metrics.features import Extractor, Features, require_finite, require_same_shape
from gan_zoo.metrics.memorization import nearest
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import METRICS, MOST_CLASS_COUNTS, PRIMARY
from gan_zoo.samples import tile

COLUMNS = 5
ROWS = 4
CLASS_COLUMNS = 10
CLASS_ROWS = 10
NEIGHBOR_ROWS = 6
NEIGHBORS = 6


class Sampler(Protocol):
    """A function that draws samples: uint8 images (n, C, H, W), or float32 points (n, D).

    Attributes:
        classes: number of classes of a conditional generator.
        weights: ``raw``, or ``ema`` for a moving average of the generator.
    """

    @property
    def conditional(self) -> bool: ...
    @property
    def classes(self) -> int: ...
    @property
    def weights(self) -> str: ...

    def __call__(self, n: int, *, labels: Tensor | None = None, seed: int = 0) -> Tensor: ...


@dataclass(frozen=True)
class DiscriminatorEstimate:
    """A discriminator that estimates D* = p_data / (p_data + p_g).

    Attributes:
        probability: its output (B,) for samples (B, ...).
        generator: the generator that it is trained against, which is not the moving average.
    """

    probability: Callable[[Tensor], Tensor]
    generator: Sampler


class Measuring(abc.ABC):
    """An evaluator of samplers.

    Attributes:
        seconds: wall seconds of all evaluations so far, drawing of samples included.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0

    @abc.abstractmethod
    def floor(self, seed: int) -> list[dict[str, Any]]:
        """Rows of metrics for real samples in place of generated ones."""

    @abc.abstractmethod
    def measure_images(self, images: Tensor) -> list[dict[str, Any]]:
        """Rows of metrics for images that were made elsewhere, uint8 (n, C, H, W)."""

    @abc.abstractmethod
    def measure(
        self, sampler: Sampler, seed: int, *, discriminator: DiscriminatorEstimate | None = None
    ) -> list[dict[str, Any]]:
        """Rows of metrics for a generator, and for its discriminator if that can be compared with D*."""

    @abc.abstractmethod
    def artifacts(self, sampler: Sampler, folder: Path, step: int, *, last: bool) -> Iterator[dict[str, Any]]:
        """Write samples of an evaluation into a folder and yield a row for each file; more of them at the last one.

        Raises:
            StorageError: a file cannot be written.
        """

    @abc.abstractmethod
    def untrained_artifacts(self, images: Tensor | None, folder: Path) -> Iterator[dict[str, Any]]:
        """The same of images uint8 (n, C, H, W) that were made elsewhere, or of random training images if None.

        Raises:
            StorageError: a file cannot be written.
        """

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Add the wall time of the block to ``seconds``, work on the device included."""
        synchronize(self.device)
        start = time.perf_counter()
        try:
            yield
        finally:
            synchronize(self.device)
            self.seconds += time.perf_counter() - start


class Evaluator(Measuring):
    """Compares images with the same random images of the test split, by every extractor."""

    def __init__(
        self,
        train: Split,
        test: Split,
        extractors: tuple[Extractor, ...],
        n: int,
        *,
        fingerprint: str | None = None,
        primary: str = PRIMARY["images"],
        reference: str = "test",
    ) -> None:
        """With the ``fingerprint`` of the data, features of real images are cached on disk.

        ``primary`` is the metric that the best evaluation is chosen by, ``reference`` what the test split is
        (``Dataset.reference``).
        """
        super().__init__(test.labels.device)
        self.train = train
        self.test = test
        self.extractors = extractors
        self.n = n
        self.fingerprint = fingerprint
        self.primary = primary
        self.reference = reference

    def floor(self, seed: int) -> list[dict[str, Any]]:
        """A row an extractor for ``n`` random training images: the floor of FID and KID."""
        with self.timed():
            index = _choose(len(self.train), self.n, seed, "floor")
            return self._rows(self.train.images[index], self.train.labels[index].cpu(), weights="none", selection=None)

    def measure(
        self, sampler: Sampler, seed: int, *, discriminator: DiscriminatorEstimate | None = None
    ) -> list[dict[str, Any]]:
        """A row an extractor for a generator; a conditional one draws the labels of the reference.

        The reported samples and those that the best evaluation is chosen by have different latents. D* is unknown for
        images: ``discriminator`` is not used.
        """
        with self.timed():
            labels = self._labels if sampler.conditional else None
            reported = sampler(self.n, labels=labels, seed=derive(seed, "report"))
            selection = sampler(self.n, labels=labels, seed=derive(seed, "selection"))
            return self._rows(reported, labels, weights=sampler.weights, selection=selection)

    def measure_images(self, images: Tensor) -> list[dict[str, Any]]:
        """A row an extractor for ``n`` images."""
        with self.timed():
            return self._rows(images.to(self.device), None, weights="none", selection=None)

    def _rows(
        self, images: Tensor, labels: Tensor | None, *, weights: str, selection: Tensor | None
    ) -> list[dict[str, Any]]:
        rows = []
        for extractor in self.extractors:
            real = self._references[extractor.name]
            names = measurable(extractor, self.reference, has_labels=labels is not None)
            features = extractor.encode(images)
            values = measure(features, real, labels=labels, names=names)
            chosen = {}
            if selection is not None:
                chosen = measure(extractor.encode(selection), real, names=[self.primary])
            row = {"extractor": extractor.name, "num_samples": self.n, "weights": weights, "reference": self.reference}
            if "modes" in values:
                row["real_modes"] = int(modes(Comparison(real.features, real)))
                row |= _class_counts(features)
            rows.append({**row, "values": values, "selection": chosen})
        return rows

    def artifacts(self, sampler: Sampler, folder: Path, step: int, *, last: bool) -> Iterator[dict[str, Any]]:
        """PNG files of tiles without a border; the grid of samples is written last."""
        return self._write(self._sheets(sampler, last), folder, step)

    def untrained_artifacts(self, images: Tensor | None, folder: Path) -> Iterator[dict[str, Any]]:
        """PNG files: a grid, and of training images a row for each class."""
        return self._write(self._real_sheets() if images is None else self._grid(images), folder, 0)

    def _write(self, sheets: Iterable[tuple[str, Tensor, int]], folder: Path, step: int) -> Iterator[dict[str, Any]]:
        for kind, images, columns in sheets:
            file = folder / f"{kind}-{step:06d}.png"
            with atomic_path(file) as part:
                tile(images, columns).save(part)
            size = {"rows": len(images) // columns, "height": images.shape[2], "width": images.shape[3]}
            yield {"row": "samples", "kind": kind, "file": file, "columns": columns, **size}

    def _sheets(self, sampler: Sampler, last: bool) -> Iterator[tuple[str, Tensor, int]]:
        """A grid of images from the same latents at every evaluation.

        At the last one also a row of images for each class, and rows of an image with its nearest training images.
        """
        count = COLUMNS * ROWS
        grid = sampler(count, labels=torch.arange(count) % sampler.classes if sampler.conditional else None)
        if last and sampler.conditional:
            labels = torch.arange(min(sampler.classes, CLASS_ROWS)).repeat_interleave(CLASS_COLUMNS)
            yield "classes", sampler(len(labels), labels=labels), CLASS_COLUMNS
        neighbors = self.neighbors(grid[:NEIGHBOR_ROWS], NEIGHBORS) if last else None
        if neighbors is not None:
            generated = resize(grid[: len(neighbors)], neighbors.shape[-1])[:, None].to(neighbors.device)
            yield "neighbors", torch.cat([generated, neighbors], dim=1).flatten(0, 1), 1 + NEIGHBORS
        yield "grid", grid, COLUMNS

    def _real_sheets(self) -> Iterator[tuple[str, Tensor, int]]:
        """A grid of random training images, and a row for each class that has enough of them."""
        order = _choose(len(self.train), len(self.train), references.SEED, "sheet").to(self.train.labels.device)
        labels = self.train.labels[order]
        classes = min(int(labels.max()) + 1, CLASS_ROWS)
        of_class = [order[labels == label][:CLASS_COLUMNS] for label in range(classes)]
        if len(of_class) > 1 and all(len(members) == CLASS_COLUMNS for members in of_class):
            yield "classes", self.train.pixels(torch.cat(of_class)), CLASS_COLUMNS
        yield from self._grid(self.train.pixels(order[: COLUMNS * ROWS]))

    def _grid(self, images: Tensor) -> Iterator[tuple[str, Tensor, int]]:
        if len(images) >= COLUMNS * ROWS:
            yield "grid", images[: COLUMNS * ROWS], COLUMNS

    def neighbors(self, images: Tensor, k: int) -> Tensor | None:
        """The k nearest training images of each image, by the first extractor that encodes the training images.

        Images are uint8 (n, C, H, W) of any side, the neighbors uint8 (n, k, C, S, S), nearest first, at the side of
        the reference; None without such an extractor, or with fewer than k training images.
        """
        extractor = next((extractor for extractor in self.extractors if references.needs_training(extractor)), None)
        if extractor is None or len(self.train) < k:
            return None
        with self.timed():
            training = self._references[extractor.name].training
            assert training is not None
            index = nearest(extractor.encode(images).vectors, training, k=k).indices
            return self.train.pixels(index.flatten()).unflatten(0, index.shape)

    @cached_property
    def _index(self) -> Tensor:
        return _choose(len(self.test), self.n, references.SEED, "reference")

    @cached_property
    def _labels(self) -> Tensor:
        return self.test.labels[self._index].cpu()

    @cached_property
    def _references(self) -> dict[str, Reference]:
        return {
            extractor.name: references.load_reference(extractor, self.train, self.test, self._index, self.fingerprint)
            for extractor in self.extractors
        }


def measurable(extractor: Extractor, reference: str, *, has_labels: bool) -> list[str]:
    """The metrics of an extractor for images with or without labels, against the ``reference`` of a `Dataset`."""
    missing: set[str] = set() if has_labels else {"labels"}
    # Where no image of the reference is unseen, memorization has no scale.
    missing |= set() if reference == "test" else {"training"}
    return [name for name in extractor.metrics if not missing & {*METRICS[name].needs}]


def _class_counts(features: Features) -> dict[str, list[int]]:
    """The number of images that the classifier assigns to each class; left out where there are many classes."""
    classes = features.require_logits().shape[1]
    if classes > MOST_CLASS_COUNTS:
        return {}
    return {"class_counts": torch.bincount(features.predicted, minlength=classes).tolist()}


def _choose(total: int, n: int, seed: int, purpose: str) -> Tensor:
    """``n`` different random indices below ``total``: the first images of MNIST's test split are the easier ones."""
    return torch.randperm(total, generator=seeded(seed, purpose))[:n]


def measure(
    fake: Features, real: Reference | Features, *, labels: Tensor | None = None, names: Sequence[str] | None = None
) -> dict[str, float]:
    """Metrics of N generated images against as many real ones, by name, in the order of tables.

    Args:
        fake: features of the generated images.
        real: features of the real images by the same extractor; a `Reference` if it serves many calls, and for
            ``memorization``, which needs the features of the training images.
        labels: class requested for each generated image, int64 (N,), for ``label_accuracy``.
        names: the metrics to compute; by default all that the input allows.

    Raises:
        GanZooError: an unknown name, a metric whose input is missing, features of another extractor or another N, rows
            that are not finite (with the extractor and their count), or too few images.
    """
    compared = Comparison(fake, real if isinstance(real, Reference) else Reference(real), labels)
    _check(fake, compared.real.features)
    given = {"logits": fake.logits, "labels": labels, "training": compared.real.training}
    given["images"] = None if compared.real.features.images is None else fake.images
    known = {name: metric for name, metric in METRICS.items() if metric.kind == "images" and metric.module}
    missing = {name: [need for need in metric.needs if given.get(need) is None] for name, metric in known.items()}
    wanted = [name for name in known if not missing[name]] if names is None else names
    for name in wanted:
        check_known("metric", name, known)
        if missing[name]:
            needs = " and ".join(missing[name])
            raise GanZooError(f"metric {name!r} of extractor {fake.extractor!r} needs {needs}: leave it out")
    return {name: metric.compute(compared) for name, metric in known.items() if name in wanted}


def _check(fake: Features, real: Features) -> None:
    if fake.extractor != real.extractor:
        raise GanZooError(
            f"fake features are of extractor {fake.extractor!r}, real ones of {real.extractor!r}; use one for both"
        )
    for side, features in (("fake", fake), ("real", real)):
        require_finite(features.vectors, f"{side} features of extractor {features.extractor!r}")
        if features.logits is not None:
            require_finite(features.logits, f"{side} logits of extractor {features.extractor!r}")
    require_same_shape(fake.vectors.shape, real.vectors.shape)
