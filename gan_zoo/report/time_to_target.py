"""Training time and images until a variant first reaches a target value of the primary metric.

A curve is known at its evaluations only. Between two of them the crossing is interpolated linearly in time and in the
logarithm of the value; a curve that is at the target at its first evaluation reached it "at most" then. A run that
never reaches the target needs more than its budget, an unknown amount: it counts as infinity, as a failed run does. A
mean over the other runs would be biased towards lucky runs, so the mean is given only if all runs reach the target,
else the median over all of them, which is finite if more than half do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import evaluations, has_curves
from gan_zoo.statistics import CONFIDENCE, is_failure, log_t_interval

UNITS = ("seconds", "images")


@dataclass(frozen=True)
class Arrival:
    """When one run reached a target, in every unit of ``UNITS``.

    Attributes:
        at: where it reached the target; infinity if it never did, or failed.
        beyond: a lower bound: ``at``, or the end of training of a successful run that did not reach the target.
        first: whether it was at the target at its first evaluation, so that ``at`` is an upper bound.
    """

    at: dict[str, float]
    beyond: dict[str, float]
    first: bool = False


def reach(curve: pd.DataFrame, target: float, failed: bool = False) -> Arrival:
    """When a curve, with the columns ``value``, ``seconds`` and ``images``, is first at the target or below."""
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
    """How far between two evaluations the target is crossed; linear in values without a logarithm."""
    if min(before, after, target) > 0:
        before, after, target = math.log(before), math.log(after), math.log(target)
    return (before - target) / (before - after)


def summarize(arrivals: Sequence[Arrival], unit: str) -> str:
    """All runs of a variant as text: a mean with its interval, a median, a bound, or ``never``."""
    at = np.array([arrival.at[unit] for arrival in arrivals])
    if not len(at):
        return text.NOTHING
    # The mean of upper bounds is one as well, without an interval.
    bound = "at most " if any(arrival.first for arrival in arrivals) else ""
    if np.isfinite(at).all():
        found = log_t_interval(at)
        return f"{bound}{_as_text(unit, found.mean)}" if bound else _as_text(unit, found.mean, found.low, found.high)
    median = _median(at)
    if math.isfinite(median):
        span = () if bound else _median_interval(at)
        return f"median {bound}{_as_text(unit, median, *span)}"
    beyond = _median([arrival.beyond[unit] for arrival in arrivals])
    return f"more than {_as_text(unit, beyond)}" if math.isfinite(beyond) else "never"


def _as_text(unit: str, value: float, low: float = math.nan, high: float = math.nan) -> str:
    """``2.0 [1.5, 2.6] min``; an infinite upper end is ``never``."""
    scale, name = 1, ""
    if unit == "seconds":
        scale, name = (1, "s") if value < 100 else (60, "min") if value < 6000 else (3600, "h")
    span = "" if math.isnan(low) else f" [{_rounded(low / scale)}, {_rounded(high / scale)}]"
    return f"{_rounded(value / scale)}{span} {name}".strip()


def _rounded(value: float) -> str:
    """Three significant digits: 28,500."""
    if math.isinf(value):
        return "never"
    return text.number(float(f"{value:.3g}"))


def _median(values: Sequence[float] | np.ndarray) -> float:
    """The median; infinity if it is the mean of two values of which one is infinite."""
    ordered = np.sort(np.asarray(values, dtype=float))
    middle = ordered[[(len(ordered) - 1) // 2, len(ordered) // 2]]
    return float(middle.mean())


def _median_interval(values: np.ndarray) -> tuple[float, float]:
    """The exact interval of a median, between two of the values; NaN below six values.

    Source: Conover, "Practical nonparametric statistics", 3rd edition, section 3.2 (scipy's ``quantile_test``).
    """
    # scipy only compares the values: any number above all others can replace infinity.
    top = 2 * values[np.isfinite(values)].max() + 1
    low, high = stats.quantile_test(np.minimum(values, top), p=0.5).confidence_interval(CONFIDENCE)
    return (math.nan, math.nan) if math.isnan(low + high) else (low, math.inf if high == top else high)


def targets(results: Results) -> list[float]:
    """The target values: the preset's ``targets``, else the suite's, else two from the results.

    Those are the worst final mean of the ranked variants, which nearly all reach, and the median of their final means;
    both are rounded as in tables.
    """
    suite = results.manifest.get("suite", {})
    preset = suite.get("presets", {}).get(results.manifest.get("preset", ""), {})
    given = preset.get("targets") or suite.get("targets")
    if given:
        return [float(target) for target in given]
    means = [entry.value.mean for entry in results.ranking if entry.kind == "ranked"]
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
    """Rows of text: ``target``, ``variant``, ``reached`` (``3 of 5``), ``seconds``, ``images``, in the ranking's order.

    Empty if a higher value of the primary metric is better, or if no run was measured more than once.
    """
    if results.metric.better != "lower" or not has_curves(results, results.metric.name):
        return []
    curves = evaluations(results, results.metric.name)
    curves = curves[curves["extractor"] == results.extractor]
    rows = []
    for target in targets(results):
        for entry in results.ranking:
            if entry.kind == "floor":
                continue
            found = arrivals(curves, results.runs, entry.variant, target)
            reached = sum(math.isfinite(arrival.at["seconds"]) for arrival in found)
            row = {"target": text.number(target), "variant": entry.label, "reached": f"{reached} of {len(found)}"}
            rows.append(row | {unit: summarize(found, unit) for unit in UNITS})
    return rows
