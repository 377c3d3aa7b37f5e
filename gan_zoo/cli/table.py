"""Tables that fit the terminal."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Columns = dict[str, list[str]]

_WRAPPED_WIDTH, _GAP, _EDGES = 16, 2, 2


def fitted(columns: Mapping[str, list[str]], width: int, wrapped: Sequence[str] = ()) -> "Table":
    """A compact table of the columns that fit into ``width``; the last ones are left out if they do not.

    Only ``wrapped`` columns may break their lines. Text is aligned to the left, numbers to the right.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    left = width - _EDGES + _GAP
    for head, cells in columns.items():
        wide = max(map(cell_len, [head, *cells]))
        left -= (min(wide, _WRAPPED_WIDTH) if head in wrapped else wide) + _GAP
        if left < 0:
            break
        # A dash, or nothing, is a missing number.
        numbers = all(cell[:1].isdigit() or not cell[:1].isalnum() for cell in cells)
        table.add_column(escape(head), justify="right" if numbers else "left", no_wrap=head not in wrapped)
    for row in zip(*list(columns.values())[: len(table.columns)], strict=True):
        table.add_row(*map(escape, row))
    return table


def plain(columns: Columns, width: int) -> str:
    """Columns as lines of text of at most ``width`` characters; nothing is left out, and no word is broken.

    The widest columns break their lines if needed. Without rich, which takes longer to import than a list to print.
    """
    rows = [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]
    cells = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in cells]
    words = [max(len(word) for cell in column for word in cell.split() or [""]) for column in cells]
    while sum(widths) + _GAP * (len(widths) - 1) > width:
        wide = [place for place, least in enumerate(words) if widths[place] > least]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    lines = []
    for row in rows:
        pieces = [textwrap.wrap(cell, size, break_on_hyphens=False) for cell, size in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*pieces, fillvalue=""):
            padded = (cell.ljust(size) for cell, size in zip(line, widths, strict=True))
            lines.append((" " * _GAP).join(padded).rstrip())
    return "\n".join(lines)
