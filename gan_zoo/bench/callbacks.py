"""What is notified of the progress of runs."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# The report follows a suite too, and never imports torch.
if TYPE_CHECKING:
    from gan_zoo.bench.plan import Plan, RunSpec
    from gan_zoo.bench.records import Row


class Listener:
    """Notified of the progress of a suite; this one ignores everything, and others override methods."""

    def notice(self, text: str) -> None:
        """Something that a reader must know."""

    def plan(self, plan: "Plan", folder: Path, todo: "Sequence[RunSpec]") -> None:
        """A plan begins to run into a folder; ``todo`` are the runs that are not finished, in their order."""

    def estimate(self, variant_name: str, seconds: float) -> None:
        """A run of the variant takes so many seconds of training."""

    def begin(self, cell: "RunSpec") -> None:
        """A run begins."""

    def block(self, cell: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        """A few steps were trained: ``share`` of the run's budget is spent, at ``rate`` images per second."""

    def evaluate(self, cell: "RunSpec") -> None:
        """A run's metrics are computed and its samples written, which takes seconds."""

    def tick(self) -> None:
        """Called a few times a second while worker processes train, also while none of them reports anything."""

    def end(self, cell: "RunSpec", row: "Row") -> None:
        """A run has ended with this row of its records."""

    def close(self) -> None:
        """No further run is trained by this command, which has the folder to itself until this returns."""


class WarningListener(Listener):
    """Issues notices as Python warnings, for callers in Python."""

    def notice(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


class Relay(Listener):
    """Passes everything on to another listener."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def notice(self, text: str) -> None:
        self.listener.notice(text)

    def plan(self, plan: "Plan", folder: Path, todo: "Sequence[RunSpec]") -> None:
        self.listener.plan(plan, folder, todo)

    def estimate(self, variant_name: str, seconds: float) -> None:
        self.listener.estimate(variant_name, seconds)

    def begin(self, cell: "RunSpec") -> None:
        self.listener.begin(cell)

    def block(self, cell: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        self.listener.block(cell, share, rate, values)

    def evaluate(self, cell: "RunSpec") -> None:
        self.listener.evaluate(cell)

    def tick(self) -> None:
        self.listener.tick()

    def end(self, cell: "RunSpec", row: "Row") -> None:
        self.listener.end(cell, row)

    def close(self) -> None:
        self.listener.close()
