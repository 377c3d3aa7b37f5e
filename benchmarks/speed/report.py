"""Time the engine against the training loop of tutorials, and against the peak of the machine.

Example: python -m benchmarks.speed.report --variants gan,cgan,dcgan,lsgan --repeats 7

Writes DEVICE.json, DEVICE.md and DEVICE.png to --out, again after every variant.
"""

import argparse
import json
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.common import ROOT, digest, provenance, require_positive, run_command, table
from benchmarks.speed import roofline, timed_modes
from benchmarks.speed.measure import Setting, interleaved, rows_of
from gan_zoo import data, registry
from gan_zoo.bench.records import plain, write_json
from gan_zoo.device import cores, describe, pick
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.io import atomic_write

CLASSES = 10
TABLES = {
    "Speed": "images_per_second ms_per_step ratio_median ratio_min ratio_max repeats discarded noisy",
    "Share of the machine's peak": (
        "gflop_per_step gflop_per_second share_of_peak flops_per_byte share_of_roofline ratio_at_peak"
    ),
    "Memory and warm-up": "peak_memory_mib warm_up_seconds note",
}
"""The columns of each table."""
READING = """
Medians over repeats; in a repeat every mode has a turn, and a repeat in which other programs took more than 5% of the
cores' time is discarded. `tutorial` is `benchmarks/speed/baseline_loop.py` with the fastest of 0, 2 and 4 workers,
`in_memory` the same with its data as one tensor, `exact` and `fast` the engine in fp32 and bf16. Ratios are to
`tutorial` in the same repeat. `share_of_peak` counts the operations of the engine's step in every mode; `ratio_at_peak`
is the ratio of a step that takes its operations at the peak.
"""


def markdown(report: dict[str, Any]) -> str:
    """The tables; what was not measured is left out."""
    settings = report["settings"]
    versions = report["machine"]["versions"]
    parts = [
        f"# Speed on {report['machine']['device']}",
        f"{report['date']}, commit {report['commit']}, torch {versions['torch']}, {settings['threads']} threads, turns "
        f"of {settings['seconds']:g} s. `{report['command']}`",
    ]
    if report["rows"]:
        rows = pd.DataFrame(report["rows"])
        rows["gflop_per_step"] = rows["flops_per_step"] / 1e9
        rows["gflop_per_second"] = rows["flops_per_second"] / 1e9
        rows["peak_memory_mib"] = rows["peak_memory_bytes"] / 2**20
        rows = rows.astype(dict.fromkeys(("share_of_peak", "share_of_roofline", "ratio_at_peak"), float))
        for title, columns in TABLES.items():
            parts += [f"## {title}", table(rows[["variant", "mode", *columns.split()]])]
        parts.append(READING.strip())
    if report["peaks"]:
        peaks = pd.DataFrame(report["peaks"]["by_shape"]) / 1e9
        copy = f"Copy: {report['peaks']['copy_bytes_per_second'] / 1e9:,.1f} GB/s, read and written."
        parts += ["## Peak of the machine, GFLOP/s", table(peaks.reset_index(names="shape")), copy]
    if report["left_out"]:
        parts.append(f"Left out for lack of time: {', '.join(report['left_out'])}.")
    return "\n\n".join(parts) + "\n"


class Speed:
    """One run: its options, its report so far, and its end in time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = pick(options.device)
        threads = options.threads or cores()
        torch.set_num_threads(threads)
        self.until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
        seconds = options.seconds_per_repeat or {"cpu": 2.0, "cuda": 1.0}[self.device.type]
        self.setting = Setting(str(self.device), threads, seconds, options.repeats)
        slug = re.sub(r"[^a-z0-9]+", "-", describe(self.device).lower()).strip("-")
        self.path = options.out / f"{slug}.json"
        code = digest([*(ROOT / "gan_zoo").rglob("*.py"), *Path(__file__).parent.glob("*.py")])
        self.report: dict[str, Any] = {
            **provenance(self.device, options.command),
            "code": code,
            "settings": vars(self.setting),
            "peaks": None,
            "rows": [],
            "left_out": [],
        }
        if options.resume and self.path.is_file():
            before = json.loads(self.path.read_text(encoding="utf-8"))
            if before["code"] == code:
                self.report |= {key: before[key] for key in ("peaks", "rows")}
            else:
                print(f"{self.path} is of other code: everything is measured again", flush=True)

    def run(self) -> Path:
        """Measure what is missing, and write after each part. Returns the path of the tables.

        Raises:
            GanZooError: something could not be measured; the rest is written.
        """
        data.load("mnist")
        if self.report["peaks"] is None:
            with timed_modes.process(self.setting.threads) as executor:
                self.report["peaks"] = executor.submit(roofline.measure_peaks, self.device).result()
        failures = []
        done = {row["variant"] for row in self.report["rows"]}
        todo = [variant for variant in self.options.variants if variant not in done]
        for position, variant in enumerate(todo):
            started = time.monotonic()
            if started > self.until:
                self.report["left_out"].append(variant)
                continue
            try:
                self.measure(variant, started + (self.until - started) / (len(todo) - position))
            except GanZooError as error:
                failures.append(f"{variant}, {error}")
            self.write()
        self.write()
        if failures:
            raise GanZooError("; ".join(failures))
        return self.path.with_suffix(".md")

    def measure(self, variant: str, until: float) -> None:
        """Add the rows of one variant."""
        made = registry.get(variant)
        cost = roofline.cost(made, (1, made.image_side, made.image_side), CLASSES)
        self.report["rows"] += rows_of(variant, *interleaved(variant, self.setting, until), cost)

    def write(self) -> None:
        """The report as JSON and as Markdown, with the roofline."""
        roofline.add_shares(self.report["rows"], self.report["peaks"])
        write_json(self.path, self.report)
        atomic_write(self.path.with_suffix(".md"), markdown(plain(self.report)))
        if self.report["rows"] and self.report["peaks"]:
            roofline.draw(self.path.with_suffix(".png"), self.report)


OPTIONS = {
    "--variants": ("gan,cgan,dcgan,lsgan", "names by commas"),
    "--device": (str, "cpu, cuda, cuda:1 ...; by default CUDA if there is one"),
    "--threads": (int, "CPU threads of each process; by default all cores"),
    "--repeats": (7, "repeats without disturbance by other programs"),
    "--seconds-per-repeat": (float, "seconds a mode trains in each repeat; by default 2 on a CPU, 1 on CUDA"),
    "--minutes": (float, "end after this time, with what has been measured by then"),
    "--resume": (bool, "keep what is in the file already, if it is of the same code"),
    "--out": (Path("results/speed"), "folder to write to"),
}


def run(options: argparse.Namespace) -> Path:
    """Check the options, and measure. Raises GanZooError."""
    options.variants = [word.strip() for word in options.variants.split(",") if word.strip()]
    for name in options.variants:
        check_known("variant", name, registry.names())
    require_positive(options, "threads", "repeats", "seconds_per_repeat", "minutes")
    return Speed(options).run()


main = partial(run_command, __doc__, "speed.report", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
