"""Notifies callbacks of runs in training, from the records that the runs append, in whatever process they are."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.records import records_path
from gan_zoo.callbacks import Callback, RunStart
from gan_zoo.errors import GanZooError, one_line, shown

if TYPE_CHECKING:
    from gan_zoo.bench.plan import Plan, RunSpec
    from gan_zoo.bench.records import Row

_SETTINGS = ("title", "paper", "conditioning", "latent", "objective", "batch_size", "budget", "overrides")


class Callbacks:
    """Several callbacks; one that fails is reported once, and not called again.

    Raises:
        GanZooError: one is no ``Callback``.
    """

    def __init__(self, callbacks: Sequence[Callback], listener: Listener) -> None:
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise GanZooError(f"callback {shown(callback)} is none; derive it from gan_zoo.Callback")
        self.callbacks, self.listener = list(callbacks), listener

    def call(self, method: str, *values: Any) -> None:
        """Call a method of each."""
        for callback in list(self.callbacks):
            try:
                getattr(callback, method)(*values)
            except Exception as error:
                self.callbacks.remove(callback)
                name = type(callback).__name__
                self.listener.notice(f"callback {name} failed and is not called again: {one_line(error)}")


class _Follower:
    """The rows that are appended to the records of a run from now on."""

    def __init__(self, path: Path, run: RunStart, extractors: int, callbacks: Callbacks) -> None:
        self.path, self.run, self.callbacks = path, run, callbacks
        # A torn last line, as a kill leaves it, is removed when the run resumes.
        self.offset = path.read_bytes().rfind(b"\n") + 1 if path.is_file() else 0
        self.extractors = extractors
        self.measured: dict[str, Mapping[str, float]] = {}
        self.samples: Path | None = None

    def follow(self) -> None:
        """Notify the callbacks of all rows since the last call."""
        for row in self._rows():
            kind = row.get("row")
            if kind in ("begin", "resume"):
                self.run = replace(self.run, step=row.get("step", 0))
                self.callbacks.call("on_run_start", self.run)
            elif kind == "history":
                self.callbacks.call("on_history", self.run, row["step"], row["values"])
            elif kind == "samples" and row["kind"] == "grid":
                self.samples = self.path.parent.parent / row["file"]
                self._evaluated(row["step"])
            elif kind == "metrics":
                self.measured[row["extractor"]] = row["values"]
                self._evaluated(row["step"])
            elif kind == "end":
                self.callbacks.call("on_run_end", self.run, row["status"], row["message"])

    def _evaluated(self, step: int) -> None:
        """Pass an evaluation on when all its rows are there: samples, and then those of the extractors."""
        if len(self.measured) < self.extractors:
            return
        values = {f"{name}/{metric}": value for name, found in self.measured.items() for metric, value in found.items()}
        self.callbacks.call("on_evaluation", self.run, step, values, self.samples)
        self.measured, self.samples = {}, None

    def _rows(self) -> "Iterator[Row]":
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.offset)
            complete = file.read().rpartition(b"\n")[0]
            if complete:
                self.offset += len(complete) + 1
                for line in complete.splitlines():
                    with contextlib.suppress(ValueError):
                        yield json.loads(line)


class LiveListener(Listener):
    """Passes everything on to another listener, and follows the records of all runs for callbacks."""

    def __init__(self, listener: Listener, callbacks: Sequence[Callback]) -> None:
        self.listener = listener
        self.callbacks = Callbacks(callbacks, listener)
        self.followers: dict[str, _Follower] = {}

    def notice(self, text: str) -> None:
        """Pass it on."""
        self.listener.notice(text)

    def plan(self, plan: "Plan", folder: Path, todo: "Sequence[RunSpec]") -> None:
        """Begin to follow the runs."""
        from gan_zoo.bench.run_rows import begin_row

        for spec in todo:
            facts = begin_row(plan, spec, None)
            run = RunStart(
                name=f"{spec.variant_name}-seed{spec.seed}",
                variant=spec.variant_name,
                seed=spec.seed,
                data=plan.measured.name,
                settings={name: facts[name] for name in _SETTINGS if name in facts},
            )
            path = records_path(folder, spec.name)
            self.followers[spec.name] = _Follower(path, run, len(plan.extractors), self.callbacks)
        self.listener.plan(plan, folder, todo)

    def estimate(self, variant_name: str, seconds: float) -> None:
        """Pass it on."""
        self.listener.estimate(variant_name, seconds)

    def begin(self, run: "RunSpec") -> None:
        """Pass it on."""
        self.listener.begin(run)

    def block(self, run: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        """Pass it on."""
        self.followers[run.name].follow()
        self.listener.block(run, share, rate, values)

    def evaluate(self, run: "RunSpec") -> None:
        """Pass it on."""
        self.followers[run.name].follow()
        self.listener.evaluate(run)

    def tick(self) -> None:
        """Pass it on."""
        for follower in self.followers.values():
            follower.follow()
        self.listener.tick()

    def end(self, run: "RunSpec", row: "Row") -> None:
        """Pass it on, after the last rows of the run."""
        if (follower := self.followers.pop(run.name, None)) is not None:
            follower.follow()
        self.listener.end(run, row)

    def close(self) -> None:
        """Pass it on."""
        for follower in self.followers.values():
            follower.follow()
        self.callbacks.call("on_close")
        self.listener.close()
