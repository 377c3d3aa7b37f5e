"""Interleaved timing: every mode in a process of its own, with timed turns one after another, repeated."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psutil

from benchmarks.speed import timed_modes
from benchmarks.speed.baseline_loop import VARIANTS, WORKERS
from benchmarks.speed.roofline import Cost
from benchmarks.speed.timed_modes import ENGINE, ModeProcess

CAP = 3
"""Multiple of the requested repeats that is measured at most if other processes disturb them."""
LIMIT = 0.05
"""Share of all cores' time above which other processes disturb a repeat."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Device (``cpu``, ``cuda``), CPU threads a process, seconds a turn, and repeats requested."""

    device: str
    threads: int
    seconds: float
    repeats: int


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


def interleaved(variant: str, setting: Setting, until: float) -> tuple[pd.DataFrame, dict[str, Row]]:
    """Time a variant: a row a repeat and mode, as of ``timed``, and the facts of each mode.

    It is repeated until enough repeats are undisturbed, up to a cap or the time ``until`` (`time.monotonic`), and at
    least once. On a CPU the processes start one after another, on CUDA side by side.

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
        rows: list[Row] = []
        longest = 0.0
        for repeat in range(CAP * setting.repeats):
            started = time.monotonic()
            if repeat and started + longest > until:
                break
            turns = [{"repeat": repeat, "mode": mode.mode, **timed(mode, setting.seconds)} for mode in modes]
            rows += turns
            longest = max(longest, time.monotonic() - started)
            steps = ", ".join(f"{turn['mode']} {turn['ms_per_step']:.4g}" for turn in turns)
            print(f"{variant}: ms per step: {steps}", flush=True)
            if len(undisturbed(pd.DataFrame(rows))) >= setting.repeats:
                break
    return pd.DataFrame(rows), {mode.mode: mode.facts for mode in modes}


def timed(mode: ModeProcess, seconds: float) -> Row:
    """A turn; of the baseline loop one for each number of DataLoader workers, of which the fastest counts.

    ``others`` is the share of the cores' time that other processes used.
    """
    before = cpu_seconds()
    turns = {}
    for workers in WORKERS if mode.mode == "tutorial" else (0,):
        turns[workers], facts = mode.call(timed_modes.turn, seconds, workers)
        mode.facts |= facts
    others = others_share(before, cpu_seconds())
    workers, best = max(turns.items(), key=lambda item: item[1].images / item[1].seconds)
    rates = {"images_per_second": best.images / best.seconds, "ms_per_step": 1e3 * best.seconds / best.steps}
    return {**rates, "others": others, "workers": workers}


def undisturbed(turns: pd.DataFrame) -> pd.Index:
    """The repeats in which other processes took little time of every mode."""
    others = turns.groupby("repeat")["others"].max()
    return others.index[others <= LIMIT]


def rows_of(variant: str, turns: pd.DataFrame, facts: dict[str, Row], cost: Cost) -> list[Row]:
    """A row a mode: medians over the undisturbed repeats, or over all if there is none.

    Ratios of images per second are to ``tutorial`` in the same repeat, NaN without it. The timings are noisy if more
    than half of the repeats were disturbed.
    """
    clean, total = undisturbed(turns), turns["repeat"].nunique()
    counted = turns[turns["repeat"].isin(clean)] if len(clean) else turns
    rates = counted.pivot(index="repeat", columns="mode", values="images_per_second")
    rows = []
    for mode, known in facts.items():
        mine = counted[counted["mode"] == mode]
        medians = mine[["images_per_second", "ms_per_step"]].median().to_dict()
        ratios = rates[mode] / rates["tutorial"] if "tutorial" in rates else pd.Series(dtype=float)
        precision = ENGINE.get(mode, "fp32")
        row = {"variant": variant, "mode": mode, "precision": precision, **medians, "repeats": len(rates)}
        row |= {"discarded": total - len(clean), "noisy": len(clean) < total / 2, **known}
        row |= {f"ratio_{name}": value for name, value in ratios.agg(["median", "min", "max"]).items()}
        row |= {"flops_per_step": cost.flops, "flops_per_second": cost.flops / medians["ms_per_step"] * 1e3}
        row |= {"flops_per_byte": cost.flops / cost.bytes_moved(2 if precision == "bf16" else 4)}
        if mode == "tutorial":
            row["workers"] = int(mine["workers"].mode()[0])
        rows.append(row)
    return rows
