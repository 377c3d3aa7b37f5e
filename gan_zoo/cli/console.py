"""The terminal: lines, tables that fit its width, and the progress of training."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gan_zoo import text
from gan_zoo.bench import suite_variants
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import Row, read_run, records_path
from gan_zoo.bench.schedule import RESULTS
from gan_zoo.cli.printing import print_line, print_note
from gan_zoo.data import Dataset
from gan_zoo.device import describe
from gan_zoo.metrics.evaluator import measurable
from gan_zoo.metrics.registry import METRICS

_LOG_EVERY = 10.0
"""Seconds between two lines without a terminal."""
_ESTIMATE_AFTER = 2.0
"""Seconds of training after which the length of a single run is estimated."""
_FEW_STEPS = 500
"""Fewer show nothing but noise."""
_MAX_CLASSES = 10
"""Classes that are named in a line."""


def image_facts(data: Dataset) -> str:
    """Number, sizes and classes of the user's own images, and their split, in a line."""
    counts = data.labels.bincount(minlength=data.classes).tolist()
    named = [f"{name} {count:,}" for name, count in zip(data.class_names, counts, strict=False)]
    more = ", ..." if len(named) > _MAX_CLASSES else ""
    classes = f"{len(named)} classes ({', '.join(named[:_MAX_CLASSES])}{more})" if named else "no classes"
    mirrored = ", mirror images included" if data.options.mirror else ""
    test = f"{len(data.test):,} as the reference"
    split = f"{len(data.train):,} to train on{mirrored}, {test if data.reference == 'test' else 'all the reference'}"
    color = "grayscale" if data.shape[0] == 1 else "color"
    return f"{sum(counts):,} images of {data.sizes}, {color}, {classes}; {split}"


def _steps(plan: Plan) -> int:
    """About the steps of the first variant in the budget; 0 if that is seconds."""
    amount, unit, variant = plan.budget.amount, plan.budget.unit, plan.variants[0]
    if unit == "steps":
        return int(amount)
    images = {"epochs": amount * len(plan.measured.train), "images": amount}.get(unit, 0)
    return math.ceil(images / (variant.batch_size * variant.discriminator_steps))


def _measures(plan: Plan) -> str:
    """What is measured: the metrics of each extractor, the one that ranks first."""
    has_labels = any(variant.conditioning != "none" for variant in plan.variants)
    listed = []
    for extractor in plan.extractors:
        names = measurable(extractor, plan.measured.reference, has_labels=has_labels)
        names.sort(key=lambda name: name != plan.ranked_by)
        listed.append(f"{', '.join(METRICS[name].title for name in names)} by {extractor.name}")
    if not listed:
        return "nothing is measured"
    return f"measured with num_samples {plan.preset.num_samples:,}: {'; '.join(listed)}"


@dataclass
class VariantProgress:
    """The runs of a variant: how many, and the sums of the shares of their budgets now and before this command."""

    runs: int = 0
    ended: int = 0
    failed: int = 0
    done: float = 0.0
    before: float = 0.0


class BenchListener(Listener):
    """Shows the progress of a suite: a bar over all runs, and one for each run in training."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or get_console()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[facts]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.all = self.bars.add_task("all runs", total=None, facts="", visible=False)
        self.training: dict[str, TaskID] = {}
        self.first: tuple[float, float] | None = None

    def __enter__(self) -> "BenchListener":
        return self

    def __exit__(self, *_error: object) -> None:
        self.bars.stop()

    def notice(self, text: str) -> None:
        """Print something that a reader must know."""
        print_note(text, self.console)

    def plan(self, plan: Plan, folder: Path, todo: Sequence[RunSpec]) -> None:
        """Print what is run, and show the bar over all runs."""
        self.suite, self.folder, self.todo = plan, folder, list(todo)
        self.ended: list[str] = []
        self.shares: dict[str, float] = {}
        self.variants: dict[str, VariantProgress] = {}
        for run in todo:
            self.variants.setdefault(run.variant_name, VariantProgress()).runs += 1
        self.measured = {run.variant_name for run in todo if run.variant is None}
        self.resumed = {run.name for run in todo if records_path(folder, run.name).is_file()}
        self.evaluated: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.started = self.logged = time.monotonic()
        machine = f"{describe(plan.device)}, {plan.precision}"
        if plan.parallel is not None:
            machine += f", {plan.parallel.size} processes"
        if plan.options.single:
            title = plan.variants[0].title
            self._print(f"{title} on {plan.measured.title}, {plan.budget}, seed {plan.seeds[0]}, {machine}")
        else:
            names = [variant.display_name for variant in plan.variants]
            real = f" + {len(plan.seeds)} of real images" if plan.extractors else ""
            self._print(f"{plan.suite.title} (preset {plan.preset_name})")
            self._print(f"variants: {', '.join(names)}")
            each = f"{text.plural(len(plan.seeds), 'seed')} each{real}"
            if plan.images:
                self._print(f"images, not trained here: {', '.join(plan.images)}")
            where = "on a Ray cluster" if plan.options.executor == "ray" else f"{plan.jobs} at a time"
            self._print(f"runs: {each}; {plan.budget} a run, {where}")
            if settings := suite_variants.preset_settings(plan.preset, names):
                self._print(f"preset settings: {settings}")
            self._print(f"machine: {machine}")
            self._print(f"report: {folder / 'report.html'} (written again after every run)")
        if plan.measured.sizes:
            self._print(f"{image_facts(plan.measured)}; {_measures(plan)}")
            if 0 < (steps := _steps(plan)) < _FEW_STEPS:
                few = f"the budget of {plan.budget} is about {text.plural(steps, 'step')} of {plan.variants[0].name}"
                self.notice(f"{few}: samples will be noise; networks need thousands of steps")
        finished = len(plan.runs()) - len(todo)
        if not todo:
            self._print("already finished: nothing is trained")
        elif finished:
            self._print(f"{finished} of {finished + len(todo)} runs are finished already")
        # Not earlier: what reads images and trains an extractor has a bar of its own.
        self.bars.start()
        self.bars.update(self.all, visible=bool(todo) and not plan.options.single)

    def estimate(self, variant_name: str, seconds: float) -> None:
        """Collect how long the runs take, and print it when all variants are known."""
        self.seconds[variant_name] = seconds
        if len(self.seconds) == len({run.variant_name for run in self.todo if run.variant is not None}):
            self._print(f"estimate: about {text.duration(self._left())} of training")

    def _estimate_single(self, run: RunSpec, share: float) -> None:
        """Estimate a run by its speed since its first steps, in which libraries choose their kernels."""
        now = time.monotonic()
        if self.first is None:
            self.first = now, share
        began, before = self.first
        if now - began > _ESTIMATE_AFTER and share > before:
            self.estimate(run.variant_name, (now - began) / (share - before))

    def begin(self, run: RunSpec) -> None:
        """Show a bar for a run."""
        self._move(run, 0.0)
        name = run.variant_name if self.suite.options.single else run.title
        self.training[run.name] = self.bars.add_task(name, total=1.0, facts="")

    def block(self, run: RunSpec, share: float, rate: float, values: Mapping[str, float]) -> None:
        """Move a run's bar."""
        self._move(run, share)
        self.evaluated.discard(run.name)
        if self.suite.options.single and not self.seconds:
            self._estimate_single(run, share)
        facts = f"{rate:,.0f} images/s  D {values['discriminator_loss']:.2f}  G {values['generator_loss']:.2f}"
        if self.suite.options.single and (left := self._left()):
            facts += f"  {text.duration(left)} left"
        self.bars.update(self.training[run.name], completed=share, facts=facts)
        self._move_bar_over_all()

    def evaluate(self, run: RunSpec) -> None:
        """Show that a run is evaluated."""
        self.evaluated.add(run.name)
        self.bars.update(self.training[run.name], facts="evaluating")

    def tick(self) -> None:
        """Print what is being trained and how far, if there is no terminal and the last line is 10 seconds old."""
        if not self._is_due():
            return
        running = [
            f"{run.title} {self.shares[run.name]:.0%}{' (evaluating)' if run.name in self.evaluated else ''}"
            for run in self.todo
            if run.name in self.training
        ]
        self._print("; ".join(filter(None, [", ".join(running), self._facts()])))

    def _is_due(self) -> bool:
        """Whether a line is due, as one is every 10 seconds if there is no terminal."""
        if self.console.is_terminal or time.monotonic() - self.logged < _LOG_EVERY:
            return False
        self.logged = time.monotonic()
        return True

    def end(self, run: RunSpec, row: Row) -> None:
        """Remove a run's bar, and print a line for it."""
        self.ended.append(run.name)
        self._move(run, 1.0)
        self.variants[run.variant_name].ended += 1
        self.variants[run.variant_name].failed += row["status"] not in RESULTS
        # A process may be killed before it reports that its run begins.
        if (bar := self.training.pop(run.name, None)) is not None:
            self.bars.remove_task(bar)
        self._move_bar_over_all()
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

    def _move_bar_over_all(self) -> None:
        """In it, a run counts by the time that it takes."""
        total, done, _ = self._lengths()
        self.bars.update(self.all, total=total, completed=done, facts=self._facts())

    def _facts(self) -> str:
        facts = f"{len(self.ended)} of {len(self.todo)} runs ended, {text.duration(time.monotonic() - self.started)}"
        left = self._left()
        return f"{facts}, about {text.duration(left)} left" if left else facts

    def _lengths(self) -> tuple[float, float, float]:
        """Length of all runs, of what is trained of them, and of what was before, in seconds, or in runs.

        A run counts by its seconds of training if they are known, else by the mean of the others.
        """
        known = self.seconds.values()
        mean = sum(known) / len(known) if known else 1.0
        trained = {name: each for name, each in self.variants.items() if name not in self.measured}
        lengths = {name: self.seconds.get(name, mean) for name in trained}
        total = sum(lengths[name] * each.runs for name, each in trained.items())
        done = sum(lengths[name] * each.done for name, each in trained.items())
        return total, done, sum(lengths[name] * each.before for name, each in trained.items())

    def _move(self, run: RunSpec, share: float) -> None:
        """Take into account how much of a run's budget is spent."""
        share = min(1.0, share)
        sums = self.variants[run.variant_name]
        sums.done += share - self.shares.get(run.name, 0.0)
        self.shares[run.name] = share
        if share > 0 and run.name in self.resumed:
            sums.before += share
            self.resumed.discard(run.name)

    def _left(self) -> float:
        """Seconds that are left: by the progress so far, or before there is enough by the estimate; 0 if unknown."""
        total, done, before = self._lengths()
        if total and (done - before) / total > 0.05:
            return (time.monotonic() - self.started) * (total - done) / (done - before)
        return (total - done) / self.suite.jobs if self.seconds else 0.0

    def _print(self, line: str) -> None:
        print_line(line, self.console)
