"""Time the commands that train nothing, and the start of a bench, beside ``import torch`` in the same run.

Example: python -m benchmarks.speed.startup --repeats 5

Writes startup.md to --out.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import provenance, require_positive, run_command, table

TORCH = "import torch"
FIRST_STEP = "gan-zoo bench mnist, to the first step of training"
COMMANDS = (
    *("--help", "--version", "list", "show wgan_gp", "data", "new my_gan"),
    *("show gna", "train gna", "train gan --data mnits", "train gan --set widht=8", "train gan --precision fp23"),
    *("bench mnits", "bench mnist --preset quik", "bench mnist --variants gna"),
)
"""Commands that train nothing, with mistakes among them."""
LIMIT = 120.0
POLL_SECONDS = 0.02


def run(options: argparse.Namespace) -> Path:
    """Time the commands; returns the path of the table."""
    require_positive(options, "repeats")
    commands = {f"gan-zoo {words}": [*gan_zoo(), *words.split()] for words in COMMANDS}
    commands |= {TORCH: [sys.executable, "-c", TORCH], "python -c pass": [sys.executable, "-c", "pass"]}
    times: dict[str, list[float]] = {name: [] for name in [*commands, FIRST_STEP]}
    for _ in range(options.repeats):
        for name, words in commands.items():
            times[name] += timed(words)
        times[FIRST_STEP] += first_step()
    # Imported after the measurement, from which it would take memory.
    import torch

    from gan_zoo.io import atomic_write

    atomic_write(options.out / "startup.md", markdown(times, provenance(torch.device("cpu"), options.command)))
    return options.out / "startup.md"


def gan_zoo() -> list[str]:
    """The command line program: the installed one beside this Python, else the same from the path."""
    installed = Path(sys.executable).with_name("gan-zoo")
    code = "import sys; from gan_zoo.cli import main; sys.exit(main())"
    return [str(installed)] if installed.is_file() else [sys.executable, "-c", code]


def timed(command: Sequence[str]) -> list[float]:
    """Seconds of a command in an empty folder; nothing if its status is neither 0 nor 2 (a mistake)."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, check=False)
        return [time.perf_counter() - started] if ended.returncode in (0, 2) else []


def first_step() -> list[float]:
    """Seconds from the start of ``gan-zoo bench mnist --preset smoke`` to the first step; nothing if it fails.

    The first record of a run is written when its networks and optimizers are made, just before that step.
    """
    from gan_zoo.bench.records import read_run

    out = Path(tempfile.mkdtemp(prefix="gan-zoo-speed-"))
    command = [*gan_zoo(), "bench", "mnist", "--preset", "smoke", "--device", "cpu", "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.perf_counter() - started < LIMIT and process.poll() is None:
            if any(read_run(path).begin for path in out.glob("records/*.jsonl")):
                return [time.perf_counter() - started]
            time.sleep(POLL_SECONDS)
        return []
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the process and its children share a session
        process.wait()
        shutil.rmtree(out, ignore_errors=True)


def markdown(times: Mapping[str, Sequence[float]], facts: Mapping[str, Any]) -> str:
    """A row a command: median, smallest and largest seconds, and the median as a multiple of import torch."""
    import pandas as pd

    medians = {name: statistics.median(seconds) for name, seconds in times.items() if seconds}
    columns = {
        "command": list(medians),
        "s, median": [f"{median:.2f}" for median in medians.values()],
        "s, range": [f"{min(times[name]):.2f} to {max(times[name]):.2f}" for name in medians],
        "/ import torch": [f"{median / medians[TORCH]:.2f}" for median in medians.values()],
    }
    machine = facts["machine"]
    about = f"{len(times[TORCH])} interleaved runs. {machine['processor']}, {machine['cores']} cores, torch "
    about += f"{machine['versions']['torch']}, commit {facts['commit']}."
    return "\n\n".join(["# Start-up", about, table(pd.DataFrame(columns))]) + "\n"


OPTIONS = {
    "--repeats": (5, "times that each command runs"),
    "--out": (Path("results/startup"), "folder to write to"),
}
main = partial(run_command, __doc__, "speed.startup", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
