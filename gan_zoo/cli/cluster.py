"""The progress of a suite on a cluster, in the terminal: by variant, as there are too many runs for a bar each."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.progress import TaskID

from gan_zoo import text
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import Row
from gan_zoo.cli.console import BenchListener


class ClusterListener(BenchListener):
    """Shows a bar over all runs, and one for each variant: runs that ended, are running and failed, and time left."""

    def plan(self, plan: Plan, folder: Path, todo: Sequence[RunSpec]) -> None:
        """Print what is run, and show the bars."""
        super().plan(plan, folder, todo)
        self.running: dict[str, set[str]] = {name: set() for name in self.variants}
        self.rows: dict[str, TaskID] = {
            name: self.bars.add_task(name, total=each.runs, facts=self._counts(name))
            for name, each in self.variants.items()
        }

    def begin(self, run: RunSpec) -> None:
        """Count a run as running, also one that begins again on another node."""
        self.running[run.variant_name].add(run.name)
        self._move(run, 0.0)

    def block(self, run: RunSpec, share: float, rate: float, values: Mapping[str, float]) -> None:
        """Move the bar of a run's variant."""
        self._move(run, share)

    def evaluate(self, run: RunSpec) -> None:
        """Nothing is shown of it."""

    def tick(self) -> None:
        """Update all bars; without a terminal, print a line for each variant in training every 10 seconds."""
        for name, row in self.rows.items():
            self.bars.update(row, completed=self.variants[name].done, facts=self._counts(name))
        self._move_bar_over_all()
        if self._is_due():
            active = [f"{name} {self._counts(name)}" for name, runs in self.running.items() if runs]
            self._print("; ".join([*active, self._facts()]))

    def end(self, run: RunSpec, row: Row) -> None:
        """Print a line for a run."""
        self.running[run.variant_name].discard(run.name)
        super().end(run, row)

    def _counts(self, name: str) -> str:
        each = self.variants[name]
        facts = f"{each.ended} of {each.runs} ended, {len(self.running[name])} running, {each.failed} failed"
        trained = each.done - each.before
        if not 0.05 * each.runs < trained or each.done >= each.runs:
            return facts
        left = (time.monotonic() - self.started) * (each.runs - each.done) / trained
        return f"{facts}, about {text.duration(left)} left"
