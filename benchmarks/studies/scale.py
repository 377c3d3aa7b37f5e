"""Simulate suites of thousands of runs on clusters: hours, GPU-hours, and what limits first.

Example: python -m benchmarks.studies.scale

The grid is that of Lucic et al., "Are GANs Created Equal? A Large-Scale Study", NeurIPS 2018: 8 losses, 4 data sets,
100 settings, 5 seeds. A discrete-event simulation of one queue of runs, of nodes that fail, and of a driver that
handles one end of a run after another, and their updates. Writes scale.csv, scale.json and scale.md to --out.

With --three-nodes it runs a suite on a Ray cluster of three nodes of this machine instead, predicts its wall time from
the seconds of its runs, and writes both to three_nodes.json. With --measured FOLDER --slots N it compares a results
folder in the same way. Both fail if the prediction is off by more than 20%.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.common import ROOT, NotReproduced, provenance, require_positive, run_command, save, table
from benchmarks.studies.cluster import Cluster, simulate
from gan_zoo.bench.folder import read_folder
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.runner import run_plan
from gan_zoo.device import derive
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.options import FLOOR, RunOptions

LOSSES = ("mmgan", "nsgan", "lsgan_dcgan", "wgan", "wgan_gp", "dragan", "began", "hinge")
DATA_SETS = 4
SETTINGS = 100
SEEDS = 5
GPUS = (1, 8, 64, 1024)
NODES = 3
HOUR = 3600.0
TOLERANCE = 0.2
"""Largest relative difference of a predicted time from the measured one."""
LOSS = 0.05
"""A loss of this share of the GPU time is named a limit."""
FULL = 0.8
"""A driver or storage that is busy for this share is named a limit."""


class Input(NamedTuple):
    """A number that the simulation needs; ``source`` is where it was measured, or ``assumed`` and why."""

    value: float
    unit: str
    source: str


def loss_seconds() -> dict[str, float]:
    """Measured seconds of a run of each loss, training and evaluation: medians over seeds."""
    runs = pd.read_csv(ROOT / "results" / "losses-quick" / "runs.csv")
    runs = runs[runs["steps"] == runs["steps"].max()]
    medians = (runs["seconds"] + runs["evaluation_seconds"]).groupby(runs["variant"]).median()
    return {loss: float(medians[loss]) for loss in LOSSES}


def inputs(measured: Path) -> dict[str, Input]:
    """All inputs by name; ``measured`` is the file of the Ray executor's timings, if there is one."""
    checkpoint = pd.read_csv(ROOT / "results" / "checkpoint-cost" / "cost.csv").set_index("variant")
    wide = checkpoint.loc["dcgan, width 128"]
    cost = "results/checkpoint-cost"
    ray = json.loads(measured.read_text(encoding="utf-8")) if measured.is_file() else {}
    overhead = Input(0.1, "s", "assumed: benchmarks.speed.ray has not measured it")
    driver = Input(0.01, "s", "assumed: benchmarks.speed.ray has not measured it")
    update = Input(0.001, "s", "assumed: benchmarks.speed.ray has not measured it")
    if "overhead" in ray:
        overhead = Input(max(0.0, ray["overhead"]["long"]["overhead_seconds"]), "s", f"measured: {measured}")
    if "no_op" in ray:
        driver = Input(1 / ray["no_op"]["runs_per_second"], "s", f"measured: {measured}, runs that do nothing")
    if "updates" in ray:
        update = Input(ray["updates"]["cpu_seconds_per_update"], "s", f"measured: {measured}, CPU time")
    mean = float(np.mean(list(loss_seconds().values())))
    return {
        "short run": Input(mean, "s", "measured: results/losses-quick, 1,200 steps on one CPU core, mean of 8 losses"),
        "long run": Input(
            6.85 * 365.25 * 24 * HOUR / (len(LOSSES) * DATA_SETS * SETTINGS * SEEDS),
            "s",
            "assumed: the 6.85 GPU-years that Lucic et al. report, over 16,000 runs",
        ),
        "spread over settings": Input(0.3, "SD of the log", "assumed"),
        "start-up": Input(4.8, "s", "measured: results/startup, to the first step, median"),
        "overhead of a run": overhead,
        "driver, end of a run": driver,
        "driver, an update": update,
        "between updates of a run": Input(0.5, "s", "the shortest period of the executor"),
        "updates of all runs": Input(500.0, "1/s", "the most that the executor requests"),
        "checkpoint": Input(float(wide["bytes"]), "bytes", f"measured: {cost}, DCGAN of width 128"),
        "wait for a checkpoint": Input(float(wide["save_ms"]) / 1000, "s", f"measured: {cost}"),
        "between checkpoints": Input(60.0, "s", "the default of --checkpoint-every"),
        "data": Input(3.0e9, "bytes", "computed: MNIST, Fashion-MNIST, CIFAR-10, CelebA at 64 px, uint8"),
        "bandwidth of a node": Input(1.25e9, "bytes/s", "assumed: 10 Gbit/s"),
        "bandwidth of the storage": Input(2.0e9, "bytes/s", "assumed"),
        "between failures of a node": Input(100 * 24.0, "h", "assumed"),
        "repair of a node": Input(600.0, "s", "assumed"),
    }


def cluster_of(gpus: int, known: dict[str, Input]) -> Cluster:
    """A cluster of so many GPUs, a run each, with these inputs; the more runs, the longer between updates of each."""
    return Cluster(
        slots=gpus,
        startup=known["start-up"].value,
        data=known["data"].value,
        bandwidth=known["bandwidth of a node"].value,
        storage=known["bandwidth of the storage"].value,
        driver=known["driver, end of a run"].value,
        driver_update=known["driver, an update"].value,
        update_period=max(known["between updates of a run"].value, gpus / known["updates of all runs"].value),
        run_overhead=known["overhead of a run"].value,
        checkpoint=known["checkpoint"].value,
        save=known["wait for a checkpoint"].value,
        every=known["between checkpoints"].value,
        between_failures=known["between failures of a node"].value * HOUR,
        repair=known["repair of a node"].value,
    )


def grid(mean: float, spread: float) -> list[float]:
    """Seconds of all runs of the grid, seed by seed as a suite runs them, with a mean of ``mean``."""
    losses = np.array(list(loss_seconds().values()))
    shape = (DATA_SETS, SETTINGS, 1)
    settings = np.random.default_rng(derive(0, "settings")).lognormal(sigma=spread, size=shape)
    once = (settings * losses).ravel()
    return [float(seconds) for seconds in np.tile(once * mean / once.mean(), SEEDS)]


def scenario(name: str, gpus: int, runs: Sequence[float], cluster: Cluster) -> dict[str, Any]:
    """A row of the table: a suite on a cluster."""
    found = simulate(runs, cluster)
    longest_first = simulate(sorted(runs, reverse=True), cluster)
    total = gpus * found.seconds
    # A node waits for the data of those before it, on average half of all.
    start = cluster.startup + cluster.data * (cluster.nodes + 1) / 2 / cluster.bandwidth
    losses = {
        "tail": found.tail / total,
        "data and start-up": start / found.seconds,
        "checkpoints": sum(runs) * (cluster.stretch - 1) / total,
        "failures": (found.lost + found.failures * min(gpus, cluster.slots_a_node) * cluster.repair) / total,
    }
    busy = {"driver busy": found.driver / found.seconds, "storage busy": cluster.storage_share}
    limits = {name: share for name, share in busy.items() if share >= FULL}
    limits |= {name: share for name, share in losses.items() if share >= LOSS}
    return {
        "runs": name,
        "GPUs": gpus,
        "hours": found.seconds / HOUR,
        "GPU-hours": total / HOUR,
        "training, %": 100 * sum(runs) / total,
        **{f"{name}, %": round(100 * share, 2) for name, share in (losses | busy).items()},
        "failed nodes": found.failures,
        "hours, longest first": longest_first.seconds / HOUR,
        "limit": max(limits, key=lambda name: limits[name], default="none"),
    }


def run(options: argparse.Namespace) -> Path | str:
    """Simulate and write, or compare with a measured time; returns the path of the report or the comparison."""
    require_positive(options, "slots", "startup", "seeds")
    if options.three_nodes:
        found = three_nodes(options)
        facts = provenance(torch.device("cpu"), options.command)
        atomic_write(options.out / "three_nodes.json", json.dumps(facts | found, indent=1, allow_nan=False) + "\n")
        return checked(found)
    if options.measured is not None:
        return checked(compared(options.measured, options.slots, options))
    known = inputs(options.ray)
    kinds = {name: grid(known[f"{name} run"].value, known["spread over settings"].value) for name in ("short", "long")}
    rows = [
        scenario(name, gpus, runs, cluster_of(gpus, known)) for name, runs in kinds.items() for gpus in options.gpus
    ]
    frame = pd.DataFrame(rows)
    facts = {"command": options.command, "inputs": {name: value._asdict() for name, value in known.items()}}
    return save(options.out, "scale", facts, frame, report(options.command, frame, known))


def driver_limit(seconds: float, known: dict[str, Input]) -> float:
    """The number of GPUs, a run of so many seconds each, whose updates and ends take all time of the driver."""
    ends = known["driver, end of a run"].value / seconds
    update = known["driver, an update"].value
    at_shortest_period = 1 / (ends + update / known["between updates of a run"].value)
    at_most_updates = (1 - update * known["updates of all runs"].value) / ends
    return max(at_shortest_period, at_most_updates)


def report(command: str, frame: pd.DataFrame, known: dict[str, Input]) -> str:
    """The report as Markdown."""
    listed = pd.DataFrame([{"input": name, **value._asdict()} for name, value in known.items()])
    storage = known["bandwidth of the storage"].value
    written = known["checkpoint"].value / known["between checkpoints"].value
    bounds = pd.DataFrame(
        {
            "runs": name,
            "GPUs that keep the driver busy": driver_limit(known[f"{name} run"].value, known),
            "GPUs that keep the storage busy": storage / written,
        }
        for name in ("short", "long")
    )
    count = len(LOSSES) * DATA_SETS * SETTINGS * SEEDS
    factors = f"{len(LOSSES)} losses x {DATA_SETS} data sets x {SETTINGS} settings x {SEEDS} seeds"
    return f"""# A large-scale study on clusters, simulated

{factors}: {count:,} runs, one a GPU. `{command}`

{table(frame)}

- training to failures: shares of the GPU-hours. Tail: GPUs without work before the last run ends. Failures: what is
  trained again, and repair.
- driver, storage: share of the time, or of the bandwidth. The driver handles the ends of runs and their updates. Data:
  one node after another, which is pessimistic, as Ray's nodes pass objects on.
- longest first: the same runs in the order of their length, in place of seed by seed.
- limit: the largest loss of at least {LOSS:.0%}, or a driver or storage that is busy for {FULL:.0%}.

{table(bounds)}

## Inputs

{table(listed)}
"""


def seconds_of(record: RunRecord) -> float:
    """Seconds of a run, training and evaluation."""
    end = record.end or {}
    return float(end.get("seconds", 0.0) + end.get("warmup_seconds", 0.0) + end.get("evaluation_seconds", 0.0))


def compared(folder: Path, slots: int, options: argparse.Namespace) -> dict[str, Any]:
    """The predicted and the measured wall time of a results folder that one command wrote, in seconds.

    Raises:
        GanZooError: a run has not ended.
    """
    manifest, records = read_folder(folder)
    if not manifest.get("finished") or any(record.end is None for record in records):
        raise GanZooError(f"{str(folder)!r} has runs that have not ended; run the same command again")
    records.sort(key=lambda record: (record.begin["seed"], record.begin["variant"] == FLOOR))
    known = inputs(options.ray)
    startup = known["start-up"].value if options.startup is None else options.startup
    # The seconds of the runs include their checkpoints, and the nodes of one machine have its data.
    undisturbed = {"data": 0.0, "checkpoint": 0.0, "save": 0.0, "between_failures": math.inf}
    local = replace(cluster_of(slots, known), startup=startup, **undisturbed)
    predicted = simulate([seconds_of(record) for record in records], local).seconds
    measured = manifest["wall_seconds"]
    return {
        "runs": len(records),
        "trained_runs": sum(record.begin["variant"] != FLOOR for record in records),
        "slots": slots,
        "startup_seconds": startup,
        "predicted_seconds": predicted,
        "measured_seconds": measured,
        "ratio": predicted / measured,
    }


def checked(found: dict[str, Any]) -> str:
    """A comparison in a line.

    Raises:
        NotReproduced: the times differ by more than ``TOLERANCE``.
    """
    times = f"predicted {found['predicted_seconds']:.1f} s, measured {found['measured_seconds']:.1f} s"
    line = f"{found['runs']} runs, {found['slots']} slots: {times}, ratio {found['ratio']:.2f}"
    if abs(found["ratio"] - 1) > TOLERANCE:
        raise NotReproduced(f"{line}; expected within {TOLERANCE:.0%}")
    return line


def three_nodes(options: argparse.Namespace) -> dict[str, Any]:
    """Run a suite on a Ray cluster of three nodes of this machine, a CPU each, and compare its wall time.

    Raises:
        GanZooError: Ray is not installed, or a run failed.
    """
    seeds = range(options.seeds)
    plan = make_plan(
        RunOptions(suite="digits", preset="smoke", seeds=seeds, device="cpu", executor="ray", threads=1, download=False)
    )
    import ray
    from ray import cluster_utils

    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        ray.init(cluster.address, log_to_driver=False, logging_level="error")
        with tempfile.TemporaryDirectory() as folder:
            if failed := run_plan(plan, Path(folder)):
                raise GanZooError(f"{failed[0]}; nothing was measured")
            return compared(Path(folder), NODES, options)
    finally:
        ray.shutdown()
        cluster.shutdown()


OPTIONS = {
    "--out": (Path("results/scale"), "folder to write to"),
    "--gpus": (list(GPUS), "numbers of GPUs"),
    "--ray": (Path("results/scale/ray.json"), "timings of the Ray executor, as benchmarks.speed.ray writes them"),
    "--three-nodes": (bool, "run the suite `digits` on a Ray cluster of three nodes of this machine, and compare"),
    "--seeds": (15, "with --three-nodes: seeds of each of the 4 variants"),
    "--measured": (Path, "a results folder that one command wrote: compare the simulation with it"),
    "--slots": (NODES, "with --measured: runs side by side"),
    "--startup": (float, "in a comparison, seconds of a worker before its first run; by default results/startup"),
}

main = partial(run_command, __doc__, "studies.scale", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
