"""Torture of the commands: SIGKILLs, damaged files, odd inputs and full disks; what is lost, wrong or badly reported.

Example: python -m benchmarks.torture --out results/reliability

torture.json has the counts, and under `failures` a line for each fault, with the seed that repeats it. Under an hour on
two quiet cores.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import NotReproduced, provenance, run_command
from benchmarks.torture import corruptions, disk, fuzz, kills
from benchmarks.torture.commands import import_everything, in_parallel, temporary_folder
from benchmarks.torture.folders import Workplace
from gan_zoo.errors import check_known
from gan_zoo.io import atomic_write

PARTS = {"kills": kills, "corruptions": corruptions, "fuzz": fuzz, "disk": disk}
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
    "--disks": (48, "full disks"),
    "--seed": (0, "seed of everything random"),
    "--only": ("", "only the case or chain of this seed, as a failure names it; with the same counts"),
    "--jobs": (2, "commands run side by side"),
    "--work": (Path, "folder for inputs and outputs, which is kept; by default a temporary one"),
}
SMOKE = {"kills": 2, "corruptions": 14, "fuzz": 100, "disks": 5}


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
    """The counts of all parts in one table."""
    # Made once, side by side; all parts but the kills use them.
    in_parallel(lambda name: str(getattr(place, name)), ["finished", "trained", "conditional"], options.jobs)
    results = [PARTS[part].torture(place, options) for part in parts]
    found = {key: value for result in results for key, value in result.items()}
    failures = [failure for result in results for failure in result["failures"]]
    counts = {key: [fault for fault, _ in failures].count(fault) for key, fault in FAULTS.items()}
    sums = {key: sum(result.get(key, 0) for result in results) for key in ("lost", "doubled")}
    return found | sums | counts | {"failures": [": ".join(failure) for failure in failures]}


if __name__ == "__main__":
    sys.exit(main())
