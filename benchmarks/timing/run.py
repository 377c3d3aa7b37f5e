"""One run of `speed.py`: its parts one after another, written down as they come."""

import argparse
import datetime
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from gan_zoo import data, registry
from gan_zoo.bench.records import plain, write_json
from gan_zoo.device import cores, describe, pick
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from timing import evaluation, machine, quality, roofline, startup
from timing.contest import Setting, contest
from timing.flops import cost, measured_flops
from timing.rows import against_peaks, rows_of
from timing.table import markdown

TAIL_SHARE = 0.25
"""Share of a limited time that is kept for what comes after the rows."""
MARGIN, STARTUP_SECONDS = 1.3, 30.0
"""A variant begins only where this many times what the longest one took at least is left; start-up takes so long."""
SMALL = "gan,dcgan28"
"""Variants that leave most of a large device idle, by commas."""
_KEPT = ("peaks", "rows", "evaluation", "startup", "profile", "quality", "together")


class Speed:
    """One run: its options, the report as far as it has come, and its end in time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, pick(options.device)
        threads = options.threads or cores()
        torch.set_num_threads(threads)
        self.until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
        seconds = options.seconds_per_round or {"cpu": 2.0, "cuda": 1.0}[self.device.type]
        self.setting = Setting(str(self.device), threads, seconds, options.rounds)
        slug = re.sub(r"[^a-z0-9]+", "-", describe(self.device).lower()).strip("-")
        self.path = options.out / f"{slug}.json"
        self.report = self._begin(slug)
        self.failures: list[str] = []

    def _begin(self, slug: str) -> dict[str, Any]:
        """An empty report, or with --resume the one on disk where the code is the same."""
        report = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": shlex.join(["python", *sys.argv]),
            "commit": machine.commit(),
            "code": machine.code(),
            "slug": slug,
            "machine": machine.machine(self.device),
            "settings": {
                "rounds": self.setting.rounds,
                "seconds": self.setting.seconds,
                "threads": self.setting.threads,
            },
            "peaks": None,
            "rows": [],
            "evaluation": None,
            "startup": None,
            "quality": None,
            "together": None,
            "profile": {},
            "left_out": [],
        }
        if not self.options.resume or not self.path.is_file():
            return report
        before = json.loads(self.path.read_text(encoding="utf-8"))
        if before["code"] != report["code"]:
            say(f"{self.path} is of other code: measuring all anew")
            return report
        return report | {key: before[key] for key in _KEPT}

    def run(self) -> None:
        """Measure what is asked for and not there yet, and write after each part.

        Raises:
            GanZooError: something could not be measured; what could be is written.
        """
        data.load("mnist")
        if "peaks" in self.options.parts and self.report["peaks"] is None:
            self._part("peaks", lambda: self._process("timing.peaks", str(self.device)))
        if "rows" in self.options.parts:
            self._variants()
        if "evaluation" in self.options.parts and self.report["evaluation"] is None:
            self._part("evaluation", self._evaluation)
        if "together" in self.options.parts and self.device.type == "cuda" and self.report["together"] is None:
            self._part("together", lambda: self._process("timing.together", str(self.device), SMALL))
        if self.options.results and self.report["evaluation"]:
            self.report["evaluation"]["share_of_run"] = evaluation.share_of_run(self.options.results)
        if "startup" in self.options.parts and self.report["startup"] is None:
            self._part("startup", lambda: startup.measured(str(self.device), min(self._left(), 180.0)), STARTUP_SECONDS)
        if self.options.quality:
            self.report["quality"] = quality.differences(*self.options.quality)
        self.write()
        if self.failures:
            raise GanZooError("; ".join(self.failures))

    def _variants(self) -> None:
        done = {row["variant"] for row in self.report["rows"]}
        todo = [variant for variant in self.options.variants if variant not in done]
        least, reserve = 0.0, TAIL_SHARE * self._left() if self.options.minutes else 0.0
        for place, variant in enumerate(todo):
            if self._left() < MARGIN * least:
                self.report["left_out"].append(variant)
                continue
            share = max(0.0, self._left() - reserve) / (len(todo) - place)
            try:
                least = max(least, self._variant(variant, time.monotonic() + share))
            except GanZooError as error:
                self.failures.append(f"{variant}, {error}")
            self.write()

    def _variant(self, variant: str, until: float) -> float:
        """Measure one variant; gives the seconds that a single round of it would have taken, its start included."""
        made = registry.get(variant)
        shape, classes = (1, made.image_side, made.image_side), 10
        needed, counted = cost(made, shape, classes), measured_flops(made, shape, classes)
        found = contest(variant, self.setting, until, profile=self.options.profile, say=say)
        self.report["rows"] += rows_of(found, needed, counted)
        if found.profiles:
            self.report["profile"][variant] = found.profiles
        return found.least_seconds

    def _evaluation(self) -> dict[str, Any]:
        names = ",".join(self.options.variants)
        return {**self._process("timing.evaluation", str(self.device), names), "share_of_run": None}

    def _part(self, name: str, measure: Callable[[], Any], least: float = 0.0) -> None:
        say(f"{name} ...")
        try:
            self.report[name] = measure() if self._left() > least else None
        except subprocess.TimeoutExpired:
            self.report[name] = None
        except GanZooError as error:
            self.failures.append(f"{name}, {error}")
        if self.report[name] is None:
            self.report["left_out"].append(name)
        self.write()

    def _process(self, module: str, *arguments: str) -> Any:
        """What a module prints as JSON, run in a process of its own for as long as there is time."""
        ended = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=machine.environment(self.setting.threads),
            timeout=None if self.until == float("inf") else max(1.0, self._left()),
            check=False,
        )
        if ended.returncode:
            raise GanZooError(f"{module} ended with status {ended.returncode}; its message is above")
        return json.loads(ended.stdout)

    def _left(self) -> float:
        """Seconds until the time is up."""
        return self.until - time.monotonic()

    def write(self) -> None:
        """The report as JSON, as markdown, and as a picture where there are points and roofs to draw."""
        against_peaks(self.report["rows"], self.report["peaks"])
        write_json(self.path, self.report)
        atomic_write(self.path.with_suffix(".md"), markdown(plain(self.report)))
        if self.report["rows"] and self.report["peaks"]:
            roofline.draw(self.path.with_suffix(".png"), self.report)


def say(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)
