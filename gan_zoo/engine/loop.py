"""The training loop: the first state, and from a state to a budget; evaluations are not on the clock."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from gan_zoo.data import Dataset
from gan_zoo.device import peak_memory, prepare, reason, reset_peak_memory, synchronize
from gan_zoo.engine import batches
from gan_zoo.engine.batches import Draw
from gan_zoo.engine.cuda_graphs import Graphs
from gan_zoo.engine.parallel import Parallel
from gan_zoo.engine.run import Run
from gan_zoo.engine.sampler import NotFinite
from gan_zoo.engine.state import State, default_random, init
from gan_zoo.engine.step import flush, pending_row, run_iteration
from gan_zoo.errors import one_line
from gan_zoo.options import EXACT, Budget
from gan_zoo.variant import Variant

HISTORY_INTERVAL = 50
"""Iterations in the mean of a row of history; fixed, so that an extended run has the rows of an uninterrupted one."""
_CHUNK_SECONDS = 0.2
"""Seconds between two calls of ``on_chunk``, unless one iteration takes longer."""
_CLOCK = 1e-6
"""Least seconds of training, against division by zero."""
_WARM_UP = 10
"""Iterations by which ``start`` warms up; the fastest is its time, as the first load libraries and choose kernels."""
MARGIN = 1.05
"""Least ratio of speeds at which contiguous convolutions are chosen over channels last."""

OnBlock = Callable[[State, Mapping[str, float]], None]
OnChunk = Callable[[State], None]


class Diverged(Exception):
    """A recorded value is no longer finite."""


def start(
    variant: Variant,
    data: Dataset,
    seed: int,
    *,
    precision: str = EXACT,
    graphs: bool = True,
    parallel: Parallel | None = None,
) -> State:
    """The state of ``init``.

    On CUDA a few iterations of another state first load the libraries and let cuDNN choose its kernels, so that
    ``seconds`` counts training alone; they are in ``warmup_seconds``. In float32 without TF32 they also choose the
    memory layout of convolutions, which changes rounding alone. Several processes train without any of it, and without
    CUDA graphs.

    Raises:
        GanZooError: as ``init``.
    """
    channels_last = True
    seconds = 0.0
    if data.train.labels.device.type == "cuda" and parallel is None:
        began = time.perf_counter()
        channels_last = _channels_last_is_faster(variant, data, seed, precision)
        seconds = time.perf_counter() - began
    state = init(variant, data, seed, precision=precision, channels_last=channels_last, parallel=parallel)
    state.graphs = graphs and parallel is None
    state.warmup_seconds = seconds
    return state


def _channels_last_is_faster(variant: Variant, data: Dataset, seed: int, precision: str) -> bool:
    """Whether iterations are faster channels last; the other layout is tried only where it can be faster."""
    state = init(variant, data, seed, precision=precision)
    seconds = _iteration_seconds(state)
    convolves = any(weight.dim() == 4 for network in state.networks for weight in network.parameters())
    del state  # A second state beside it would take more memory than training does.
    if precision != EXACT or not convolves:
        return True
    other = init(variant, data, seed, precision=precision, channels_last=False)
    return seconds <= MARGIN * _iteration_seconds(other)


def _iteration_seconds(state: State) -> float:
    """Seconds of an iteration on a full batch. The smaller last batch is run too, for cuDNN to choose its kernels."""
    samples = len(state.data)
    seconds = []
    with default_random(state):
        for cursor in [0] * _WARM_UP + [samples - samples % state.variant.batch_size]:
            state.cursor = cursor
            synchronize(state.device)
            began = time.perf_counter()
            run_iteration(state, batches.draw)
            synchronize(state.device)
            seconds.append(time.perf_counter() - began)
    return min(seconds[:_WARM_UP])


def advance(state: State, iterations: int, *, draw: Draw | None = None) -> State:
    """Train for ``iterations`` iterations in place, on CUDA as CUDA graphs.

    There is no host synchronization, except when a graph is recorded; recorded values stay on the device until
    ``flush``. With another source of batches than the data (``draw``), iterations are run one by one.
    """
    # A setting of the whole process, which another state or a sampler may have changed meanwhile.
    prepare(state.device.type, state.precision, small=len(state.data.shape) == 1)
    with default_random(state):
        if draw is None and state.graphs and state.device.type == "cuda":
            if state.recorded is None:
                state.recorded = Graphs(state, torch.cuda.Stream(state.device))
            state.recorded.advance(state, iterations)
        else:
            for _ in range(iterations):
                run_iteration(state, draw or batches.draw)
    return state


def train_to(
    state: State,
    budget: Budget,
    fractions: Sequence[float] = (1.0,),
    *,
    on_block: OnBlock | None = None,
    on_chunk: OnChunk | None = None,
    draw: Draw | None = None,
) -> Iterator[float]:
    """Train in place, and yield each fraction of the budget when it is reached; the clock is stopped meanwhile.

    ``on_block`` is called with every row of history, one every ``HISTORY_INTERVAL`` iterations; those since the last
    row stay in ``state.history.pending``. ``on_chunk`` is called a few times a second between two iterations, where the
    state can be saved, or an exception can end the training.

    Raises:
        Diverged: a loss, score or gradient norm is no longer finite.
    """
    pace = 1
    for fraction in fractions:
        reset_peak_memory(state.device)
        try:
            while (left := budget.steps_left(state, fraction)) > 0:
                iterations = min(left, pace, HISTORY_INTERVAL - state.iterations % HISTORY_INTERVAL)
                seconds = _timed_advance(state, iterations, draw)
                pace = max(1, min(2 * iterations, int(iterations * _CHUNK_SECONDS / seconds)))
                if state.iterations % HISTORY_INTERVAL == 0:
                    _end_interval(state, on_block)
                if on_chunk is not None:
                    on_chunk(state)
            if (row := pending_row(state)) is not None:
                _check_finite(state, row["values"], state.history.pending)
        finally:
            peak = peak_memory(state.device)
            state.peak_memory = None if peak is None else max(peak, state.peak_memory or 0)
        yield fraction


def _end_interval(state: State, on_block: OnBlock | None) -> None:
    iterations = list(state.history.pending)
    values = flush(state)
    assert values is not None
    if on_block is not None:
        on_block(state, values)
    _check_finite(state, values, iterations)


def _timed_advance(state: State, iterations: int, draw: Draw | None) -> float:
    """Train on the state's clock, and return the seconds that it took, warm-up excluded."""
    started = time.perf_counter()
    warmed_up = state.warmup_seconds
    if state.parallel is not None:
        state.parallel.send(str(iterations))
    try:
        advance(state, iterations, draw=draw)
        synchronize(state.device)
    finally:
        warming_up = state.warmup_seconds - warmed_up
        seconds = max(time.perf_counter() - started - warming_up, _CLOCK)
        state.seconds += seconds
    return seconds


def _check_finite(state: State, values: Mapping[str, float], iterations: Sequence[torch.Tensor]) -> None:
    """Raise Diverged if a mean over these last iterations is not finite, with the first such iteration."""
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        every = torch.cat(list(iterations))
        # Each finite, their mean may still overflow: then the row's last step is named.
        found = [*(~every.isfinite()).nonzero().tolist(), [len(every) - 1, list(values).index(bad[0])]]
        step, column = found[0]
        name = list(values)[column]
        raise Diverged(f"{name} was no longer finite at step {state.iterations - len(every) + step + 1}")


def train_run(
    state: State,
    budget: Budget,
    *,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    on_block: OnBlock | None = None,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Train a state in place to a budget, which is the total, its earlier steps included.

    ``on_milestone(state, fraction)`` is called at each fraction of the budget, outside the clock, and ``on_chunk`` a
    few times a second. A run that diverges or runs out of memory is returned in its last state, with its status.
    """
    status = "ok"
    message = ""

    def after_chunk(state: State) -> None:
        for text in take_notices(state):
            warnings.warn(text, stacklevel=2)
        if on_chunk is not None:
            on_chunk(state)

    try:
        for fraction in train_to(state, budget, fractions, on_block=on_block, on_chunk=after_chunk):
            if on_milestone is not None:
                on_milestone(state, fraction)
    except Exception as error:
        status, message = failure(error, state.variant)
    return Run(state, status, message)


def take_notices(state: State) -> list[str]:
    """Remove and return the notices of a state."""
    taken = state.notices
    state.notices = []
    return taken


def failure(error: BaseException, variant: Variant | None = None) -> tuple[str, str]:
    """Status and message of a failure that is a result, of a run of ``variant``; any other error is raised again."""
    if isinstance(error, (Diverged, NotFinite)):
        return "diverged", str(error)
    if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and "can't allocate memory" not in one_line(error):
        raise error
    if variant is None:
        return "out_of_memory", reason(error)
    size = max(1, variant.batch_size // 2)
    lower = f"lower it, e.g. with --set batch_size={size} or in a suite's preset with batch_size = {size}"
    return "out_of_memory", f"batch of {variant.batch_size}: {reason(error)}; {lower}"
