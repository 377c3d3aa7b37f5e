"""Records on disk: one append-only file of JSON rows for each run.

A row is one line with a checksum, written whole before the next begins, so that a kill at any instant loses at most the
row in flight: the reader ignores a torn last line, and the next writer removes it. The row that ends a run holds a
digest of all lines before it. Anything else that cannot be read is damage, and the run counts as unfinished.
"""

import datetime
import hashlib
import json
import math
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo.bench.schedule import RESULTS
from gan_zoo.bench.schema import row_fault
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write, writing

if TYPE_CHECKING:
    from gan_zoo.bench.plan import Plan, RunSpec

Row = dict[str, Any]
MANIFEST = "manifest.json"
RECORDS = "records"
"""The folder of the records, a file a run."""
CHECKPOINTS = "checkpoints"
SCHEMA = 2
"""Version of the keys of manifests and rows."""
_RENAMED = {"cell": "run", "cells": "runs", "departures": "overrides", "n": "num_samples"}
"""Keys of schema 1, which has no number, and those that replace them."""
_FORMER = "cells/"
"""The folder of the records in schema 1."""
_CHECKSUM = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')


@dataclass
class RunRecord:
    """All rows of one run (a variant and a seed) that count, in the order of training.

    ``end`` is None while the run is unfinished. ``damage`` names the file and line that cannot be read, if there is
    one.
    """

    name: str
    begin: Row = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    metrics: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    end: Row | None = None
    damage: str = ""

    @property
    def status(self) -> str:
        """The status of the end row; ``unfinished`` without one, or if the records are damaged."""
        return self.end["status"] if self.end and not self.damage else "unfinished"

    def rows(self) -> list[Row]:
        """All rows; those of one kind are in the order of training."""
        return [self.begin, *self.history, *self.metrics, *self.samples, *self.points, *filter(None, [self.end])]

    def add(self, row: Row) -> None:
        """Take the next valid row into account.

        A ``begin`` row starts the run over; a ``resume`` row voids the rows after its step, and the row of history of
        an incomplete interval, which the resumed run completes.
        """
        kinds = {"history": self.history, "metrics": self.metrics, "samples": self.samples, "points": self.points}
        match row["row"]:
            case "begin":
                self.begin = row
                self.end = None
                for rows in kinds.values():
                    rows.clear()
            case "resume":
                self.end = None
                for rows in kinds.values():
                    rows[:] = [each for each in rows if each["step"] <= row["step"] and not each.get("partial")]
            case "end":
                self.end = row
            case kind if kind in kinds:
                kinds[kind].append(row)


def records_path(folder: Path, name: str) -> Path:
    """The file of the rows of a run of this name."""
    return folder / RECORDS / f"{name}.jsonl"


def checkpoint_path(folder: Path, name: str) -> Path:
    """The file of the state of a run of this name."""
    return folder / CHECKPOINTS / f"{name}.safetensors"


def now() -> str:
    """The time, in UTC, as ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def is_finished(plan: "Plan", folder: Path, run: "RunSpec") -> bool:
    """Whether a run's records are complete for the plan's budget and measurements."""
    path = records_path(folder, run.name)
    if not path.is_file():
        return False
    record = read_run(path)
    if record.status not in RESULTS or record.end is None:
        return False
    if run.variant is None:
        return True
    measured = record.status not in ("ok", "collapsed") or 1.0 in plan.evaluated(record)
    return measured and plan.schedule.is_end(record.end)


def plain(value: Any) -> Any:
    """``value`` as JSON has it: NaN and infinities as None, bytes of names that are no UTF-8 as escapes."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def current(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest or a row of any schema with the keys and paths of the current one."""
    found = {_RENAMED.get(key, key): value for key, value in content.items()}
    if str(found.get("file", "")).startswith(_FORMER):
        found["file"] = found["file"].replace(_FORMER, f"{RECORDS}/", 1)
    return found


def check_layout(folder: Path) -> None:
    """Refuse a results folder of schema 1 whose records lie where they are not looked for.

    Raises:
        GanZooError: its records have not been moved.
    """
    if not (folder / RECORDS).is_dir() and any((folder / _FORMER).glob("*.jsonl")):
        raise GanZooError(f"{str(folder)!r} is of an earlier version: rename its folder cells to {RECORDS}")


def append(path: Path, row: Row) -> None:
    """Append one row to a run's file, after removing a torn last line.

    It is flushed to the disk, except for a row of history: a kill of the process does not lose that, and ``flush`` is
    called before every checkpoint.

    Raises:
        StorageError: the file cannot be written.
    """
    with writing(path), path.open("ab+") as file:
        _remove_torn_line(file)
        if row["row"] == "end":
            file.seek(0)
            row = {**row, "digest": hashlib.sha256(file.read()).hexdigest()}
        text = json.dumps(plain(row), allow_nan=False, separators=(",", ":"))
        file.write(f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode())
        file.flush()
        if row["row"] != "history":
            os.fsync(file.fileno())


def append_lines(path: Path, lines: bytes, offset: int) -> bool:
    """Append whole lines that another process has written, after removing a torn last line.

    Args:
        path: the file; its folder is created.
        lines: the lines.
        offset: where they begin. Nothing is written if the file does not end there.

    Returns:
        Whether they were written.

    Raises:
        StorageError: the file cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            _remove_torn_line(file)
            if file.seek(0, os.SEEK_END) != offset:
                return False
            file.write(lines)
    return True


def flush(path: Path) -> None:
    """Flush a run's file to the disk, so that no checkpoint is ahead of it after a power failure.

    Raises:
        StorageError: it cannot be written.
    """
    with writing(path), path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_torn_line(file: Any) -> None:
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)


def read_run(path: Path) -> RunRecord:
    """Read a run's file.

    A last line without an end was cut by a kill and is ignored. Any other line that is no valid row is damage, and is
    named by ``RunRecord.damage``, unless a ``begin`` row after it starts the run over. Files without any checksum are
    those of earlier versions.
    """
    run = RunRecord(path.stem)
    content = path.read_bytes()
    *lines, torn = content.split(b"\n")
    is_checked = any(map(_CHECKSUM.search, lines))
    size = 0
    for number, line in enumerate(lines, start=1):
        row, fault = _parse(line, is_checked=is_checked)
        if row.get("row") == "begin":
            run.damage = ""
        digest = row.pop("digest", None)
        if digest not in (None, hashlib.sha256(content[:size]).hexdigest()):
            fault = "the lines above it are not those that were written"
        if row:
            run.add(row)
        if fault and not run.damage:
            run.damage = f"{path} is damaged in line {number}: {fault}"
        size += len(line) + 1
    if torn and not torn.startswith(b"{") and not run.damage:
        run.damage = f"{path} is damaged in line {len(lines) + 1}: it is not a row"
    if lines and not run.begin and not run.damage:
        run.damage = f"{path} is damaged in line 1: no row 'begin'"
    return run


def _parse(line: bytes, *, is_checked: bool) -> tuple[Row, str]:
    """The row of a line with the keys of the current schema, and what is wrong with it; without a row if it is none."""
    found = _CHECKSUM.search(line)
    if is_checked and (found is None or int(found[1], 16) != zlib.crc32(line[: found.start()] + b"}")):
        return {}, "its checksum does not match"
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "it is not JSON"
    if not isinstance(content, dict) or not isinstance(content.get("row"), str):
        return {}, "it is not a row"
    row = current(content)
    row.pop("crc", None)
    fault = row_fault(row)
    return ({}, fault) if fault else (row, "")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically.

    Raises:
        StorageError: the path cannot be written.
    """
    atomic_write(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")
