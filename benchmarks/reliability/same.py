"""Whether two runs of one suite gave the same tables, timings apart."""

from pathlib import Path

import pandas as pd

from gan_zoo.bench.tables import tables
from gan_zoo.errors import GanZooError

TIMINGS = ("seconds", "warmup_seconds", "evaluation_seconds", "images_per_second", "peak_memory_bytes")
"""Columns that a second run cannot repeat."""
_KEYS = ["variant", "seed", "step", "metric", "extractor", "baseline"]


class Unlike(Exception):
    """The two runs differ."""


def same(first: Path, second: Path) -> str:
    """What was compared, in a line; rows are matched by variant, seed, step, metric and extractor.

    Of runs, history and metrics the cells that are in both folders are compared; summary and contrasts only where the
    folders hold the same cells.

    Raises:
        Unlike: a value differs: the first one, with its table, row and column.
        GanZooError: not results folders, or no cell in common.
    """
    one, other = tables(first), tables(second)
    shared = sorted(set(one["runs"]["cell"]) & set(other["runs"]["cell"]))
    if not shared:
        raise GanZooError(f"{first} and {second} have no cell in common: other settings, code or versions")
    whole = len(shared) == len(one["runs"]) == len(other["runs"])
    counts = []
    for name in one if whole else ("runs", "history", "metrics"):
        left, right = (_of(frames, name, shared) for frames in (one, other))
        _check(name, left, right)
        counts.append(f"{len(left):,} rows of {name}")
    return f"{len(shared)} cells, identical but for {', '.join(TIMINGS)}: {', '.join(counts)}"


def _of(frames: dict[str, pd.DataFrame], name: str, cells: list[str]) -> pd.DataFrame:
    frame = frames[name].drop(columns=list(TIMINGS), errors="ignore")
    if name in ("runs", "history", "metrics"):
        runs = frames["runs"]
        kept = runs.loc[runs["cell"].isin(cells), ["variant", "seed"]]
        frame = frame.merge(kept, on=["variant", "seed"])
    return frame.sort_values([key for key in _KEYS if key in frame], kind="stable", ignore_index=True)


def _check(name: str, left: pd.DataFrame, right: pd.DataFrame) -> None:
    if left.shape != right.shape or list(left) != list(right):
        raise Unlike(f"{name}: {len(left)} rows of {left.shape[1]} columns against {len(right)} of {right.shape[1]}")
    for column in left:
        unlike = ~((left[column] == right[column]) | (left[column].isna() & right[column].isna()))
        if unlike.any():
            row = left[unlike].iloc[0]
            where = ", ".join(f"{key} {row[key]}" for key in _KEYS if key in left)
            values = f"{row[column]!r} and {right.loc[row.name, column]!r}"
            raise Unlike(f"{name}, {where}: {column} is {values}")
