"""The only training loop: from a state to a budget, stopping the clock at milestones."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gan_zoo.data import Dataset
from gan_zoo.engine.advance import advance
from gan_zoo.engine.batches import Draw, draw
from gan_zoo.engine.device import synchronize
from gan_zoo.engine.sample import NotFinite, Sampler
from gan_zoo.engine.state import State, init
from gan_zoo.engine.step import flush
from gan_zoo.errors import GanZooError, unknown
from gan_zoo.precision import EXACT
from gan_zoo.variant import Variant

if TYPE_CHECKING:
    import pandas as pd

UNITS = ("images", "epochs", "steps", "seconds")
ROWS = 200
"""History rows that a run aims at: a row is the mean over a block of rounds."""


class Diverged(Exception):
    """A recorded value is no longer finite."""


@dataclass(frozen=True)
class Budget:
    """How long to train: real images judged, epochs of the training split, rounds (``steps``), or seconds."""

    unit: str
    amount: float

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise unknown("budget unit", self.unit, UNITS)
        if not self.amount > 0 or not math.isfinite(self.amount):
            raise GanZooError(f"budget of {self.amount} {self.unit} is no budget; it must be above 0")

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {self.unit}"

    @classmethod
    def of(cls, setting: Mapping[str, float]) -> "Budget":
        """From a suite's ``{images = 256000}``."""
        if len(setting) != 1:
            raise GanZooError(f"budget {dict(setting)} must name exactly one of {', '.join(UNITS)}")
        ((unit, amount),) = setting.items()
        return cls(unit, amount)

    def spent(self, state: State) -> float:
        """How much of it a state has used, in its unit."""
        used = {"images": state.images, "steps": state.rounds, "seconds": state.seconds}
        return state.images / len(state.data) if self.unit == "epochs" else used[self.unit]

    def rounds_left(self, state: State, fraction: float) -> int:
        """Rounds to a fraction of it, never too many (an epoch's last batch is smaller); for seconds, a large bound."""
        left = self.amount * fraction - self.spent(state)
        images = state.variant.batch_size * state.variant.discriminator_steps
        a_round = {"images": images, "epochs": images / len(state.data), "steps": 1, "seconds": 1e-3}[self.unit]
        return max(0, math.ceil(left / a_round - 1e-9))


OnBlock = Callable[[State, Mapping[str, float]], None]


def train_to(
    state: State,
    budget: Budget,
    fractions: Sequence[float] = (1.0,),
    *,
    on_block: OnBlock | None = None,
    draw: Draw = draw,
) -> Iterator[float]:
    """Train in place, and yield each fraction of the budget as it is reached; the clock stands still meanwhile.

    ``on_block`` is called with every row of history.

    Raises:
        Diverged: a loss, score or gradient norm is no longer finite.
    """
    block = _block(state, budget)
    for fraction in fractions:
        while (left := budget.rounds_left(state, fraction)) > 0:
            started = time.perf_counter()
            try:
                advance(state, min(left, block - state.rounds % block), draw=draw)
                synchronize(state.device)
            finally:
                state.seconds += time.perf_counter() - started
            values = flush(state)
            if values is not None and on_block is not None:
                on_block(state, values)
            if values is not None and (bad := [name for name, value in values.items() if not math.isfinite(value)]):
                raise Diverged(f"{bad[0]} was no longer finite at step {state.rounds}")
        yield fraction


def _block(state: State, budget: Budget) -> int:
    """Rounds a row of history; with the articles' 200 epochs a row is an epoch, its smaller last batch included."""
    if budget.unit == "seconds":
        return 10
    size, steps = state.variant.batch_size, state.variant.discriminator_steps
    batches = {"images": 1 / size, "epochs": math.ceil(len(state.data) / size), "steps": steps}[budget.unit]
    return max(1, round(budget.amount * batches / steps / ROWS))


@dataclass(frozen=True)
class Run:
    """A training run: its last state, how it ended (``ok``, ``diverged`` or ``out_of_memory``), and a word on why."""

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
        """One row a block of rounds: counts at its end, means of the recorded values over it."""
        import pandas as pd

        return pd.DataFrame([{**row, **row["values"]} for row in self.state.history.rows]).drop(
            columns="values", errors="ignore"
        )


def train_run(
    variant: Variant,
    data: Dataset,
    budget: Budget,
    *,
    seed: int = 0,
    precision: str = EXACT,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    on_block: OnBlock | None = None,
) -> Run:
    """Train a variant on the data's device, in a precision of ``gan_zoo.precision``.

    ``on_milestone(state, fraction)`` is called at each fraction of the budget, outside the clock. A run that diverges
    or runs out of memory is given back as far as it came, with its status.

    Raises:
        GanZooError: the variant does not fit the data, or the device does not have the precision.
    """
    state = init(variant, data, seed, precision=precision)
    status, message = "ok", ""
    try:
        for fraction in train_to(state, budget, fractions, on_block=on_block):
            if on_milestone is not None:
                on_milestone(state, fraction)
    except Exception as error:
        status, message = failure(error)
    return Run(state, status, message)


def failure(error: Exception) -> tuple[str, str]:
    """Status and message of a failure that belongs in the table; any other error is raised again."""
    if isinstance(error, (Diverged, NotFinite)):
        return "diverged", str(error)
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out_of_memory", str(error).partition("\n")[0]
    raise error
