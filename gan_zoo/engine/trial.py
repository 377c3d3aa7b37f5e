"""The state that training starts from; on CUDA, after a trial that warms the process up and chooses a layout."""

import time

from gan_zoo.data import Dataset
from gan_zoo.device import synchronize
from gan_zoo.engine.batches import draw
from gan_zoo.engine.state import State, default_random, init
from gan_zoo.engine.step import run_round
from gan_zoo.options import EXACT
from gan_zoo.variant import Variant

STEPS = 10
"""Steps of a trial: the first are slow, as libraries are loaded and cuDNN tries its kernels; the fastest counts."""
MARGIN = 1.05
"""How many times as fast as channels last another layout must be to be chosen: less is noise."""


def start(variant: Variant, data: Dataset, seed: int, *, precision: str = EXACT, graphs: bool = True) -> State:
    """The state before the first step, as ``init`` has it, ready to be trained in.

    On CUDA a few steps of a state that is thrown away load the libraries and let cuDNN choose its kernels, so that
    ``seconds`` counts training alone; ``warmup_seconds`` counts these. In float32 without TF32 they also choose the
    layout of convolutions, which channels last slows down on some devices; it changes no number but by rounding.

    Raises:
        GanZooError: as ``init``.
    """
    channels_last, seconds = True, 0.0
    if data.train.labels.device.type == "cuda":
        began = time.perf_counter()
        channels_last = _channels_last_is_faster(variant, data, seed, precision)
        seconds = time.perf_counter() - began
    state = init(variant, data, seed, precision=precision, channels_last=channels_last)
    state.graphs = graphs
    state.warmup_seconds = seconds
    return state


def _channels_last_is_faster(variant: Variant, data: Dataset, seed: int, precision: str) -> bool:
    """Whether steps are faster channels last; without a trial of the other layout where it cannot be faster."""
    state = init(variant, data, seed, precision=precision)
    seconds = _step_seconds(state)
    convolves = any(weight.dim() == 4 for network in state.networks for weight in network.parameters())
    del state  # A second state beside it would take more memory than training does.
    if precision != EXACT or not convolves:
        return True
    other = init(variant, data, seed, precision=precision, channels_last=False)
    return seconds <= MARGIN * _step_seconds(other)


def _step_seconds(state: State) -> float:
    """Seconds of a step on a full batch; an epoch's last, smaller batch is met too, for cuDNN to choose its kernels."""
    samples, size = len(state.data), state.variant.batch_size
    seconds = []
    with default_random(state):
        for _ in range(STEPS):
            state.cursor = 0
            synchronize(state.device)
            began = time.perf_counter()
            run_round(state, draw)
            synchronize(state.device)
            seconds.append(time.perf_counter() - began)
        state.cursor = samples - samples % size
        run_round(state, draw)
        synchronize(state.device)
    return min(seconds)
