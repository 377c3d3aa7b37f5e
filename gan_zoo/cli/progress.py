"""Progress of training on a terminal; without one, a plain line for each finished run."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import CellPlan, Plan
from gan_zoo.bench.records import Row
from gan_zoo.engine.device import describe


def bars(console: Console) -> Progress:
    """Progress bars with rate, losses and time left; nothing where the console is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def figures(rate: float, values: Mapping[str, float]) -> str:
    """Rate and losses of a block, in a few words."""
    return f"{rate:,.0f} images/s  D {values['discriminator_loss']:.3f}  G {values['generator_loss']:.3f}"


class BenchListener(Listener):
    """Shows the progress of a suite: a bar over all runs, and one for each run in training."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = bars(console)
        self.grid = self.bars.add_task("runs", total=None, figures="", visible=False)
        self.training: dict[str, TaskID] = {}
        self.done = 0
        self.total = 0

    def __enter__(self) -> "BenchListener":
        self.bars.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def notice(self, text: str) -> None:
        """Print what a reader must know."""
        self.console.print(f"[bold yellow]NOTE[/] {escape(text)}", highlight=False, soft_wrap=True)

    def plan(self, plan: Plan, cells: int, finished: int) -> None:
        """Print what is run, and show the bar over all runs."""
        self.done, self.total = finished, cells
        machine = f"{describe(plan.device)}, {plan.precision}"
        if plan.recipe.single:
            title = f"{plan.variants[0].title} on {plan.measured.title}"
            line = f"{title}, {plan.budget}, seed {plan.seeds[0]}, {machine}"
        else:
            line = f"{cells} runs, {plan.jobs} at a time, {machine}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.bars.update(self.grid, total=cells, completed=finished, visible=True)
        if finished == cells:
            self.console.print("already finished: nothing is trained", highlight=False)
        elif finished:
            self.console.print(f"{finished} of {cells} runs are finished already", highlight=False)

    def begin(self, cell: CellPlan) -> None:
        """Show a bar for a run."""
        self.training[cell.name] = self.bars.add_task(f"{cell.variant_name} seed {cell.seed}", total=1.0, figures="")

    def block(self, cell: CellPlan, share: float, rate: float, values: Mapping[str, float]) -> None:
        """Move a run's bar."""
        self.bars.update(self.training[cell.name], completed=share, figures=figures(rate, values))

    def end(self, cell: CellPlan, row: Row) -> None:
        """Remove a run's bar, and print a line for it."""
        self.done += 1
        self.bars.update(self.grid, completed=self.done)
        # A process may be killed before it reports that its run begins.
        if (bar := self.training.pop(cell.name, None)) is not None:
            self.bars.remove_task(bar)
        took = "" if cell.variant is None else f" in {row['seconds']:.0f} s of training"
        why = f" ({row['message']})" if row["message"] else ""
        line = f"[{self.done}/{self.total}] {cell.variant_name} seed {cell.seed}: {row['status']}{took}{why}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
