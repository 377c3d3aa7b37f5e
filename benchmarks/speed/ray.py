"""Time the Ray executor beside the local one, and its driver with runs that do nothing or only send updates.

Example: python -m benchmarks.speed.ray --out results/scale

Writes ray.json to --out, in which parts that --parts does not name stay as they are.

overhead: both executors train the same runs, one at a time, on this machine; the time of a run is that between the ends
of two, so that the start of processes is not part of it. Executors alternate, and medians count.
no_op: seconds and memory of the driver with thousands of runs that do nothing.
updates: CPU time of the driver, all threads, for an update of a run: that of runs that send many of them, less that of
as many runs that do nothing.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import torch

from benchmarks.common import provenance, require_positive, run_command
from gan_zoo import registry
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.executors.processes import Stop
from gan_zoo.bench.plan import RunSpec, make_plan
from gan_zoo.bench.records import RECORDS, Row
from gan_zoo.bench.runner import run_plan
from gan_zoo.bench.schedule import RESULTS
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.io import atomic_write
from gan_zoo.options import RunOptions

SUITE = """
title = "Timing"
data = "digits"
variants = {variants}
extractors = ["digits-cnn"]

[presets.timing]
seeds = {seeds}
budget = {{ steps = {steps} }}
num_samples = 140
batch_size = 64
"""
TINY_STEPS = 20
CALIBRATION_STEPS = 400
SAMPLES = 20
"""Readings of the driver's memory."""
UPDATING_RUNS = 200
UPDATES = 100
"""Updates of each of these runs."""


@dataclass
class Ends(Listener):
    """Collects when trained runs end, and the memory of this process then, in bytes."""

    times: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def end(self, run: RunSpec, row: Row) -> None:
        if row["status"] not in RESULTS:
            raise GanZooError(f"{run.title}: {row['status']} {row['message']}; nothing was measured")
        if run.variant is not None:
            self.times.append(time.perf_counter())
        self.memory.append(psutil.Process().memory_info().rss)

    def intervals(self) -> list[float]:
        """Seconds between the ends of two runs; the first follows the start of a process."""
        return [after - before for before, after in zip(self.times[1:-1], self.times[2:], strict=True)]


def run(options: argparse.Namespace) -> Path:
    """Measure; returns the path of the file."""
    require_positive(options, "runs", "seconds", "repeats", "no_op_runs")
    try:
        import ray
    except ImportError:
        raise GanZooError('Ray is not installed; pip install "gan-zoo[ray]"') from None
    for part in options.parts:
        check_known("part", part, PARTS)
    path = Path(options.out, "ray.json")
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    facts = provenance(torch.device("cpu"), options.command) | {"ray": ray.__version__}
    for part in options.parts:
        found[part] = facts | PARTS[part](options)
    atomic_write(path, json.dumps(found, indent=1, allow_nan=False) + "\n")
    return path


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    """A Ray cluster with one CPU."""
    import ray

    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        yield
    finally:
        ray.shutdown()


def overhead(options: argparse.Namespace) -> dict[str, Any]:
    """Comparison of the executors with runs of a second and with long ones."""
    with cluster():
        step = statistics.median(timed("local", CALIBRATION_STEPS, options.runs)) / CALIBRATION_STEPS
        steps = {"tiny": TINY_STEPS, "long": max(TINY_STEPS, round(options.seconds / step))}
        return {name: compared(number, options) for name, number in steps.items()}


def compared(steps: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a run of so many steps by both executors, and by how much Ray's is longer."""
    seconds: dict[str, list[float]] = {"local": [], "ray": []}
    for _ in range(options.repeats):
        for executor, found in seconds.items():
            found += timed(executor, steps, options.runs)
    medians = {executor: statistics.median(found) for executor, found in seconds.items()}
    difference = medians["ray"] - medians["local"]
    return {
        "steps": steps,
        "seconds": seconds,
        "median_seconds": medians,
        "overhead_seconds": difference,
        "overhead": difference / medians["local"],
    }


def timed(executor: str, steps: int, count: int) -> list[float]:
    """Seconds of each of ``count`` runs, one at a time, after two that are not counted."""
    ends = Ends()
    with suite(["gan"], count + 2, steps) as path, tempfile.TemporaryDirectory() as folder:
        plan = make_plan(
            RunOptions(suite=path, preset="timing", device="cpu", executor=executor, jobs=1, isolate=True, threads=1)
        )
        if failed := run_plan(plan, Path(folder), ends):
            raise GanZooError(f"{failed[0]}; nothing was measured")
    return ends.intervals()


@contextlib.contextmanager
def suite(variants: Sequence[str], seeds: int, steps: int) -> Iterator[Path]:
    """The file of a suite."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "timing.toml")
        path.write_text(SUITE.format(variants=json.dumps(list(variants)), seeds=seeds, steps=steps), encoding="utf-8")
        yield path


def nothing(_versions: object, _setup: object, _name: str, _records: bytes) -> Iterator[Any]:
    """In place of a run: two rows, and no training."""
    from gan_zoo.bench.executors.ray_worker import Update

    end = {"row": "end", "status": "ok", "message": "", "seconds": 0.0}
    yield Update(0, b'{"row":"begin"}\n{"row":"end"}\n', end=end)


def updating(_versions: object, _setup: object, _name: str, _records: bytes) -> Iterator[Any]:
    """In place of a run: ``UPDATES`` updates with a row of history and progress each, and no training."""
    from gan_zoo.bench.executors.ray_worker import Update

    values = {f"value {number}": 0.123456789 for number in range(8)}
    row = json.dumps({"row": "history", "values": values}).encode() + b"\n"
    for number in range(UPDATES):
        progress = {"training": [number / UPDATES, 1000.0, values], "evaluating": False, "notices": []}
        yield Update(number * len(row), row, progress=progress)
    end = {"row": "end", "status": "ok", "message": "", "seconds": 0.0}
    yield Update(UPDATES * len(row), b'{"row":"end"}\n', end=end)


def driven(work: Callable[..., Iterator[Any]], count: int) -> tuple[Ends, dict[str, Any]]:
    """The ends of ``count`` runs with ``work`` in place of training, and what the driver needs for all of them."""
    from gan_zoo.bench.executors import ray as executor

    seeds = min(count, 1_000)
    names = [name for name in registry.names() if registry.is_own(name)][: -(-count // seeds)]
    ends = Ends()
    with suite(names, seeds, 1) as path, tempfile.TemporaryDirectory() as folder:
        plan = make_plan(RunOptions(suite=path, preset="timing", device="cpu", executor="ray", threads=1))
        runs = [run for run in plan.runs() if run.variant is not None][:count]
        memory = psutil.Process().memory_info().rss
        started = time.perf_counter()
        cpu_started = time.process_time()
        with mock.patch.object(executor, "work", work):
            ended = sum(1 for _ in executor.execute(plan, runs, Path(folder), ends, Stop()))
        needed = {
            "seconds_with_start": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
            "memory_before_bytes": memory,
        }
        written = sum(1 for _ in (Path(folder) / RECORDS).glob("*.jsonl"))
    if not ended == written == count:
        raise GanZooError(f"{ended} of {count} runs ended, and {written} have records")
    return ends, needed


def no_op(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of the driver with runs that do nothing."""
    count = options.no_op_runs
    ends, needed = driven(nothing, count)
    seconds = ends.times[-1] - ends.times[0]
    return {
        "runs": count,
        "seconds": seconds,
        "runs_per_second": count / seconds,
        **needed,
        "memory_bytes": [ends.memory[place * (count - 1) // (SAMPLES - 1)] for place in range(SAMPLES)],
    }


def updates(options: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of the driver for an update of a run."""
    seconds: dict[str, list[float]] = {"nothing": [], "updating": []}
    with cluster():
        # The worker process starts.
        driven(nothing, 1)
        for _ in range(options.repeats):
            for work in (nothing, updating):
                _, needed = driven(work, UPDATING_RUNS)
                seconds[work.__name__].append(needed["cpu_seconds"])
    difference = statistics.median(seconds["updating"]) - statistics.median(seconds["nothing"])
    count = UPDATING_RUNS * UPDATES
    return {"updates": count, "cpu_seconds": seconds, "cpu_seconds_per_update": difference / count}


PARTS = {"overhead": overhead, "no_op": no_op, "updates": updates}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    options = {
        "--out": (Path("results/scale"), "folder to write to"),
        "--parts": (list(PARTS), "what to measure"),
        "--runs": (4, "runs that are timed, of each length, executor and repeat"),
        "--seconds": (10.0, "seconds of a long run, about"),
        "--repeats": (2, "repeats"),
        "--no-op-runs": (10_000, "runs that do nothing"),
    }
    smoke = {"runs": 2, "seconds": 0.5, "repeats": 1, "no_op_runs": 50}
    return run_command(__doc__, "speed.ray", run, options, arguments, smoke=smoke)


if __name__ == "__main__":
    raise SystemExit(main())
