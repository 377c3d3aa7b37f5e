"""A progress bar for callers in Python: in a notebook or a terminal, and nothing elsewhere."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import get_console
from rich.progress import BarColumn, Progress, TextColumn

from gan_zoo.bench.callbacks import WarningListener

if TYPE_CHECKING:
    from gan_zoo.bench.plan import Plan, RunSpec
    from gan_zoo.bench.records import Row


class Bar:
    """A bar with a title and facts; ``close`` removes it from a terminal, and leaves it in a notebook."""

    def __init__(self, title: str) -> None:
        console = get_console()
        self.title = title
        self.cell: Any = None
        if console.is_jupyter:
            # rich's own bar in a notebook needs ipywidgets.
            from IPython.display import HTML, display

            self.html = HTML
            self.cell = display(HTML(""), display_id=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.percentage:>3.0f}%"))
        self.bars = Progress(
            *columns,
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            disable=console.is_jupyter or not console.is_terminal,
        )
        self.task = self.bars.add_task(title, total=1.0, facts="")
        self.bars.start()

    @property
    def is_shown(self) -> bool:
        """Whether anyone can see it."""
        return self.cell is not None or not self.bars.disable

    def move(self, share: float, facts: str) -> None:
        """Show that ``share`` of the work is done."""
        self.bars.update(self.task, completed=share, facts=facts)
        if self.cell is not None:
            title, after = html.escape(self.title), html.escape(f"{share:.0%} {facts}")
            self.cell.update(self.html(f'{title} <progress max="1" value="{share:.3f}"></progress> {after}'))

    def close(self) -> None:
        """No further progress is shown."""
        self.bars.stop()


def facts(rate: float, values: Mapping[str, float]) -> str:
    """``12,345 images/s  D 1.02  G 0.81``."""
    return f"{rate:,.0f} images/s  D {values['discriminator_loss']:.2f}  G {values['generator_loss']:.2f}"


class BarListener(WarningListener):
    """Shows one bar over all runs, and issues notices as Python warnings."""

    bar: Bar | None = None

    def plan(self, plan: "Plan", folder: Path, todo: "Sequence[RunSpec]") -> None:
        """Begin the bar; a folder that is finished has none."""
        trained = [run for run in todo if run.variant is not None]
        self.shares = dict.fromkeys((run.name for run in trained), 0.0)
        title = plan.variants[0].display_name if plan.options.single else plan.suite.title
        self.bar = Bar(title) if trained else None

    def block(self, run: "RunSpec", share: float, rate: float, values: Mapping[str, float]) -> None:
        """Move the bar."""
        self._move(run, share, facts(rate, values))

    def evaluate(self, run: "RunSpec") -> None:
        """Show that a run is evaluated."""
        self._move(run, self.shares.get(run.name, 0.0), "evaluating")

    def end(self, run: "RunSpec", row: "Row") -> None:
        """Move the bar to the end of a run."""
        self._move(run, 1.0, row["status"])

    def _move(self, run: "RunSpec", share: float, facts: str) -> None:
        if self.bar is not None and run.name in self.shares:
            self.shares[run.name] = min(1.0, share)
            name = "" if len(self.shares) == 1 else f"{run.title}: "
            self.bar.move(sum(self.shares.values()) / len(self.shares), name + facts)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
