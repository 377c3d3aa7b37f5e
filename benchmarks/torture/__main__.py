"""Torture of the commands: SIGKILLs, damaged files, odd inputs, full disks, many runs; what is lost or wrong.

Example: python -m benchmarks.torture --out results/reliability

torture.json has the counts, and under `failures` a line for each fault, with the case that --parts and --only repeat.
Under an hour on two quiet cores.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import NotReproduced, provenance, run_command
from benchmarks.torture import corruptions, disk, fuzz, kills, memory
from benchmarks.torture.commands import import_everything, in_parallel, temporary_folder
from benchmarks.torture.folders import Workplace
from gan_zoo.errors import check_known
from gan_zoo.io import atomic_write

PARTS = {"kills": kills, "corruptions": corruptions, "fuzz": fuzz, "disk": disk, "memory": memory}
FAULTS = {
    "tracebacks": "traceback",
    "hangs": "hang",
    "silently_used": "silently used",
    "unclear_errors": "unclear",
    "written_outside": "written outside",
}
"""Counts of torture.json by the faults that they count."""
OPTIONS = {
    "--out": (Path("results/reliability"), "folder for torture.json"),
    "--parts": (",".join(PARTS), "which parts, with commas between"),
    "--kills": (200, "SIGKILLs"),
    "--corruptions": (200, "damaged files"),
    "--fuzz": (5000, "odd inputs"),
    "--disks": (80, "full disks"),
    "--runs": (500, "runs in one process"),
    "--seed": (0, "seed of everything random"),
    "--only": ("", "only this case of the part, as a failure names it"),
    "--jobs": (2, "commands run side by side"),
    "--work": (Path, "folder for inputs and outputs, which is kept; by default a temporary one"),
}
SMOKE = {"kills": 6, "corruptions": 10, "fuzz": 120, "disks": 1, "runs": 0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status, 1 if there is a fault."""
    return run_command(__doc__, "torture", run, OPTIONS, arguments, smoke=SMOKE)


def run(options: argparse.Namespace) -> Path:
    """Run the parts and write torture.json.

    Raises:
        NotReproduced: a fault was found.
    """
    parts = options.parts.split(",")
    for part in parts:
        check_known("part", part, PARTS)
    import_everything()
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        found = _tortured(Workplace(options.work.resolve()), parts, options)
    else:
        with temporary_folder() as folder:
            found = _tortured(Workplace(folder), parts, options)
    # Not before the last fork: it initializes torch.
    import torch

    facts = {"seed": options.seed, **provenance(torch.device("cpu"), options.command)}
    path = options.out / "torture.json"
    atomic_write(path, json.dumps(found | facts, indent=1) + "\n")
    if failures := found["failures"]:
        raise NotReproduced(f"{len(failures)} faults, listed in {path}; the first: {failures[0]}")
    return path


def _tortured(place: Workplace, parts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Counts of what was done and of what was found, with a line for each fault."""
    counts: Counter[str] = Counter()
    failures: list[tuple[str, str]] = []
    seconds = {}
    for part in parts:
        began = time.monotonic()
        cases = [options.only] if options.only else PARTS[part].cases(place, options)
        results = in_parallel(partial(PARTS[part].run, place), cases, options.jobs)
        for case, (done, faults) in zip(cases, results, strict=True):
            counts.update(done)
            failures += [(fault, f"{fault}: {case}: {how}") for fault, how in faults]
        seconds[part] = round(time.monotonic() - began, 1)
    found = Counter(fault for fault, _ in failures)
    return {
        **{
            name: counts[name]
            for name in ("kills", "lost", "doubled", "corruptions", "fuzzed", "full_disks", "runs_in_one_process")
        },
        "tables_identical": not found["different"] if counts["kills"] else None,
        **{name: found[fault] for name, fault in FAULTS.items()},
        "memory": {name: count for name, count in counts.items() if "_after_" in name},
        "seconds": seconds,
        "details": {name: count for name, count in sorted(counts.items()) if ": " in name},
        "failures": [line for _, line in failures],
    }


if __name__ == "__main__":
    sys.exit(main())
