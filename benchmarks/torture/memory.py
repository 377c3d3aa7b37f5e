"""Hundreds of tiny runs in one process: memory and open files stay what they are after the first fifty."""

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.common import ROOT
from benchmarks.torture.folders import TOYS, Found, Workplace

# The harness imports this module too, and forks before torch is used.
if TYPE_CHECKING:
    from gan_zoo.bench.plan import RunSpec
    from gan_zoo.bench.records import Row

FIRST = 50
"""Runs after which nothing may grow any more."""
ALLOWED_BYTES = 4 << 20
"""Growth that the allocator may cause: less than 10 kB a run of 450."""


def cases(_place: Workplace, options: argparse.Namespace) -> list[str]:
    """memory/RUNS, if there are runs beyond the first ones."""
    return [f"memory/{options.runs}"] if options.runs > FIRST else []


def run(place: Workplace, case: str) -> Found:
    """Have another process run a suite of as many seeds; what grew there."""
    folder, runs = place.new(case), int(case.rpartition("/")[2])
    suite = place.suite(f"seeds-{runs}", images=32, seeds=runs, variants='variants = ["by_heart"]')
    words: list[str | Path] = [sys.executable, "-m", "benchmarks.torture.memory", suite, folder / "out"]
    ended = subprocess.run(words, cwd=ROOT, env=place.environment, capture_output=True, text=True)
    if ended.returncode:
        return {}, [("traceback", f"{runs} runs in one process: {ended.stderr[-500:]}")]
    early, late = (dict(json.loads(line)) for line in ended.stdout.splitlines()[-2:])
    found = {f"{name}_after_{each['runs']}": each[name] for each in (early, late) for name in each if name != "runs"}
    return {"runs_in_one_process": late["runs"], **found}, [("growth", f"from {early} to {late}")] * has_grown(
        early, late
    )


def has_grown(early: Mapping[str, int], late: Mapping[str, int]) -> bool:
    """Whether memory or open files have grown between two readings."""
    return late["memory_bytes"] - early["memory_bytes"] > ALLOWED_BYTES or late["open_files"] > early["open_files"]


def main(suite: str, out: str) -> None:
    """Run a suite here, and print memory and open files after the first runs and after the last, a line each."""
    from gan_zoo.bench.callbacks import Listener
    from gan_zoo.bench.plan import make_plan
    from gan_zoo.bench.runner import run_plan
    from gan_zoo.options import RunOptions

    class Readings(Listener):
        runs = 0

        def end(self, run: "RunSpec", row: "Row") -> None:
            self.runs += run.variant is not None
            if run.variant is not None and self.runs == FIRST:
                print(self.reading())

        def reading(self) -> str:
            gc.collect()
            process = psutil.Process()
            used: dict[str, Any] = {"memory_bytes": process.memory_info().rss, "open_files": process.num_fds()}
            return json.dumps({"runs": self.runs, **used})

    readings = Readings()
    options = {"suite": suite, "preset": "smoke", "plugins": [TOYS], "jobs": 1, "threads": 1}
    failed = run_plan(make_plan(RunOptions.of(options)), Path(out), readings)
    assert not failed, failed[0]
    print(readings.reading())


if __name__ == "__main__":
    main(*sys.argv[1:])
