"""One run of `least_squares.py`: measure, or take what was measured, and write the report."""

import argparse
import dataclasses
import datetime
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from timing import machine, quality

from gan_zoo.bench.records import write_json
from gan_zoo.device import pick
from gan_zoo.engine import Diverged
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from pull.bins import binned, by_region
from pull.losses import VARIANTS
from pull.measure import FAR, FRACTIONS, LATENT, Neighbors, Setting, load, measured
from pull.picture import draw
from pull.stored import Measurement
from pull.write import markdown

say = partial(print, file=sys.stderr, flush=True)


def run(options: argparse.Namespace) -> Path:
    """Write everything to ``options.out``, and give back the report's path.

    Raises:
        GanZooError: bad input, missing data, a wrong folder for the contrast, or a run that diverged.
    """
    contrast = quality.contrasts(options.contrast, VARIANTS[0], VARIANTS[1:]) if options.contrast else None
    before = Measurement.read(options.out) if contrast else None
    now = before or _measure(options)
    if contrast:
        now.manifest["contrast"] = {"results": options.contrast.as_posix(), "rows": contrast}
    return _write(now, options.out)


def _measure(options: argparse.Namespace) -> Measurement:
    started, device = time.perf_counter(), pick(options.device)
    setting = Setting(options.data, options.images, options.seeds, options.n)
    dataset = load(setting, options.data_root, device)
    neighbors = Neighbors.of(dataset)
    frames = []
    try:
        frames = list(measured(setting, dataset, neighbors, say))
    except Diverged as error:
        raise GanZooError(f"training diverged: {error}") from None
    fakes = pd.concat(frames, ignore_index=True)
    manifest: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "commit": machine.commit(),
        "seconds": time.perf_counter() - started,
        "machine": machine.machine(device),
        "data": {"name": dataset.name, "title": dataset.title, "fingerprint": dataset.fingerprint},
        "settings": dataclasses.asdict(setting)
        | {"n": len(frames[0]), "latent": LATENT, "fractions": FRACTIONS, "variants": VARIANTS},
        "neighbors": {
            "extractor": neighbors.extractor.name,
            "digest": neighbors.extractor.digest,
            "images": len(neighbors.labels),
            "quantile": FAR,
            "far": neighbors.far,
        },
        "contrast": None,
    }
    return Measurement(binned(fakes), by_region(fakes), manifest)


def _write(now: Measurement, out: Path) -> Path:
    for name, frame in (("gradients", now.gradients), ("fakes", now.fakes)):
        atomic_write(out / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    draw(now, out / "gradients.png")
    report = out / "least_squares.md"
    atomic_write(report, markdown(now))
    write_json(out / "manifest.json", now.manifest)
    return report
