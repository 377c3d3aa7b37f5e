"""Listeners to the progress of runs, and the file through which a worker process reports it."""

import contextlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo.bench.records import RECORDS

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

    def begin(self, run: "RunSpec") -> None:
        """A run begins."""

    def block(self, run: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        """A few steps were trained: ``share`` of the run's budget is spent, at ``rate`` images per second."""

    def evaluate(self, run: "RunSpec") -> None:
        """A run's metrics are computed and its samples written, which takes seconds."""

    def tick(self) -> None:
        """Called a few times a second during training, also while no worker process makes progress."""

    def end(self, run: "RunSpec", row: "Row") -> None:
        """A run has ended with this row of its records."""

    def close(self) -> None:
        """No further run is trained by this command, which has the folder to itself until this returns."""


class WarningListener(Listener):
    """Issues notices as Python warnings, for callers in Python."""

    def notice(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


_START: dict[str, Any] = {"training": None, "evaluating": False, "notices": []}
"""The progress of a run that has begun."""


def _progress_path(folder: Path, run: "RunSpec") -> Path:
    """A temporary file of a run: the next command deletes one that a kill left."""
    return folder / RECORDS / f".{run.name}.part"


class RunProgress(Listener):
    """Collects the progress of one run in ``state``, as JSON: empty until it begins, and replaced at every change."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def _update(self, **state: Any) -> None:
        self.state = (self.state or _START) | state

    def notice(self, text: str) -> None:
        self._update(notices=[*(self.state or _START)["notices"], text])

    def begin(self, run: "RunSpec") -> None:
        self._update()

    def block(self, run: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        self._update(training=[share, rate, dict(values)], evaluating=False)

    def evaluate(self, run: "RunSpec") -> None:
        self._update(evaluating=True)


class ProgressFile(RunProgress):
    """Writes the progress of one run into a file beside its records, for the process that reports it."""

    def __init__(self, folder: Path, run: "RunSpec") -> None:
        super().__init__()
        self.path = _progress_path(folder, run)

    def _update(self, **state: Any) -> None:
        super()._update(**state)
        # Training matters more than its display.
        with contextlib.suppress(OSError):
            following = self.path.with_suffix(".part.next")
            following.write_text(json.dumps(self.state), encoding="utf-8")
            following.replace(self.path)


class ProgressReader:
    """Notifies a listener of the progress of a run in another process, by the states of its ``RunProgress``."""

    def __init__(self, run: "RunSpec") -> None:
        self.run = run
        self.state: dict[str, Any] = {}

    def pass_on(self, state: dict[str, Any], listener: Listener) -> None:
        """Notify a listener of the progress since the last state."""
        before = self.state or _START
        if not self.state:
            listener.begin(self.run)
        for notice in state["notices"][len(before["notices"]) :]:
            listener.notice(notice)
        if state["training"] != before["training"]:
            listener.block(self.run, *state["training"])
        if state["evaluating"] and state != before:
            listener.evaluate(self.run)
        self.state = state


class ProgressFileReader(ProgressReader):
    """Reads what a ``ProgressFile`` in another process writes."""

    def __init__(self, folder: Path, run: "RunSpec") -> None:
        super().__init__(run)
        self.path = _progress_path(folder, run)

    def follow(self, listener: Listener) -> bool:
        """Notify a listener of the progress since the last call; whether the run has begun."""
        with contextlib.suppress(FileNotFoundError):
            self.pass_on(json.loads(self.path.read_text(encoding="utf-8")), listener)
        return bool(self.state)

    def remove(self) -> None:
        """Delete the file."""
        for path in (self.path, self.path.with_suffix(".part.next")):
            path.unlink(missing_ok=True)
