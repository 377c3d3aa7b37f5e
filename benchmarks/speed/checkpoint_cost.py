"""Cost of checkpoints: bytes and milliseconds a save, and the share of a run that is spent on them.

Example: GAN_ZOO_DATA=DIR python -m benchmarks.speed.checkpoint_cost --data mnist --out results/checkpoint-cost

Saves alternate with training of batches of 32 in one process. The share is that of the saves every 60 seconds (the
default of --checkpoint-every), and of these with those at the evaluations of the preset `quick` of the suite `mnist`,
in the time that the preset's budget takes. Seconds are medians. Writes cost.csv and manifest.json to --out.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.common import provenance, require_positive, run_command
from gan_zoo import data, registry
from gan_zoo.bench.records import write_json
from gan_zoo.bench.suite import read_suite
from gan_zoo.engine import advance, checkpoint, init
from gan_zoo.io import atomic_write, check_writable

VARIANTS: dict[str, dict[str, Any]] = {
    "gan": {},
    "cgan": {},
    "dcgan, width 16": {"width": 16},
    "dcgan, width 128": {"width": 128},
}
"""A registered name, with a remark, and its options."""
BATCH = 32
INTERVAL = 60.0

OPTIONS = {
    "--data": ("digits", "data set"),
    "--saves": (15, "saves of each variant"),
    "--seconds": (1.0, "training between two saves"),
    "--threads": (1, "CPU threads, as a run of a suite has"),
    "--out": (Path("results/checkpoint-cost"), "folder to write to"),
}


def run(options: argparse.Namespace) -> str:
    """Measure all variants; returns the table as text.

    Raises:
        GanZooError: missing data, numbers that are not positive, or a folder that cannot be written to.
    """
    require_positive(options, "saves", "seconds", "threads")
    check_writable(options.out)
    torch.set_num_threads(options.threads)
    frame = pd.DataFrame([measure(name, options) for name in VARIANTS])
    atomic_write(options.out / "cost.csv", frame.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    facts = provenance(torch.device("cpu"), options.command) | {"load_average": os.getloadavg()[0], "batch_size": BATCH}
    write_json(options.out / "manifest.json", facts)
    return frame.to_string(index=False, float_format="%.4g")


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train a variant and save it in turn; shares are of the time of training and saving together."""
    made = registry.get(name.partition(",")[0], **VARIANTS[name], batch_size=BATCH)
    state = init(made, data.load(options.data, side=made.image_side), seed=0)
    advance(state, 5)
    saves, steps = [], []
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        path = Path(folder) / "state.safetensors"
        for _ in range(options.saves):
            began = time.perf_counter()
            while time.perf_counter() - began < options.seconds:
                started = time.perf_counter()
                advance(state, 1)
                steps.append(time.perf_counter() - started)
            started = time.perf_counter()
            checkpoint.save(state, path, keep_previous=True)
            saves.append(time.perf_counter() - started)
        size = path.stat().st_size
    save, step = statistics.median(saves), statistics.median(steps)
    preset = read_suite("mnist").preset("quick")
    training = preset.budget["images"] / BATCH * step
    number = training // INTERVAL + len(preset.evaluation_points(60_000))
    return {
        "variant": name,
        "bytes": size,
        "save_ms": 1e3 * save,
        "save_ms_max": 1e3 * max(saves),
        "step_ms": 1e3 * step,
        "share_by_time": save / (save + INTERVAL),
        "share_of_quick": number * save / (number * save + training),
    }


main = partial(run_command, __doc__, "speed.checkpoint_cost", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
