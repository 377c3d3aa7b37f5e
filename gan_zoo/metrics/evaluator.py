"""Measuring a sampler: one reference, one N, and one path for fake and real images."""

import abc
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gan_zoo import METRICS_VERSION
from gan_zoo.data import Split
from gan_zoo.device import synchronize
from gan_zoo.engine import Sampler
from gan_zoo.engine.state import derive, seeded
from gan_zoo.metrics.cache import cached
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.measures import measure
from gan_zoo.metrics.memorization import nearest
from gan_zoo.metrics.reference import Reference

_REFERENCE_SEED = 0
SELECTED_BY = "fid"
"""The measure of images by which the best evaluation is chosen, on a draw of samples that is not reported."""


@dataclass(frozen=True)
class Judge:
    """A discriminator that estimates D*: probabilities (B,) of samples (B, ...), and the generator that it faces.

    Where a variant keeps a moving average, ``faced`` is the generator itself, not the average that is measured.
    """

    read: Callable[[Tensor], Tensor]
    faced: Sampler


class Measuring(abc.ABC):
    """What measures samplers, and the floor.

    Attributes:
        seconds: wall seconds spent in `measure` and `floor` so far, drawing of samples included.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0

    @abc.abstractmethod
    def floor(self, seed: int) -> list[dict[str, Any]]:
        """Rows for real samples in place of generated ones."""

    @abc.abstractmethod
    def measure(self, sampler: Sampler, seed: int, *, judge: Judge | None = None) -> list[dict[str, Any]]:
        """Rows for a generator; ``judge`` is its discriminator, where that is one that can be compared with D*."""

    def neighbors(self, images: Tensor, k: int) -> Tensor | None:
        """The k nearest training samples of each sample, (n, k, ...); None where they are not to be had."""
        return None

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Counts the seconds within, the device's work included."""
        synchronize(self.device)
        start = time.perf_counter()
        try:
            yield
        finally:
            synchronize(self.device)
            self.seconds += time.perf_counter() - start


class Evaluator(Measuring):
    """Measures samplers and the floor with every extractor, against the same random images of the test split."""

    def __init__(
        self,
        train: Split,
        test: Split,
        extractors: tuple[Extractor, ...],
        n: int,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """With the ``fingerprint`` of the data, the reference's features are kept in the cache on disk."""
        super().__init__(test.labels.device)
        self.train, self.test, self.extractors, self.n = train, test, extractors, n
        self.fingerprint = fingerprint

    def floor(self, seed: int) -> list[dict[str, Any]]:
        """Rows for a random N of the real training images against the reference: the floor of FID and KID."""
        with self.timed():
            index = _choose(len(self.train), self.n, seed, "floor")
            return self._rows(self.train.images[index], self.train.labels[index].cpu(), weights="none", selection=None)

    def measure(self, sampler: Sampler, seed: int, *, judge: Judge | None = None) -> list[dict[str, Any]]:
        """Rows for a generator, one an extractor; conditional ones are asked for the reference's own labels.

        The reported draw of samples and the one that the best evaluation is chosen on have different latents. Of images
        no D* is known: ``judge`` is not used.
        """
        with self.timed():
            asked = self._asked if sampler.conditional else None
            reported = sampler(self.n, labels=asked, seed=derive(seed, "report"))
            selection = sampler(self.n, labels=asked, seed=derive(seed, "selection"))
            return self._rows(reported, asked, weights=sampler.weights, selection=selection)

    def _rows(
        self, images: Tensor, asked: Tensor | None, *, weights: str, selection: Tensor | None
    ) -> list[dict[str, Any]]:
        rows = []
        for extractor in self.extractors:
            reference = self._references[extractor.name]
            names = [name for name in extractor.metrics if name != "label_accuracy" or asked is not None]
            values = measure(extractor.encode(images), reference, asked=asked, names=names)
            chosen = {} if selection is None else measure(extractor.encode(selection), reference, names=[SELECTED_BY])
            facts = {"extractor": extractor.name, "n": self.n, "weights": weights, "reference": "test"}
            if "modes" in values:
                facts["real_modes"] = reference.modes
            rows.append({**facts, "values": values, "selection": chosen})
        return rows

    def neighbors(self, images: Tensor, k: int) -> Tensor | None:
        """The k nearest training images of each image, the nearest first, as `memorization` sees them.

        They are found with the first extractor that measures memorization: None where there is none, or where fewer
        than k images were trained on.

        Args:
            images: uint8 (n, C, H, W), of any side.
            k: how many of each.

        Returns:
            uint8 (n, k, C, S, S) at the side at which everything is measured.
        """
        able = next((extractor for extractor in self.extractors if "memorization" in extractor.metrics), None)
        if able is None or len(self.train) < k:
            return None
        with self.timed():
            training = self._references[able.name].training
            assert training is not None
            index = nearest(able.encode(images).vectors, training, k=k).indices
            return self.train.pixels(index.flatten()).unflatten(0, index.shape)

    @cached_property
    def _index(self) -> Tensor:
        return _choose(len(self.test), self.n, _REFERENCE_SEED, "reference")

    @cached_property
    def _asked(self) -> Tensor:
        return self.test.labels[self._index].cpu()

    @cached_property
    def _references(self) -> dict[str, Reference]:
        return {extractor.name: self._reference(extractor) for extractor in self.extractors}

    def _reference(self, extractor: Extractor) -> Reference:
        def compute() -> dict[str, Tensor]:
            return Reference(extractor.encode(self.test.images[self._index])).to_tensors()

        def encode() -> dict[str, Tensor]:
            return {"vectors": extractor.encode(self.train.images).vectors}

        images = ["test", self.n, _REFERENCE_SEED, *self.test.shape]
        tensors = self._cached(extractor, images, compute)
        if "memorization" not in extractor.metrics:
            return Reference.from_tensors(tensors, extractor.name)
        training = self._cached(extractor, ["train", len(self.train), *self.train.shape], encode)["vectors"]
        return Reference.from_tensors(tensors, extractor.name, training=training)

    def _cached(
        self, extractor: Extractor, images: list[Any], compute: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What `compute` gives for these images, kept on disk where the data can be told apart."""
        if self.fingerprint is None:
            return compute()
        key = {
            "extractor": [extractor.name, extractor.digest],
            "data": self.fingerprint,
            "images": images,
            "metrics": METRICS_VERSION,
            "torch": str(torch.__version__),
            "device": self.device.type,
            # What moves the last digits of features on a CPU.
            "products": [torch.get_num_threads(), torch.get_float32_matmul_precision()]
            if self.device.type == "cpu"
            else [],
        }
        return cached(key, compute, self.device)


def _choose(total: int, n: int, seed: int, purpose: str) -> Tensor:
    """``n`` different random indices below ``total``: the first ones of MNIST's test split are easier than the last."""
    return torch.randperm(total, generator=seeded(seed, purpose))[:n]
