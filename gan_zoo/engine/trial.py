"""The start of training; on CUDA, after a trial that warms the process up and chooses a memory layout."""

import time

from gan_zoo.data import Dataset
from gan_zoo.device import synchronize
from gan_zoo.engine.batches import draw
from gan_zoo.engine.state import State, default_random, init
from gan_zoo.engine.step import run_iteration
from gan_zoo.options import EXACT
from gan_zoo.variant import Variant

STEPS = 10
"""Iterations of a trial; the fastest counts, as libraries are loaded and cuDNN chooses kernels in the first."""
MARGIN = 1.05
"""Least ratio of speeds at which contiguous convolutions are chosen over channels last."""


def start(variant: Variant, data: Dataset, seed: int, *, precision: str = EXACT, graphs: bool = True) -> State:
    """The state of ``init``.

    On CUDA a few iterations of another state first load the libraries and let cuDNN choose its kernels, so that
    ``seconds`` counts training alone; they are in ``warmup_seconds``. In float32 without TF32 they also choose the
    memory layout of convolutions, which changes rounding alone.

    Raises:
        GanZooError: as ``init``.
    """
    channels_last = True
    seconds = 0.0
    if data.train.labels.device.type == "cuda":
        began = time.perf_counter()
        channels_last = _channels_last_is_faster(variant, data, seed, precision)
        seconds = time.perf_counter() - began
    state = init(variant, data, seed, precision=precision, channels_last=channels_last)
    state.graphs = graphs
    state.warmup_seconds = seconds
    return state


def _channels_last_is_faster(variant: Variant, data: Dataset, seed: int, precision: str) -> bool:
    """Whether iterations are faster channels last; the other layout is tried only where it can be faster."""
    state = init(variant, data, seed, precision=precision)
    seconds = _step_seconds(state)
    convolves = any(weight.dim() == 4 for network in state.networks for weight in network.parameters())
    del state  # A second state beside it would take more memory than training does.
    if precision != EXACT or not convolves:
        return True
    other = init(variant, data, seed, precision=precision, channels_last=False)
    return seconds <= MARGIN * _step_seconds(other)


def _step_seconds(state: State) -> float:
    """Seconds of an iteration on a full batch. The smaller last batch is run too, for cuDNN to choose its kernels."""
    samples = len(state.data)
    size = state.variant.batch_size
    seconds = []
    with default_random(state):
        for _ in range(STEPS):
            state.cursor = 0
            synchronize(state.device)
            began = time.perf_counter()
            run_iteration(state, draw)
            synchronize(state.device)
            seconds.append(time.perf_counter() - began)
        state.cursor = samples - samples % size
        run_iteration(state, draw)
        synchronize(state.device)
    return min(seconds)
