"""Time the commands that answer at once, and the start of a bench, beside ``import torch`` in the same run.

Example: python benchmarks/startup.py --rounds 5

Writes startup.md to --out.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from script import finish
from timing import startup

TORCH = "import torch"
FIRST_STEP = "gan-zoo bench mnist, to the first step of training"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that each command runs (5)")
    parser.add_argument("--out", type=Path, default=Path("results/startup"), help="folder of startup.md")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} must be at least 1")
    return finish(lambda: _run(options))


def _run(options: argparse.Namespace) -> Path:
    commands = {f"gan-zoo {words}": [*startup.gan_zoo(), *words.split()] for words in startup.COMMANDS}
    commands |= {TORCH: startup.PYTHON["import_torch_seconds"], "python -c pass": startup.PYTHON["python_seconds"]}
    times: dict[str, list[float]] = {name: [] for name in [*commands, FIRST_STEP]}
    for _ in range(options.rounds):
        for name, seconds in startup.interleaved(commands, 1).items():
            times[name] += seconds
        if (step := startup.first_step("cpu", 120.0)) is not None:
            times[FIRST_STEP].append(step)
    # torch, which this imports, would take memory from what is timed.
    import torch
    from timing.machine import commit, machine

    from gan_zoo.io import atomic_write

    path = options.out / "startup.md"
    atomic_write(path, markdown(times, machine(torch.device("cpu")), commit()))
    return path


def markdown(times: Mapping[str, Sequence[float]], machine: Mapping[str, Any], commit: str | None) -> str:
    """The report: a row a command with its median, smallest and largest seconds, and as a multiple of import torch."""
    torch_seconds = statistics.median(times[TORCH])
    head = "| from the start of the process to its end | s, median | s, range | / import torch |"
    lines = [head, "|---|---:|---:|---:|"]
    for name, seconds in times.items():
        if seconds:
            middle, ratio = statistics.median(seconds), statistics.median(seconds) / torch_seconds
            lines.append(f"| `{name}` | {middle:.2f} | {min(seconds):.2f} to {max(seconds):.2f} | {ratio:.2f} |")
    facts = f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}, commit {commit}"
    rounds = len(times[TORCH])
    how = f"Each command ran {rounds} times, in turn with the others. Machine: {facts}."
    return "\n".join(["# Start-up", "", how, "", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
