"""How long a variant trains until it first reaches a given value of the leading measure.

A curve is known at its evaluations alone. Between two of them the time at which it crosses the target is interpolated
linearly in time and in the logarithm of the value; a curve that is at the target at its first evaluation reached it
"at most" then. What a run that never reaches the target would have needed is not known, only that it is more than its
budget: such a run, and one that failed, counts as infinity. A mean over the others alone would flatter a variant of
which only lucky runs arrive, so a mean is given where all runs arrived and else the median over all of them, which
the infinities do not disturb while more than half arrived.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from gan_zoo import text
from gan_zoo.bench.tables import Results, own_extractor
from gan_zoo.report.curves import evaluations, has_curves
from gan_zoo.report.findings import leading, rank
from gan_zoo.report.pareto import device_name, jobs_said
from gan_zoo.statistics import CONFIDENCE, is_failure, log_t_interval

UNITS = ("seconds", "images")


@dataclass(frozen=True)
class Arrival:
    """When one run reached a target, in every unit of ``UNITS``.

    Attributes:
        at: where it reached the target; infinity where it never did, or failed.
        beyond: a bound from below: ``at``, or the end of training of a run that survived and did not arrive.
        first: whether it was there at its first evaluation, so that ``at`` is a bound from above.
    """

    at: dict[str, float]
    beyond: dict[str, float]
    first: bool = False


def reach(curve: pd.DataFrame, target: float, failed: bool = False) -> Arrival:
    """When one run's curve, with the columns ``value``, ``seconds`` and ``images``, first is at the target or below."""
    never = dict.fromkeys(UNITS, math.inf)
    if failed or curve.empty:
        return Arrival(never, never)
    curve = curve.sort_values("images")
    there = np.flatnonzero(curve["value"] <= target)
    if not len(there):
        return Arrival(never, {unit: float(curve[unit].iloc[-1]) for unit in UNITS})
    after = curve.iloc[there[0]]
    if there[0] == 0:
        at = {unit: float(after[unit]) for unit in UNITS}
        return Arrival(at, at, first=True)
    before = curve.iloc[there[0] - 1]
    share = _crossing(float(before["value"]), float(after["value"]), target)
    at = {unit: float(before[unit] + share * (after[unit] - before[unit])) for unit in UNITS}
    return Arrival(at, at)


def _crossing(before: float, after: float, target: float) -> float:
    """How far between two evaluations the target is crossed; linear in the values where they have no logarithm."""
    if min(before, after, target) > 0:
        before, after, target = math.log(before), math.log(after), math.log(target)
    return (before - target) / (before - after)


def summarize(arrivals: Sequence[Arrival], unit: str) -> str:
    """All runs of a variant in words: a mean with its interval, a median, a bound, or ``never``."""
    at = np.array([one.at[unit] for one in arrivals])
    if not len(at):
        return text.NOTHING
    # Bounds from above have a mean that is one too, but no interval.
    bound = "at most " if any(one.first for one in arrivals) else ""
    if np.isfinite(at).all():
        found = log_t_interval(at)
        return f"{bound}{_said(unit, found.mean)}" if bound else _said(unit, found.mean, found.low, found.high)
    median = _median(at)
    if math.isfinite(median):
        span = () if bound else _median_interval(at)
        return f"median {bound}{_said(unit, median, *span)}"
    beyond = _median([one.beyond[unit] for one in arrivals])
    return f"more than {_said(unit, beyond)}" if math.isfinite(beyond) else "never"


def _said(unit: str, value: float, low: float = math.nan, high: float = math.nan) -> str:
    """``2.0 [1.5, 2.6] min``; an interval without an upper end has ``never`` in its place."""
    scale, name = (1, "") if unit == "images" else _scale(value)
    span = "" if math.isnan(low) else f" [{_rounded(low / scale)}, {_rounded(high / scale)}]"
    return f"{_rounded(value / scale)}{span} {name}".strip()


def _scale(seconds: float) -> tuple[int, str]:
    """The unit in which a time is told: seconds below 100 of them, then minutes, then hours."""
    return (1, "s") if seconds < 100 else (60, "min") if seconds < 6000 else (3600, "h")


def _rounded(value: float) -> str:
    """Three significant digits, for no more can be believed: 28,500."""
    if math.isinf(value):
        return "never"
    return text.number(float(f"{value:.3g}"))


def _median(values: Sequence[float] | np.ndarray) -> float:
    """The median; infinity where it is the mean of two values of which one is."""
    ordered = np.sort(np.asarray(values, dtype=float))
    middle = ordered[[(len(ordered) - 1) // 2, len(ordered) // 2]]
    return float(middle.mean())


def _median_interval(values: np.ndarray) -> tuple[float, float]:
    """The exact interval of a median, between two of the values themselves; NaN where there are too few (below six).

    Source: Conover, "Practical nonparametric statistics", 3rd edition, section 3.2 (scipy's ``quantile_test``).
    """
    # scipy compares the values and never averages them, so that any number above all others stands for infinity.
    top = 2 * values[np.isfinite(values)].max() + 1
    low, high = stats.quantile_test(np.minimum(values, top), p=0.5).confidence_interval(CONFIDENCE)
    return (math.nan, math.nan) if math.isnan(low + high) else (low, math.inf if high == top else high)


def targets(results: Results) -> list[float]:
    """The values to be reached: the preset's ``targets``, else the suite's, else two that the run itself sets.

    Those are the worst final mean of the ranked variants, which nearly all reach, and the median of their final means;
    both are rounded as they are shown.
    """
    suite = results.manifest.get("suite", {})
    preset = suite.get("presets", {}).get(results.manifest.get("preset", ""), {})
    asked = preset.get("targets") or suite.get("targets")
    if asked:
        return [float(target) for target in asked]
    means = [entry.value.mean for entry in rank(results) if entry.kind == "ranked"]
    if not means:
        return []
    chosen = [float(text.number(value).replace(",", "")) for value in (max(means), np.median(means))]
    return list(dict.fromkeys(chosen))


def arrivals(curves: pd.DataFrame, runs: pd.DataFrame, variant: str, target: float) -> list[Arrival]:
    """When each finished run of a variant reached the target, failed ones included and unfinished ones left out."""
    mine = curves[curves["variant"] == variant]
    runs = runs[(runs["variant"] == variant) & (runs["status"] != "unfinished")]
    return [
        reach(mine[mine["seed"] == seed], target, failed=is_failure(status))
        for seed, status in zip(runs["seed"], runs["status"], strict=True)
    ]


def reach_table(results: Results) -> list[dict[str, str]]:
    """Rows of text: ``target``, ``variant``, ``seconds``, ``images``, ``reached`` (``3 of 5``), in the ranking's order.

    Empty where a higher value of the leading measure is better, and where no run was measured more than once.
    """
    if not _has_curves(results):
        return []
    curves = evaluations(results, leading(results).name)
    curves = curves[curves["extractor"] == own_extractor(results.manifest)]
    entries = [entry for entry in rank(results) if entry.kind != "floor"]
    rows = []
    for target in targets(results):
        for entry in entries:
            found = arrivals(curves, results.runs, entry.variant, target)
            there = sum(math.isfinite(one.at["seconds"]) for one in found)
            rows.append({"target": text.number(target), "variant": entry.label,
                         **{unit: summarize(found, unit) for unit in UNITS},
                         "reached": f"{there} of {len(found)}"})  # fmt: skip
    return rows


def _has_curves(results: Results) -> bool:
    """Whether there are curves, of a measure that falls to a target."""
    return leading(results).better == "lower" and has_curves(results, leading(results).name)


def reach_caption(results: Results) -> str:
    """How the table of ``reach_table`` is to be read; empty where there is none."""
    metric = leading(results)
    if not _has_curves(results) or not targets(results):
        return ""
    return (
        f"Seconds (of the clock, on the {device_name(results)}) and samples of training until {metric.title} is first "
        "at the target or "
        f"below{jobs_said(results)}; between evaluations interpolated linearly in time and in the logarithm of "
        f"{metric.title} (at most: a seed was there at its first evaluation). Where every seed arrived: geometric mean "
        "and 95% interval (t on the logarithm). Where not: the median over all seeds, with one that did not arrive, or "
        "failed, as never, and its exact 95% interval from six seeds on; more than: the median seed was not there when "
        "its training ended; never: it failed. A failed seed has not arrived, even where it passed the target before."
    )
