"""Kill real `gan-zoo` commands with worker processes half-way, for tests of what they resume."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

COMMAND = "from gan_zoo.cli import main; main()"
Runs = dict[str, list[dict[str, Any]]]


def rows(folder: Path) -> Runs:
    """The rows of every run of a results folder by its name; a torn last line is none."""
    found = {}
    for path in (folder / "records").glob("*.jsonl"):
        found[path.stem] = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return found


def kinds(run: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The rows of one kind."""
    return [row for row in run if row["row"] == kind]


def kill_when(holds: Callable[[Runs], bool], folder: Path, words: Iterable[object], *, within: float = 240) -> None:
    """Run the command line and kill its whole group, SIGKILL, as soon as ``holds`` of the runs in ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        end = time.monotonic() + within
        while not ((folder / "records").is_dir() and holds(rows(folder))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "the command did not come so far"
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
