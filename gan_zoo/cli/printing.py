"""Lines, notes and tables on the terminal; nothing here imports torch."""

from collections.abc import Mapping

from rich import box, get_console
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gan_zoo import text

_GAP = 2
"""Spaces between columns, and at the edges of a table."""


def print_line(line: str, console: Console | None = None) -> None:
    """Print a line as it is: without markup, colors and line breaks."""
    (console or get_console()).print(text.visible(line), highlight=False, markup=False, soft_wrap=True)


def print_paragraph(sentences: str) -> None:
    """Print sentences as they are, with line breaks between words."""
    get_console().print(text.visible(sentences), highlight=False, markup=False)


def print_note(line: str, console: Console | None = None) -> None:
    """Print something that a reader must know."""
    (console or get_console()).print(
        f"[bold yellow]note:[/] {escape(text.visible(line))}", highlight=False, soft_wrap=True
    )


def print_table(columns: Mapping[str, list[str]]) -> None:
    """Print a compact table of the columns that fit the terminal; the last ones are named below it if they do not.

    Text is aligned to the left, numbers to the right.
    """
    console = get_console()
    columns = {text.visible(head): list(map(text.visible, values)) for head, values in columns.items()}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    left = console.width
    for head, values in columns.items():
        left -= max(map(cell_len, [head, *values])) + _GAP
        if left < 0:
            break
        # A dash, or nothing, is a missing number.
        numbers = all(value[:1].isdigit() or not value[:1].isalnum() for value in values)
        table.add_column(escape(head), justify="right" if numbers else "left", no_wrap=True)
    for row in zip(*list(columns.values())[: len(table.columns)], strict=True):
        table.add_row(*map(escape, row))
    console.print(table)
    if hidden := list(columns)[len(table.columns) :]:
        print_line(f"not shown at this width: {', '.join(hidden)}")
