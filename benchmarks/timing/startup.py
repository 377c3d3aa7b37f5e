"""How long a person waits before anything happens."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_zoo.bench.records import read_run

TRIES, POLL_SECONDS = 3, 0.02
COMMANDS = (
    *("--help", "--version", "list", "show wgan_gp", "data", "new my_gan"),
    *("show gna", "train gna", "train gan --data mnits", "train gan --set widht=8", "train gan --precision fp23"),
    *("bench mnits", "bench mnist --preset quik", "bench mnist --variants gna"),
)
"""What answers at once, mistakes included."""
_COMMAND = "import sys; from gan_zoo.cli import main; sys.exit(main())"


def measured(device: str, limit: float) -> dict[str, Any]:
    """Seconds of ``gan-zoo --help``, of importing torch, and from starting a bench to its first step of training.

    The bench is given up after ``limit`` seconds.
    """
    others = {"help_seconds": [*gan_zoo(), "--help"], **PYTHON}
    return {
        **{name: statistics.median(times) if times else None for name, times in interleaved(others, TRIES).items()},
        "bench_to_first_step_seconds": first_step(device, limit),
    }


PYTHON = {
    "import_torch_seconds": [sys.executable, "-c", "import torch"],
    "python_seconds": [sys.executable, "-c", "pass"],
}


def gan_zoo() -> list[str]:
    """The command line program: the installed one beside this Python, else the same from the path."""
    installed = Path(sys.executable).with_name("gan-zoo")
    return [str(installed)] if installed.is_file() else [sys.executable, "-c", _COMMAND]


def interleaved(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each command in each round, by its name. All run once a round, so that load meets them alike.

    Each runs in an empty folder. Status 2, a mistake, counts as well; a command that fails otherwise has no time.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                ended = subprocess.run(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, check=False
                )
                if ended.returncode in (0, 2):
                    times[name].append(time.perf_counter() - started)
    return times


def first_step(device: str, limit: float) -> float | None:
    """Seconds from starting ``gan-zoo bench mnist --preset smoke`` to the first step of training; None without one.

    A run's first record is written when its networks and optimizers are made, just before that step.
    """
    out = Path(tempfile.mkdtemp(prefix="gan-zoo-speed-"))
    command = [*gan_zoo(), "bench", "mnist", "--preset", "smoke", "--device", device, "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.perf_counter() - started < limit:
            if any(read_run(path).begin for path in out.glob("cells/*.jsonl")):
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
