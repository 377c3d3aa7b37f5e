"""What checkpoints cost: bytes and milliseconds a save, and the share of a run that goes into them.

Example: GAN_ZOO_DATA=DIR python benchmarks/checkpoint_cost.py --data mnist --out results/checkpoint-cost

Saves alternate with training of batches of 32 in one process, so that both see the same load. The share is that of the
saves every 60 seconds (the default of --checkpoint-every), and of these with those at the evaluations of the preset
`quick` of the suite `mnist`, in the time that the preset's budget takes. Seconds are medians. Writes cost.csv and
manifest.json (machine, its load, commit and settings) to --out.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from script import finish

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", {}),
    "cgan": ("cgan", {}),
    "dcgan, width 16": ("dcgan", {"width": 16}),
    "dcgan, width 128": ("dcgan", {"width": 128}),
}
BATCH = 32
"""Of the preset `quick`."""
INTERVAL = 60.0


@dataclass(frozen=True)
class Cost:
    """The measured cost of one variant's checkpoints; shares are of the time of training and saving together."""

    variant: str
    bytes: int
    save_ms: float
    save_ms_max: float
    step_ms: float
    share_by_time: float
    share_of_quick: float


def parser() -> argparse.ArgumentParser:
    """The options."""
    description, _, rest = (__doc__ or "").partition("\n\n")
    made = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = made.add_argument
    add("--data", default="digits", help="data set (digits)")
    add("--saves", type=int, default=15, help="saves of each variant (15)")
    add("--seconds", type=float, default=1.0, help="training between two saves (1.0)")
    add("--threads", type=int, default=1, help="CPU threads (1, as a run of a suite has)")
    add("--out", type=Path, help="folder for cost.csv and manifest.json; by default the table is only printed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and return the exit status: 2 for bad input, with one line that names it."""
    options = parser().parse_args(arguments)
    return finish(lambda: run(options))


def run(options: argparse.Namespace) -> str:
    """Measure all variants; the table as text.

    Raises:
        GanZooError: data that is not available, numbers below 1, or a folder that cannot be written to.
    """
    import pandas as pd
    import torch
    from timing.machine import commit, machine

    from gan_zoo.errors import GanZooError
    from gan_zoo.io import atomic_write, check_writable

    if options.saves < 1 or options.threads < 1 or not options.seconds > 0:
        raise GanZooError("--saves and --threads must be at least 1, and --seconds above 0")
    if options.out is not None:
        check_writable(options.out)
    torch.set_num_threads(options.threads)
    table = pd.DataFrame([asdict(measure(name, options)) for name in VARIANTS])
    if options.out is not None:
        atomic_write(options.out / "cost.csv", table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
        settings = {key: value for key, value in vars(options).items() if key != "out"}
        facts = {
            "machine": machine(torch.device("cpu")),
            "commit": commit(),
            "load_average": os.getloadavg()[0],
            "settings": {**settings, "batch_size": BATCH, "interval_seconds": INTERVAL},
        }
        atomic_write(options.out / "manifest.json", json.dumps(facts, indent=2) + "\n")
    return table.to_string(index=False, float_format="%.4g")


def measure(name: str, options: argparse.Namespace) -> Cost:
    """Train a variant and save it in turn."""
    from gan_zoo import data, registry
    from gan_zoo.engine import advance, checkpoint, init

    variant, settings = VARIANTS[name]
    made = registry.get(variant, **settings, batch_size=BATCH)
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
    images, evaluations = quick()
    training = images / BATCH * step
    number = training // INTERVAL + evaluations
    return Cost(
        variant=name,
        bytes=size,
        save_ms=1e3 * save,
        save_ms_max=1e3 * max(saves),
        step_ms=1e3 * step,
        share_by_time=save / (save + INTERVAL),
        share_of_quick=number * save / (number * save + training),
    )


def quick() -> tuple[float, int]:
    """Images and evaluations of the preset ``quick`` of the suite ``mnist``."""
    from gan_zoo.bench.suite import read_suite

    preset = read_suite("mnist").preset("quick")
    return preset.budget["images"], len(preset.evaluation_points(60_000))


if __name__ == "__main__":
    sys.exit(main())
