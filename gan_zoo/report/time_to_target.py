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
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import evaluations, has_curves
from gan_zoo.report.tables import Table
from gan_zoo.statistics import CONFIDENCE, is_failure, log_t_interval

UNITS = ["seconds", "images"]


@dataclass(frozen=True)
class Arrival:
    """When one run reached a target, in every unit of ``UNITS``.

    Attributes:
        at: where it reached the target; infinity if it never did, or failed.
        beyond: a lower bound: ``at``, or the end of training of a successful run that did not reach the target.
        first: whether it was at the target at its first evaluation, so that ``at`` is an upper bound.
    """

    at: pd.Series
    beyond: pd.Series
    first: bool = False


def reach(curve: pd.DataFrame, target: float, failed: bool = False) -> Arrival:
    """When a curve, with the columns ``value``, ``seconds`` and ``images``, is first at the target or below."""
    never = pd.Series(math.inf, index=UNITS)
    if failed or curve.empty:
        return Arrival(never, never)
    curve = curve.sort_values("images")
    times = curve[UNITS].astype(float)
    reached = np.flatnonzero(curve["value"] <= target)
    if not len(reached):
        return Arrival(never, times.iloc[-1])
    index = reached[0]
    if index == 0:
        return Arrival(times.iloc[0], times.iloc[0], first=True)
    levels = np.array([*curve["value"].iloc[index - 1 : index + 1], target], dtype=float)
    # Values without a logarithm are interpolated linearly.
    before, after, level = map(math.log, levels) if levels.min() > 0 else levels
    at = times.iloc[index - 1] + (before - level) / (before - after) * (times.iloc[index] - times.iloc[index - 1])
    return Arrival(at, at)


def summarize(arrivals: Sequence[Arrival], unit: str) -> str:
    """All runs of a variant as text: a mean with its interval, a median, a bound, or ``never``."""
    if not arrivals:
        return text.NOTHING
    at = np.array([arrival.at[unit] for arrival in arrivals])
    # The mean of upper bounds is one as well, without an interval.
    bound = "at most " if any(arrival.first for arrival in arrivals) else ""
    if np.isfinite(at).all():
        found = log_t_interval(at)
        return bound + _as_text(unit, found.mean, *(() if bound else (found.low, found.high)))
    median = float(np.median(at))
    if math.isfinite(median):
        return f"median {bound}{_as_text(unit, median, *(() if bound else _median_interval(at)))}"
    beyond = float(np.median([arrival.beyond[unit] for arrival in arrivals]))
    return f"more than {_as_text(unit, beyond)}" if math.isfinite(beyond) else "never"


def _as_text(unit: str, value: float, low: float = math.nan, high: float = math.nan) -> str:
    """``2.00 [1.50, 2.60] min``, with three significant digits; an infinite upper end is ``never``."""
    scale, name = 1, ""
    if unit == "seconds":
        scale, name = (1, "s") if value < 100 else (60, "min") if value < 6000 else (3600, "h")
    rounded = [float(f"{number / scale:.3g}") for number in (value, low, high)]
    numbers = [
        "never" if math.isinf(number) else text.count(number) if number >= 1000 else text.number(number)
        for number in rounded
    ]
    span = "" if math.isnan(low) else f" [{numbers[1]}, {numbers[2]}]"
    return f"{numbers[0]}{span} {name}".strip()


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
    if given := _given(results):
        return [float(target) for target in given]
    means = [entry.value.mean for entry in results.entries if entry.kind == "ranked"]
    chosen = [max(means), np.median(means)] if means else []
    return list(dict.fromkeys(float(text.number(value).replace(",", "")) for value in chosen))


def _given(results: Results) -> list[float]:
    suite = results.manifest.get("suite", {})
    preset = suite.get("presets", {}).get(results.manifest.get("preset", ""), {})
    return preset.get("targets") or suite.get("targets") or []


def targets_text(results: Results) -> str:
    """Where the targets come from, and what counts."""
    source = (
        "given by the suite" if _given(results) else "the worst final mean of the ranked variants, and their median"
    )
    return f"Targets: {source}. If a seed does not reach it: the median of all seeds, or more than their budget."


def time_table(results: Results) -> Table:
    """A row per target and variant, in the order of the ranking; failed seeds count, unfinished ones are left out.

    Empty if a higher value of the primary metric is better, or if no run was measured more than once.
    """
    metric = results.metric
    rows = []
    curves = evaluations(results, metric.name)
    by_run = dict(list(curves[curves["extractor"] == results.extractor].groupby(["variant", "seed"])))
    runs = results.runs[results.runs["status"] != "unfinished"]
    has_times = metric.better == "lower" and has_curves(results, metric.name)
    trained = [entry for entry in results.entries if entry.kind not in ("floor", "images")]
    for target, entry in product(targets(results) if has_times else [], trained):
        found = [
            reach(by_run.get((entry.variant, run["seed"]), curves.iloc[:0]), target, failed=is_failure(run["status"]))
            for run in runs[runs["variant"] == entry.variant].to_dict("records")
        ]
        reached = sum(math.isfinite(arrival.at["seconds"]) for arrival in found)
        times = [summarize(found, unit) for unit in UNITS]
        rows.append(("", [text.number(target), entry.variant, f"{reached} of {len(found)}", *times]))
    return Table([metric.title, "variant", "reached by", "training", f"{results.samples} seen"], rows)
