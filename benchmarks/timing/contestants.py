"""Who takes turns at training: the engine here, the tutorial loop in `timing.loops`."""

import time
from typing import NamedTuple, Protocol

from gan_zoo import data, registry
from gan_zoo.device import pick, synchronize
from gan_zoo.engine import advance, flush, start
from gan_zoo.engine.cuda_graphs import WARM_UP
from gan_zoo.variant import Variant

ENGINE = {"exact": "fp32", "tf32": "tf32", "fast": "bf16"}
"""The engine's modes, and the precision of each."""
LEAST_STEPS = 3


class Turn(NamedTuple):
    """What was trained in a timed turn."""

    steps: int
    images: int
    seconds: float


class Contestant(Protocol):
    """One that trains a variant in one way, a step at a time or for a turn.

    Attributes:
        note: what a reader of its figures should know.
        warm_up_seconds: seconds that its first steps took beyond what as many later ones take: compiling, capturing.
    """

    note: str
    warm_up_seconds: float

    def first_step(self) -> None: ...
    def warm_up(self) -> None: ...
    def turn(self, seconds: float, workers: int) -> Turn:
        """Train for about so many seconds; ``workers`` matter to a DataLoader alone."""
        ...


def contestant(mode: str, variant: str, device: str) -> Contestant:
    """The one that trains in that mode, with its data loaded and its networks built.

    Raises:
        GanZooError: an unknown variant or device, or data that cannot be had.
    """
    where = pick(device)
    if mode not in ENGINE:
        from timing.loops import loop  # not for the engine, which does without torchvision

        return loop(mode, variant, where)
    made = registry.get(variant)
    return Engine(made, data.load("mnist", side=made.image_side, device=where), ENGINE[mode])


class Engine:
    """`gan_zoo.engine`, in blocks of at most an epoch, with one wait for the device after each."""

    def __init__(self, variant: Variant, dataset: data.Dataset, precision: str) -> None:
        self.state = start(variant, dataset, 0, precision=precision)
        self.epoch = -(-len(dataset.train) // (variant.batch_size * variant.discriminator_steps))
        self.step_seconds = self.warm_up_seconds = self.first_seconds = 0.0

    @property
    def note(self) -> str:
        return self.state.execution

    def first_step(self) -> None:
        self.first_seconds = self.state.warmup_seconds + self._block(1).seconds

    def warm_up(self) -> None:
        """Everything that is prepared once: on CUDA, graphs of the full batch and of the last, met once an epoch."""
        steps = (WARM_UP + 1) * self.epoch if self.state.device.type == "cuda" else 2
        warming, steady = self._block(steps), self._block(steps)
        self.step_seconds = steady.seconds / steps
        self.warm_up_seconds = max(0.0, self.first_seconds + warming.seconds - self.step_seconds * (steps + 1))

    def turn(self, seconds: float, workers: int) -> Turn:
        size = min(self.epoch, max(LEAST_STEPS, round(seconds / self.step_seconds / 4)))
        total = Turn(0, 0, 0.0)
        while total.seconds < seconds:
            block = self._block(size)
            total = Turn(total.steps + size, total.images + block.images, total.seconds + block.seconds)
        return total

    def _block(self, steps: int) -> Turn:
        images, started = self.state.images, time.perf_counter()
        advance(self.state, steps)
        flush(self.state)
        synchronize(self.state.device)
        return Turn(steps, self.state.images - images, time.perf_counter() - started)
