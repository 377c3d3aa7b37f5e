"""What is notified of the progress of runs."""

import warnings
from collections.abc import Mapping

from gan_zoo.bench.plan import CellPlan, Plan
from gan_zoo.bench.records import Row


class Listener:
    """Told of a run's progress; this one keeps it to itself, and others override what they want to hear."""

    def notice(self, text: str) -> None:
        """Something that a reader must know."""

    def plan(self, plan: Plan, cells: int, finished: int) -> None:
        """The run of a plan begins: so many cells, so many of them finished already."""

    def begin(self, cell: CellPlan) -> None:
        """A cell begins."""

    def block(self, cell: CellPlan, share: float, rate: float, values: Mapping[str, float]) -> None:
        """A block of rounds was trained: ``share`` of the cell's budget is spent, at ``rate`` images a second."""

    def end(self, cell: CellPlan, row: Row) -> None:
        """A cell has ended with this row."""


class WarningListener(Listener):
    """Issues notices as Python warnings, for callers in Python."""

    def notice(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)
