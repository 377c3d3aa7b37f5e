"""The tutorial loop taking turns, with its DataLoader or with its data in memory."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from gan_zoo import data
from gan_zoo.device import synchronize
from timing import tutorial
from timing.contestants import LEAST_STEPS, Turn


def loop(mode: str, variant: str, device: torch.device) -> "Loop":
    """The tutorial loop of a variant, ready to train."""
    training = tutorial.Training(variant, device)
    if mode == "tutorial":
        return Tutorial(training, mnist_folder())
    train = data.load("mnist", device=device).train
    return InMemory(training, *train.take(torch.arange(len(train), device=device)))


def mnist_folder() -> Path:
    """The folder of MNIST's extracted files, for torchvision to read."""
    data.load("mnist")
    return data.default_root()


class Loop(ABC):
    """The tutorial loop over any batches."""

    def __init__(self, training: tutorial.Training) -> None:
        self.training = training
        on_cuda = training.device.type == "cuda"
        self.note = "torch's defaults: products in float32, convolutions in TF32" if on_cuda else ""
        self.warm_up_seconds = 0.0

    @abstractmethod
    def batches(self, workers: int) -> Callable[[], tutorial.Batches]:
        """Gives an epoch's batches, again and again."""

    def first_step(self) -> None:
        with closing(self._steps(0)) as steps:
            next(steps)

    def warm_up(self) -> None:
        self.first_step()

    def turn(self, seconds: float, workers: int) -> Turn:
        """Timed from the end of the first step: what starting the DataLoader costs is not counted."""
        count = images = 0
        with closing(self._steps(workers)) as steps:
            next(steps)
            synchronize(self.training.device)
            started = time.perf_counter()
            while count < LEAST_STEPS or time.perf_counter() - started < seconds:
                images += next(steps)
                count += 1
            synchronize(self.training.device)
            return Turn(count, images, time.perf_counter() - started)

    def _steps(self, workers: int) -> Iterator[int]:
        """Images of one step after another; with the last reference to the batches the DataLoader's workers end."""
        batches = self.batches(workers)
        while True:
            yield from self.training.epoch(batches())


class Tutorial(Loop):
    """The tutorial loop as it is: PIL images through a DataLoader."""

    def __init__(self, training: tutorial.Training, root: Path) -> None:
        super().__init__(training)
        self.root = root

    def batches(self, workers: int) -> Callable[[], DataLoader]:
        loader = tutorial.loader(self.root, workers)
        return lambda: loader


class InMemory(Loop):
    """The tutorial loop with its images ready, as one float tensor on the device."""

    def __init__(self, training: tutorial.Training, images: torch.Tensor, labels: torch.Tensor) -> None:
        super().__init__(training)
        self.images, self.labels = images, labels

    def batches(self, workers: int) -> Callable[[], tutorial.Batches]:
        return lambda: tutorial.in_memory(self.images, self.labels)
