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

from gan_zoo.bench.source import numeric_code
from gan_zoo.data import Split
from gan_zoo.engine import Sampler
from gan_zoo.engine.device import synchronize
from gan_zoo.engine.state import derive, seeded
from gan_zoo.metrics import Extractor, Reference, measure
from gan_zoo.metrics.cache import cached

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
        def compute() -> Reference:
            return Reference(extractor.encode(self.test.images[self._index]))

        if self.fingerprint is None:
            return compute()
        key = {
            "extractor": [extractor.name, extractor.digest],
            "data": self.fingerprint,
            "images": ["test", self.n, _REFERENCE_SEED, *self.test.shape],
            "code": numeric_code(),
            "torch": str(torch.__version__),
            "device": self.device.type,
            # What moves the last digits of features on a CPU.
            "products": [torch.get_num_threads(), torch.get_float32_matmul_precision()]
            if self.device.type == "cpu"
            else [],
        }
        return Reference.from_tensors(cached(key, lambda: compute().to_tensors(), self.device), extractor.name)


def _choose(total: int, n: int, seed: int, purpose: str) -> Tensor:
    """``n`` different random indices below ``total``: the first ones of MNIST's test split are easier than the last."""
    return torch.randperm(total, generator=seeded(seed, purpose))[:n]
