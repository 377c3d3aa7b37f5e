"""Progress of training: bars on a terminal, and a plain line every 10 seconds without one."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gan_zoo import text
from gan_zoo.bench import suite_variants
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import Row, read_run, records_path
from gan_zoo.device import describe
from gan_zoo.metrics.registry import METRICS

_LOG_EVERY = 10.0
"""Seconds between two lines without a terminal."""


class BenchListener(Listener):
    """Shows the progress of a suite: a bar over all runs, and one for each run in training."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.all = self.bars.add_task("all runs", total=None, facts="", visible=False)
        self.training: dict[str, TaskID] = {}

    def __enter__(self) -> "BenchListener":
        self.bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.bars.stop()

    def notice(self, text: str) -> None:
        """Print something that a reader must know."""
        self.console.print(f"[bold yellow]note:[/] {escape(text)}", highlight=False, soft_wrap=True)

    def plan(self, plan: Plan, folder: Path, todo: Sequence[RunSpec]) -> None:
        """Print what is run, and show the bar over all runs."""
        self.suite, self.folder, self.todo = plan, folder, list(todo)
        self.ended: list[str] = []
        self.shares: dict[str, float] = {}
        self.evaluated: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.started = self.logged = time.monotonic()
        runs = plan.runs()
        machine = f"{describe(plan.device)}, {plan.precision}"
        if plan.options.single:
            variant = plan.variants[0]
            self._print(f"{variant.title} on {plan.measured.title}, {plan.budget}, seed {plan.seeds[0]}, {machine}")
        else:
            names, seeds = (
                ", ".join(variant.display_name for variant in plan.variants),
                text.plural(len(plan.seeds), "seed"),
            )
            real = f" + {len(plan.seeds)} of real images" if plan.extractors else ""
            self._print(f"{plan.suite.title} (preset {plan.preset_name})")
            self._print(f"variants: {names}")
            self._print(f"runs: {seeds} each{real}; {plan.budget} a run, {plan.jobs} at a time")
            if settings := suite_variants.preset_settings(
                plan.preset, [variant.display_name for variant in plan.variants]
            ):
                self.console.print(f"preset settings: {settings}", highlight=False, markup=False)
            self._print(f"machine: {machine}")
            self._print(f"report: {folder / 'report.html'} (written again after every run)")
        if not todo:
            self._print("already finished: nothing is trained")
        elif len(todo) < len(runs):
            self._print(f"{len(runs) - len(todo)} of {len(runs)} runs are finished already")
        self.bars.update(self.all, visible=bool(todo) and not plan.options.single)

    def estimate(self, variant_name: str, seconds: float) -> None:
        """Collect how long the runs take, and print it when all variants are known."""
        self.seconds[variant_name] = seconds
        if len(self.seconds) == len({run.variant_name for run in self.todo if run.variant is not None}):
            self._print(f"estimate: about {text.duration(self._left())} of training")

    def begin(self, run: RunSpec) -> None:
        """Show a bar for a run."""
        self.shares[run.name] = 0.0
        name = run.variant_name if self.suite.options.single else run.title
        self.training[run.name] = self.bars.add_task(name, total=1.0, facts="")

    def block(self, run: RunSpec, share: float, rate: float, values: Mapping[str, float]) -> None:
        """Move a run's bar."""
        self.shares[run.name] = min(1.0, share)
        self.evaluated.discard(run.name)
        facts = f"{rate:,.0f} images/s  D {values['discriminator_loss']:.2f}  G {values['generator_loss']:.2f}"
        if self.suite.options.single and (left := self._left()):
            facts += f"  {text.duration(left)} left"
        self.bars.update(self.training[run.name], completed=share, facts=facts)
        self._show()

    def evaluate(self, run: RunSpec) -> None:
        """Show that a run is evaluated."""
        self.evaluated.add(run.name)
        self.bars.update(self.training[run.name], facts="evaluating")

    def tick(self) -> None:
        """Print what is being trained and how far, if there is no terminal and the last line is 10 seconds old."""
        if self.console.is_terminal or time.monotonic() - self.logged < _LOG_EVERY:
            return
        self.logged = time.monotonic()
        running = [self._progress(run) for run in self.todo if run.name in self.training]
        self._print("; ".join(filter(None, [", ".join(running), self._facts()])))

    def _progress(self, run: RunSpec) -> str:
        return f"{run.title} {self.shares[run.name]:.0%}{' (evaluating)' if run.name in self.evaluated else ''}"

    def end(self, run: RunSpec, row: Row) -> None:
        """Remove a run's bar, and print a line for it."""
        self.ended.append(run.name)
        self.shares[run.name] = 1.0
        # A process may be killed before it reports that its run begins.
        if (bar := self.training.pop(run.name, None)) is not None:
            self.bars.remove_task(bar)
        self._show()
        parts = [row["status"], *self._result(run)]
        parts += [] if run.variant is None else [f"{text.duration(row['seconds'])} of training"]
        why = f" ({row['message']})" if row["message"] else ""
        self._print(f"[{len(self.ended)}/{len(self.todo)}] {run.title}: {', '.join(parts)}{why}")

    def _result(self, run: RunSpec) -> list[str]:
        """The final value of the metric that ranks, e.g. ``FID 23.1``."""
        if not self.suite.extractors:
            return []
        record = read_run(records_path(self.folder, run.name))
        rows = record.metrics if run.variant is None else self.suite.evaluated(record).get(1.0, [])
        first, metric = self.suite.extractors[0].name, self.suite.ranked_by
        values = [row["values"].get(metric) for row in rows if row["extractor"] == first]
        return [f"{METRICS[metric].title} {text.number(value)}" for value in values]

    def _show(self) -> None:
        """Move the bar over all runs, in which a run counts by the time that it takes."""
        left = sum(self._length(run) * (1 - self.shares.get(run.name, 0.0)) for run in self.todo)
        total = sum(map(self._length, self.todo))
        self.bars.update(self.all, total=total, completed=total - left, facts=self._facts())

    def _facts(self) -> str:
        facts = f"{len(self.ended)} of {len(self.todo)} runs ended, {text.duration(time.monotonic() - self.started)}"
        left = self._left()
        return f"{facts}, about {text.duration(left)} left" if left else facts

    def _length(self, run: RunSpec) -> float:
        """Relative length of a run: its seconds of training if they are known, else as the mean of the others."""
        if run.variant is None:
            return 0.0
        known = self.seconds.values()
        return self.seconds.get(run.variant_name, sum(known) / len(known) if known else 1.0)

    def _left(self) -> float:
        """Seconds that are left: by the progress so far, or before there is enough by the estimate; 0 if unknown."""
        total = sum(map(self._length, self.todo))
        done = sum(self._length(run) * self.shares.get(run.name, 0.0) for run in self.todo)
        if total and done / total > 0.05:
            return (time.monotonic() - self.started) * (total - done) / done
        return (total - done) / self.suite.jobs if self.seconds else 0.0

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
