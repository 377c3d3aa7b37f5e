"""The training loop: from a state to a budget; evaluations are not on the clock."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gan_zoo.budget import Budget
from gan_zoo.device import peak_memory, prepare, reason, reset_peak_memory, synchronize
from gan_zoo.engine import checkpoint
from gan_zoo.engine.batches import Draw, draw
from gan_zoo.engine.cuda_graphs import Graphs
from gan_zoo.engine.sampler import NotFinite, Sampler
from gan_zoo.engine.state import State, default_random
from gan_zoo.engine.step import flush, pending_row, run_iteration
from gan_zoo.variant import Variant

if TYPE_CHECKING:
    import pandas as pd

HISTORY_INTERVAL = 50
"""Iterations in the mean of a row of history; fixed, so that an extended run has the rows of an uninterrupted one."""
_CHUNK_SECONDS = 0.2
"""Seconds between two calls of ``on_chunk``, unless one iteration takes longer."""
_CLOCK = 1e-6
"""Least seconds of training, against division by zero."""
_FROM_DATA = draw


class Diverged(Exception):
    """A recorded value is no longer finite."""


OnBlock = Callable[[State, Mapping[str, float]], None]
OnChunk = Callable[[State], None]


def advance(state: State, iterations: int, *, draw: Draw = draw) -> State:
    """Train for ``iterations`` iterations in place, on CUDA as CUDA graphs.

    There is no host synchronization, except when a graph is recorded; recorded values stay on the device until
    ``flush``. With another source of batches than the data (``draw``), iterations are run one by one.
    """
    # A setting of the whole process, which another state or a sampler may have changed meanwhile.
    prepare(state.device.type, state.precision, small=len(state.data.shape) == 1)
    with default_random(state):
        if draw is _FROM_DATA and state.graphs and state.device.type == "cuda":
            if state.recorded is None:
                state.recorded = Graphs(state, torch.cuda.Stream(state.device))
            state.recorded.advance(state, iterations)
        else:
            for _ in range(iterations):
                run_iteration(state, draw)
    return state


def train_to(
    state: State,
    budget: Budget,
    fractions: Sequence[float] = (1.0,),
    *,
    on_block: OnBlock | None = None,
    on_chunk: OnChunk | None = None,
    draw: Draw = draw,
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
        with _measured_memory(state):
            while (left := budget.steps_left(state, fraction)) > 0:
                iterations = min(left, pace, HISTORY_INTERVAL - state.iterations % HISTORY_INTERVAL)
                took = _timed_advance(state, iterations, draw)
                pace = max(1, min(2 * iterations, int(iterations * _CHUNK_SECONDS / took)))
                if state.iterations % HISTORY_INTERVAL == 0:
                    _end_interval(state, on_block)
                if on_chunk is not None:
                    on_chunk(state)
            if (row := pending_row(state)) is not None:
                _check_finite(state, row["values"], state.history.pending)
        yield fraction


@contextmanager
def _measured_memory(state: State) -> Iterator[None]:
    """Measure the peak memory of training, without evaluations."""
    reset_peak_memory(state.device)
    try:
        yield
    finally:
        peak = peak_memory(state.device)
        if peak is not None:
            state.peak_memory = max(peak, state.peak_memory or 0)


def _end_interval(state: State, on_block: OnBlock | None) -> None:
    """Make the row of history of the steps since the last one; raises Diverged if a value is not finite."""
    steps_of_row = list(state.history.pending)
    values = flush(state)
    assert values is not None
    if on_block is not None:
        on_block(state, values)
    _check_finite(state, values, steps_of_row)


def _timed_advance(state: State, iterations: int, draw: Draw) -> float:
    """Train on the state's clock, and return the seconds that it took, warm-up excluded."""
    started = time.perf_counter()
    warmed_up = state.warmup_seconds
    try:
        advance(state, iterations, draw=draw)
        synchronize(state.device)
    finally:
        warming_up = state.warmup_seconds - warmed_up
        took = max(time.perf_counter() - started - warming_up, _CLOCK)
        state.seconds += took
    return took


def _check_finite(state: State, values: Mapping[str, float], iterations: Sequence[torch.Tensor]) -> None:
    """Raise Diverged if a mean over these last iterations is not finite, with the first such iteration."""
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        every = torch.cat(list(iterations))
        # Each finite, their mean may still overflow: then the row's last step is named.
        found = [*(~every.isfinite()).nonzero().tolist(), [len(every) - 1, list(values).index(bad[0])]]
        step, place = found[0]
        raise Diverged(f"{list(values)[place]} was no longer finite at step {state.iterations - len(every) + step + 1}")


@dataclass(frozen=True)
class Run:
    """A training run: its last state, its status (``ok``, ``diverged`` or ``out_of_memory``) and the reason."""

    state: State
    status: str
    message: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of training, evaluation excluded."""
        return self.state.seconds

    @property
    def sampler(self) -> Sampler:
        """Makes images: ``run.sampler(20)``; from the moving average where the variant keeps one."""
        return Sampler.of(self.state)

    @property
    def history(self) -> "pd.DataFrame":
        """One row every ``HISTORY_INTERVAL`` steps, and one for the steps since: counts at its end, means over it."""
        import pandas as pd

        rows = [*self.state.history.rows, *filter(None, [pending_row(self.state)])]
        return pd.DataFrame([{**row, **row["values"]} for row in rows]).drop(columns="values", errors="ignore")

    def save(self, path: Path | str) -> None:
        """Write a checkpoint, which ``gan_zoo.train(resume=path, ...)`` continues and ``gan_zoo.load`` samples from.

        Raises:
            GanZooError: the path cannot be written, or the variant was not made by the registry.
        """
        checkpoint.save(self.state, Path(path))


def train_run(
    state: State,
    budget: Budget,
    *,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    on_block: OnBlock | None = None,
) -> Run:
    """Train a state in place to a budget, which is the total, its earlier steps included.

    ``on_milestone(state, fraction)`` is called at each fraction of the budget, outside the clock. A run that diverges
    or runs out of memory is returned in its last state, with its status.
    """
    status = "ok"
    message = ""
    try:
        for fraction in train_to(state, budget, fractions, on_block=on_block, on_chunk=_warn_of_notices):
            if on_milestone is not None:
                on_milestone(state, fraction)
    except Exception as error:
        status, message = failure(error, state.variant)
    return Run(state, status, message)


def _warn_of_notices(state: State) -> None:
    for text in take_notices(state):
        warnings.warn(text, stacklevel=2)


def take_notices(state: State) -> list[str]:
    """Remove and return the notices of a state."""
    taken = list(state.notices)
    state.notices.clear()
    return taken


def failure(error: BaseException, variant: Variant | None = None) -> tuple[str, str]:
    """Status and message of a failure that is a result, of a run of ``variant``; any other error is raised again."""
    if isinstance(error, (Diverged, NotFinite)):
        return "diverged", str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        return "out_of_memory", reason(error) if variant is None else _out_of_memory(error, variant.batch_size)
    raise error


def _out_of_memory(error: BaseException, batch: int) -> str:
    lower = f"--set batch_size={max(1, batch // 2)} or in a suite's preset with batch_size = {max(1, batch // 2)}"
    return f"batch of {batch}: {reason(error)}; lower it, e.g. with {lower}"
