"""Progress of training on a terminal; where there is none, one plain line a finished cell."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_zoo.bench.plan import CellPlan
from gan_zoo.bench.records import Row
from gan_zoo.engine import State

_STEPS = 1000


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


def figures(state: State, values: Mapping[str, float]) -> str:
    """Rate and losses of a block, in a few words."""
    rate = state.images / state.seconds if state.seconds else 0.0
    return f"{rate:,.0f} images/s  D {values['discriminator_loss']:.3f}  G {values['generator_loss']:.3f}"


class BenchListener:
    """Shows a run of a suite: a bar over all cells, and one for the cell in training."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.cell_bar = bars(console)
        self.grid = self.cell_bar.add_task("cells", total=None, figures="", visible=False)
        self.cell = self.cell_bar.add_task("cell", total=_STEPS, figures="", visible=False)
        self.done = 0
        self.total = 0

    def __enter__(self) -> "BenchListener":
        self.cell_bar.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.cell_bar.stop()

    def notice(self, text: str) -> None:
        """Print what a reader must know."""
        self.console.print(f"[bold yellow]NOTE[/] {text}", highlight=False, soft_wrap=True)

    def plan(self, cells: int, finished: int) -> None:
        """Show the bar over all cells."""
        self.done, self.total = finished, cells
        self.cell_bar.update(self.grid, total=cells, completed=finished, visible=True)
        if finished:
            self.console.print(f"{finished} of {cells} cells are finished already", highlight=False)

    def begin(self, cell: CellPlan) -> None:
        """Show the bar of a cell."""
        self.cell_bar.reset(self.cell, description=f"{cell.variant_name} seed {cell.seed}", total=_STEPS, figures="", visible=True)

    def block(self, state: State, share: float, values: Mapping[str, float]) -> None:
        """Move the bar of a cell."""
        self.cell_bar.update(self.cell, completed=share * _STEPS, figures=figures(state, values))

    def end(self, cell: CellPlan, row: Row) -> None:
        """Print a line for a finished cell."""
        self.done += 1
        self.cell_bar.update(self.grid, completed=self.done)
        self.cell_bar.update(self.cell, visible=False)
        took = "" if cell.variant is None else f" in {row['seconds']:.0f} s of training"
        why = f" ({row['message']})" if row["message"] else ""
        line = f"[{self.done}/{self.total}] {cell.variant_name} seed {cell.seed}: {row['status']}{took}{why}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
