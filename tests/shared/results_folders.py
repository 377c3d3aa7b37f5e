"""What tests of results folders share: their files and tables compared, and a listener that collects notices."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gan_zoo.bench.callbacks import Listener

MEASURED = ["seconds", "images_per_second", "peak_memory_bytes", "evaluation_seconds"]
"""Columns that no two runs share."""


def assert_same_tables(
    one: Path, other: Path, names: Iterable[str] = ("runs", "history", "metrics", "summary")
) -> None:
    """The tables of two folders are equal, apart from seconds and bytes."""
    for name in names:
        frames = [
            pd.read_csv(folder / f"{name}.csv").drop(columns=MEASURED, errors="ignore") for folder in (one, other)
        ]
        pd.testing.assert_frame_equal(*frames)


def content(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Bytes and time of change of every record, sample sheet and checkpoint."""
    paths = [path for part in ("records", "checkpoints") for path in (folder / part).rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


class Notices(Listener):
    """Collects the texts of notices in ``texts``."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)
