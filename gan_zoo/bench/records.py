"""Records on disk: one append-only file of JSON rows a cell, and the manifest that names the cells.

A row is one line, written whole before the next begins, so that a kill at any instant loses at most the row in flight:
a broken last line is ignored by the reader and closed off by the next writer.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write

MANIFEST = "manifest.json"
CELLS = "cells"

Row = dict[str, Any]
_NAMED = ("variant", "seed", "data", "preset")  # what a row that begins a cell must tell


@dataclass
class Cell:
    """All rows of one cell (variant x seed) that count, in the order of training.

    ``end`` is None while the cell is unfinished.
    """

    name: str
    begin: Row = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    metrics: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    end: Row | None = None

    @property
    def status(self) -> str:
        """The status of the end row, or ``unfinished``."""
        return self.end["status"] if self.end else "unfinished"


def plain(value: Any) -> Any:
    """``value`` with every number that JSON lacks (NaN, infinities) as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def append(path: Path, row: Row) -> None:
    """Append one row to a cell's file.

    It is flushed to the disk, but for a row of history: a kill of the process does not lose that either, and after a
    power cut training goes on from its checkpoint, which is behind it.
    """
    line = json.dumps(plain(row), allow_nan=False, separators=(",", ":")) + "\n"
    with path.open("ab+") as file:
        if file.tell() and _last_byte(file) != b"\n":
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        if row["row"] != "history":
            os.fsync(file.fileno())


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def read_cell(path: Path) -> Cell:
    """Read a cell's file.

    A ``begin`` row starts the cell over; a ``resume`` row voids the rows after its step; a line that is not JSON
    (cut by a kill) is passed over.
    """
    cell = Cell(path.stem)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _row(line)
        match row.get("row"):
            case "begin":
                cell = Cell(path.stem, begin=row)
            case "resume":
                for rows in (cell.history, cell.metrics, cell.samples, cell.points):
                    rows[:] = [kept for kept in rows if kept["step"] <= row["step"]]
                cell.end = None
            case "end":
                cell.end = row
            case "history" | "metrics" | "samples" | "points" as kind:
                getattr(cell, kind).append(row)
    return cell


def _row(line: str) -> Row:
    """The row of a line; an empty one where the line is none, cut by a kill."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return row if isinstance(row, dict) else {}


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically.

    Raises:
        StorageError: the path cannot be written.
    """
    atomic_write(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder.

    Raises:
        GanZooError: the folder is not there, holds no manifest, a damaged one, or one without cells or data.
    """
    path = Path(folder) / MANIFEST
    if not Path(folder).is_dir():
        raise GanZooError(
            f"results folder {str(folder)!r} does not exist; make one with `gan-zoo bench SUITE --out DIR`"
        )
    if not path.is_file():
        raise GanZooError(f"{str(folder)!r} is not a results folder: it has no {MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GanZooError(f"{path} is damaged ({error}); run the bench again with the same --out to renew it") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("cells"), list):
        raise GanZooError(f"{path} names no cells; run the bench again with the same --out to renew it")
    if not isinstance(manifest.get("data"), dict):
        raise GanZooError(f"{path} does not name its data; run the bench again with the same --out to renew it")
    return manifest


def read_cells(folder: Path) -> list[Cell]:
    """The cells that the manifest names and that have begun, in the manifest's order.

    Raises:
        GanZooError: no results folder, or a cell that does not tell what it is of.
    """
    paths = [Path(folder) / CELLS / f"{name}.jsonl" for name in read_manifest(folder)["cells"]]
    return [_checked(read_cell(path), path) for path in paths if path.is_file()]


def _checked(cell: Cell, path: Path) -> Cell:
    """The cell, whose file may hold no whole row yet."""
    if missing := [key for key in _NAMED if cell.begin and cell.begin.get(key) is None]:
        raise GanZooError(f"{path} does not tell its {missing[0]}; delete it, and run the bench again with the same "
                          "--out to renew it")  # fmt: skip
    return cell
