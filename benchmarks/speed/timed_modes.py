"""The timed modes, each in a process of its own: the engine in its precisions, and the baseline loop."""

import signal
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch

from benchmarks.speed import baseline_loop
from gan_zoo import data, registry
from gan_zoo.device import peak_memory, pick, reset_peak_memory, synchronize
from gan_zoo.engine import advance, flush, start
from gan_zoo.engine.cuda_graphs import WARM_UP
from gan_zoo.errors import GanZooError
from gan_zoo.variant import Variant

ENGINE = {"exact": "fp32", "tf32": "tf32", "fast": "bf16"}
"""The modes of the engine, and the precision of each."""
LEAST_STEPS = 3


class Turn(NamedTuple):
    """What was trained in a timed turn."""

    steps: int
    images: int
    seconds: float


class EngineMode:
    """The engine, in blocks of at most an epoch, with one device synchronization after each."""

    def __init__(self, variant: Variant, dataset: data.Dataset, precision: str) -> None:
        self.state = start(variant, dataset, 0, precision=precision)
        self.epoch = -(-len(dataset.train) // (variant.batch_size * variant.discriminator_steps))
        self.step_seconds = self.warm_up_seconds = 0.0

    @property
    def note(self) -> str:
        """How the steps are executed."""
        return self.state.execution

    def warm_up(self) -> None:
        """Train the first steps: on CUDA, graphs of the full batch and of the last one, which occurs once an epoch."""
        first = self.state.warmup_seconds + self._block(1).seconds
        steps = (WARM_UP + 1) * self.epoch if self.state.device.type == "cuda" else 2
        warming, steady = self._block(steps), self._block(steps)
        self.step_seconds = steady.seconds / steps
        self.warm_up_seconds = max(0.0, first + warming.seconds - self.step_seconds * (steps + 1))

    def turn(self, seconds: float, workers: int = 0) -> Turn:
        """Train for about so many seconds."""
        size = min(self.epoch, max(LEAST_STEPS, round(seconds / self.step_seconds / 4)))
        total = Turn(0, 0, 0.0)
        while total.seconds < seconds:
            block = self._block(size)
            total = Turn(total.steps + size, total.images + block.images, total.seconds + block.seconds)
        return total

    def _block(self, steps: int) -> Turn:
        images = self.state.images
        started = time.perf_counter()
        advance(self.state, steps)
        flush(self.state)
        synchronize(self.state.device)
        return Turn(steps, self.state.images - images, time.perf_counter() - started)


class BaselineMode:
    """The baseline loop over epochs of the batches of ``batches(workers)``."""

    warm_up_seconds = 0.0

    def __init__(self, training: baseline_loop.Training, batches: Callable[[int], baseline_loop.Batches]) -> None:
        self.training = training
        self.batches = batches
        on_cuda = training.device.type == "cuda"
        self.note = "torch's defaults: products in float32, convolutions in TF32" if on_cuda else ""

    def warm_up(self) -> None:
        """Train the first steps."""
        for _ in range(2):
            with closing(self._steps(0)) as steps:
                next(steps)

    def turn(self, seconds: float, workers: int = 0) -> Turn:
        """Train for about so many seconds from the end of the first step: starting the DataLoader is not counted."""
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
        """Images of one step after another; the workers of the DataLoader end with the generator."""
        batches = self.batches(workers)
        while True:
            yield from self.training.epoch(batches)


def make(mode: str, variant: str, device: torch.device) -> EngineMode | BaselineMode:
    """A mode with its data loaded and its networks built.

    Raises:
        GanZooError: an unknown variant, or missing data.
    """
    if mode in ENGINE:
        made = registry.get(variant)
        dataset = data.load("mnist", side=made.image_side, device=device)
        return EngineMode(made, dataset, ENGINE[mode])
    training = baseline_loop.Training(variant, device)
    if mode == "in_memory":
        train = data.load("mnist", device=device).train
        images, labels = train.take(torch.arange(len(train), device=device))
        batches = baseline_loop.InMemory(images, labels)
        return BaselineMode(training, lambda _: batches)
    data.load("mnist")  # extracts the files that torchvision reads
    return BaselineMode(training, partial(baseline_loop.loader, data.default_root()))


def process(threads: int) -> Executor:
    """One process with so many CPU threads: precision and memory allocation are settings of a whole process."""
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_initialize, initargs=(threads,))


def _initialize(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    torch.set_num_threads(threads)


_mode: EngineMode | BaselineMode | None = None


def begin(mode: str, variant: str, device: str) -> dict[str, Any]:
    """Make the mode of this process and train its first steps; returns the facts of its row."""
    global _mode
    _mode = make(mode, variant, pick(device))
    reset_peak_memory(pick(device))
    _mode.warm_up()
    return {"warm_up_seconds": _mode.warm_up_seconds}


def turn(seconds: float, workers: int, device: str) -> tuple[Turn, dict[str, Any]]:
    """A timed turn of this process' mode, and the facts of its row."""
    assert _mode is not None
    return _mode.turn(seconds, workers), {"peak_memory_bytes": peak_memory(pick(device)), "note": _mode.note}


class ModeProcess:
    """A mode in its process; ``facts`` is what it last returned about itself."""

    def __init__(self, mode: str, variant: str, device: str, executor: Executor) -> None:
        self.mode, self.device, self.executor = mode, device, executor
        self.facts: dict[str, Any] = {}
        self.started = executor.submit(begin, mode, variant, device)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function there. Raises GanZooError if it fails, or if the process died."""
        return self._result(self.executor.submit(function, *arguments, self.device))

    def await_start(self) -> None:
        """Wait until it has trained its first steps. Raises GanZooError as ``call``."""
        self.facts |= self._result(self.started)

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except Exception as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise GanZooError(f"mode {self.mode}: {why}") from None
