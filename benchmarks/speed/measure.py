"""Interleaved rounds: every mode in a process of its own, with timed turns one after another."""

import statistics
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.speed import timed_modes
from benchmarks.speed.baseline_loop import VARIANTS, WORKERS
from benchmarks.speed.roofline import Cost
from benchmarks.speed.timed_modes import ENGINE, ModeProcess

CAP = 3
"""Multiple of the requested rounds that is measured at most if other processes disturb them."""
LIMIT = 0.05
"""Share of all cores' time above which other processes spoil a turn."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Device (``cpu``, ``cuda``), CPU threads a process, seconds a turn, and rounds requested."""

    device: str
    threads: int
    seconds: float
    rounds: int


@dataclass(frozen=True)
class Timing:
    """One mode in one round; ``others`` is the share of the cores' time that other processes used."""

    images_per_second: float
    ms_per_step: float
    others: float
    workers: dict[int, float]
    """Images per second of the baseline loop by the DataLoader's workers; empty for other modes."""


Round = dict[str, Timing]


@dataclass
class Timings:
    """All rounds of one variant, and facts by mode."""

    variant: str
    rounds: list[Round]
    facts: dict[str, Row]

    @property
    def clean(self) -> list[Round]:
        """The rounds that no other process disturbed."""
        return [one for one in self.rounds if all(timing.others <= LIMIT for timing in one.values())]

    @property
    def counted(self) -> list[Round]:
        """The rounds that are evaluated: the clean ones, or all of them if there is none."""
        return self.clean or self.rounds

    @property
    def noisy(self) -> bool:
        """Whether more than half of the rounds were disturbed."""
        return len(self.clean) < len(self.rounds) / 2


def cpu_seconds() -> tuple[float, float, float]:
    """Seconds of all cores since the start of the machine: in total, in use (by other machines too), and our own.

    Our own are those of this process and its descendants.
    """
    times = psutil.cpu_times()
    own = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            own += sum(process.cpu_times()[:4])  # user, system, and those of children that have ended
        except psutil.NoSuchProcess:
            continue
    total = sum(times[:8])  # without guests, which are part of user
    return total, total - times.idle - getattr(times, "iowait", 0.0), own


def others_share(before: tuple[float, float, float], after: tuple[float, float, float]) -> float:
    """Share of all cores' time that others used between two readings, in [0, 1]."""
    total, used, own = (late - early for early, late in zip(before, after, strict=True))
    return max(0.0, used - own) / total if total > 0 else 0.0


def modes_of(variant: str, device: str) -> list[str]:
    """The modes of a variant on a device; only the articles' four systems have a baseline loop."""
    engine = [mode for mode in ENGINE if mode != "tf32" or device != "cpu"]
    return [*(("tutorial", "in_memory") if variant in VARIANTS else ()), *engine]


def interleaved(variant: str, setting: Setting, until: float) -> Timings:
    """Measure a variant: rounds until enough are clean, up to a cap or the time ``until`` (`time.monotonic`).

    At least one round is measured. On a CPU the processes start one after another, on CUDA side by side.

    Raises:
        GanZooError: a process could not start, or failed.
    """
    with ExitStack() as stack:
        modes = []
        for name in modes_of(variant, setting.device):
            executor = stack.enter_context(timed_modes.process(setting.threads))
            modes.append(ModeProcess(name, variant, setting.device, executor))
            if setting.device == "cpu":
                modes[-1].await_start()
        for mode in modes:
            mode.await_start()
        found = Timings(variant, [], {mode.mode: mode.facts for mode in modes})
        longest = 0.0
        while len(found.clean) < setting.rounds and len(found.rounds) < CAP * setting.rounds:
            started = time.monotonic()
            if found.rounds and started + longest > until:
                break
            found.rounds.append({mode.mode: timed(mode, setting.seconds) for mode in modes})
            longest = max(longest, time.monotonic() - started)
            steps = ", ".join(f"{mode} {timing.ms_per_step:.4g}" for mode, timing in found.rounds[-1].items())
            print(f"{variant}: ms per step: {steps}", flush=True)
    return found


def timed(mode: ModeProcess, seconds: float) -> Timing:
    """A turn; of the baseline loop one for each number of DataLoader workers, of which the fastest counts."""
    before = cpu_seconds()
    turns = {}
    for workers in WORKERS if mode.mode == "tutorial" else (0,):
        turns[workers], facts = mode.call(timed_modes.turn, seconds, workers)
        mode.facts |= facts
    others = others_share(before, cpu_seconds())
    rates = {workers: turn.images / turn.seconds for workers, turn in turns.items()}
    best = turns[max(rates, key=rates.__getitem__)]
    return Timing(
        images_per_second=best.images / best.seconds,
        ms_per_step=1e3 * best.seconds / best.steps,
        others=others,
        workers=rates if mode.mode == "tutorial" else {},
    )


def rows_of(timings: Timings, cost: Cost) -> list[Row]:
    """A row a mode: medians over rounds; ratios are to ``tutorial`` in the same round."""
    rows = []
    for mode, facts in timings.facts.items():
        mine = [one[mode] for one in timings.counted]
        milliseconds = statistics.median(timing.ms_per_step for timing in mine)
        row = {
            "variant": timings.variant,
            "mode": mode,
            "precision": ENGINE.get(mode, "fp32"),
            "images_per_second": statistics.median(timing.images_per_second for timing in mine),
            "ms_per_step": milliseconds,
            "rounds": len(mine),
            "discarded": len(timings.rounds) - len(timings.clean),
            "noisy": timings.noisy,
            **facts,
            **_ratios(timings.counted, mode),
            "flops_per_step": cost.flops,
            "flops_per_second": cost.flops / milliseconds * 1e3,
            "flops_per_byte": cost.flops / cost.bytes_moved(2 if ENGINE.get(mode) == "bf16" else 4),
        }
        if mode == "tutorial":
            fastest = Counter(max(timing.workers, key=timing.workers.__getitem__) for timing in mine)
            row["workers"] = fastest.most_common(1)[0][0]
        rows.append(row)
    return rows


def _ratios(rounds: list[Round], mode: str) -> Row:
    """Median, least and largest ratio of images per second; None without a baseline loop."""
    if "tutorial" not in rounds[0]:
        return dict.fromkeys(("ratio_median", "ratio_min", "ratio_max"))
    ratios = [one[mode].images_per_second / one["tutorial"].images_per_second for one in rounds]
    return {"ratio_median": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
