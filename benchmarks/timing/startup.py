"""How long a person waits before anything happens."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_zoo.bench.records import read_cell

TRIES, POLL_SECONDS = 3, 0.02
_COMMAND = "import sys; from gan_zoo.cli import main; sys.exit(main())"


def measured(device: str, limit: float) -> dict[str, Any]:
    """Seconds of ``gan-zoo --help``, of importing torch, and from starting a bench to its first rows of history.

    The bench is given up after ``limit`` seconds.
    """
    return {
        "help_seconds": _median([*gan_zoo(), "--help"]),
        "import_torch_seconds": _median([sys.executable, "-c", "import torch"]),
        "python_seconds": _median([sys.executable, "-c", "pass"]),
        "bench_to_first_step_seconds": first_step(device, limit),
    }


def gan_zoo() -> list[str]:
    """The command line program: the installed one beside this Python, else the same from the path."""
    installed = Path(sys.executable).with_name("gan-zoo")
    return [str(installed)] if installed.is_file() else [sys.executable, "-c", _COMMAND]


def _median(command: Sequence[str]) -> float | None:
    """Seconds that a command takes, the median of several; None where it fails."""
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if ended.returncode:
            return None
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def first_step(device: str, limit: float) -> float | None:
    """Seconds from starting ``gan-zoo bench mnist --preset smoke`` until a cell has trained; None if none does."""
    out = Path(tempfile.mkdtemp(prefix="gan-zoo-speed-"))
    command = [*gan_zoo(), "bench", "mnist", "--preset", "smoke", "--device", device, "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.perf_counter() - started < limit:
            if any(read_cell(path).history for path in out.glob("cells/*.jsonl")):
                return time.perf_counter() - started
            if process.poll() is not None:
                return None
            time.sleep(POLL_SECONDS)
        return None
    finally:
        _end(process)
        shutil.rmtree(out, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started, which share its session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
