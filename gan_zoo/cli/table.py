"""Tables that fit the terminal."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

Columns = Mapping[str, list[str]]

_WRAPPED_WIDTH, _GAP, _EDGES = 16, 2, 2


def fitted(columns: Columns, width: int, wrapped: Sequence[str] = ()) -> Table:
    """A compact table of the columns that fit into ``width``, the last ones left out where they do not.

    Only ``wrapped`` columns may break their lines. Text stands at the left, numbers at the right.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    left = width - _EDGES + _GAP
    for head, cells in columns.items():
        wide = max(map(cell_len, [head, *cells]))
        left -= (min(wide, _WRAPPED_WIDTH) if head in wrapped else wide) + _GAP
        if left < 0:
            break
        # A dash, or nothing, stands for a number that is not there.
        numbers = all(cell[:1].isdigit() or not cell[:1].isalnum() for cell in cells)
        table.add_column(escape(head), justify="right" if numbers else "left", no_wrap=head not in wrapped)
    for row in zip(*list(columns.values())[: len(table.columns)], strict=True):
        table.add_row(*map(escape, row))
    return table
