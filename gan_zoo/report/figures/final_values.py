"""Final values: the planned comparisons of them, and against the training time with the Pareto front."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.report.figures.curves import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, label_ends, label_width
from gan_zoo.report.figures.style import FAINT, INK, LINE, STYLE, Look, bare, device_name, scale_axis
from gan_zoo.report.figures.svg import Chart, Drawing
from gan_zoo.statistics import MINIMUM_SEEDS, Estimate, estimate

VERDICTS = {"better": ("#1a7bb8", "o"), "worse": ("#cf5a1e", "s"), "not significantly different": ("#7d7d7d", "D")}
"""Color and marker of a comparison; all colors have a contrast of 3:1 on both pages."""
_WIDEST = 4.0  # the panel reaches at most this many times the median distance, but to every mark
_ROW = 24.0  # points of a row


def front(costs: Iterable[float], values: Iterable[float], *, lower_is_better: bool) -> list[bool]:
    """Which points no other dominates: at least as good in cost (lower is better) and value, and better in one."""
    points = np.column_stack([np.asarray(list(costs), float), np.asarray(list(values), float)])
    points[:, 1] *= 1 if lower_is_better else -1
    return [not any((other <= point).all() and (other < point).any() for other in points) for point in points]


@rc_context(STYLE)
def cost(results: Results, look: Look) -> Chart | None:
    """Final primary metric against seconds of training; None without a ranked variant."""
    drawing = draw_cost(results, look)
    name = results.metric.title
    caption = (
        f"Final {name} over seconds of training of one run ({device_name(results)}); lines: 95% intervals; "
        "filled, grey line: Pareto front of the means."
    )
    alt = f"{look.data}: final {name} against training time"
    return drawing.chart("cost", caption, alt) if drawing else None


def draw_cost(results: Results, look: Look) -> Drawing | None:
    """A mark per ranked variant, with both intervals, and the Pareto front.

    A variant with more failed seeds than values is never on the front.
    """
    metric = results.metric
    entries = [entry for entry in results.entries if entry.kind in ("ranked", "apart")]
    if not entries:
        return None
    lower = metric.better == "lower"
    seconds = {entry.variant: _seconds(results, entry) for entry in entries}
    able = [entry for entry in entries if not entry.mostly_failed]
    on = front([entry.seconds for entry in able], [entry.value.mean for entry in able], lower_is_better=lower)
    best = {entry.variant for entry, is_best in zip(able, on, strict=True) if is_best}
    labels = {entry.variant: _with_failures(entry, look) for entry in entries}
    drawing = Drawing(WIDTH, HEIGHT)
    axes = drawing.axes(LEFT, BOTTOM, label_width(labels.values()), TOP)
    _scale(axes, entries, seconds, geometric=results.geometric)
    _draw_front(drawing, axes, [entry for entry in entries if entry.variant in best], lower_is_better=lower)
    for entry in entries:
        _draw_mark(drawing, axes, results, look, entry, seconds[entry.variant], filled=entry.variant in best)
    label_ends(drawing, axes, look, {e.variant: (e.seconds, e.value.mean) for e in entries}, labels)
    axes.set(xlabel=f"seconds of training, one run, {device_name(results)} ↓", ylabel=f"{metric.title} {metric.arrow}")
    return drawing


def _seconds(results: Results, entry: Entry) -> Estimate:
    """Training time of the successful seeds of a variant."""
    runs = results.successful
    found = estimate(runs.loc[runs["variant"] == entry.variant, "seconds"].astype(float).tolist(), log=False)
    return Estimate(found.mean, max(found.low, 0.0), found.high, found.seeds, found.method)


def _with_failures(entry: Entry, look: Look) -> str:
    name = look.labels[entry.variant]
    return f"{name}, {text.share(entry.failures)} failed" if entry.failures.count else name


def _draw_front(drawing: Drawing, axes: Axes, entries: list[Entry], *, lower_is_better: bool) -> None:
    """A step line from the cheapest straight to the worse side, and from the most expensive to the right."""
    if not entries:
        return
    points = sorted((entry.seconds, entry.value.mean) for entry in entries)
    start = (points[0][0], axes.get_ylim()[1 if lower_is_better else 0])
    x, y = zip(start, *points, (axes.get_xlim()[1], points[-1][1]), strict=True)
    drawing.line(axes, x, y, color=FAINT, linewidth=1, alpha=0.7, drawstyle="steps-post")


def _draw_mark(
    drawing: Drawing, axes: Axes, results: Results, look: Look, entry: Entry, seconds: Estimate, *, filled: bool
) -> None:
    """The mean of a variant with both intervals."""
    variant = entry.variant
    color = look.colors[variant]
    bar: dict[str, Any] = {"color": color, "linewidth": 1.4, "alpha": 0.7}
    if seconds.seeds >= MINIMUM_SEEDS:
        drawing.line(axes, [seconds.low, seconds.high], [entry.value.mean] * 2, variant, **bar)
    if entry.value.seeds >= MINIMUM_SEEDS:
        drawing.line(axes, [entry.seconds] * 2, [entry.value.low, entry.value.high], variant, **bar)
    times, values = _spread(seconds), _spread(entry.value)
    tip = f"{text.visible(variant)} · {times} s · {results.metric.title} {values}"
    mark: dict[str, Any] = {"markersize": 8, "markeredgewidth": 1.6, "fillstyle": "full" if filled else "none"}
    mark |= {"marker": look.markers[variant], "linestyle": "none", "color": color}
    drawing.line(axes, [entry.seconds], [entry.value.mean], variant, [tip], **mark)


def _spread(found: Estimate) -> str:
    """A mean, with its interval from three seeds on."""
    has_interval = found.seeds >= MINIMUM_SEEDS
    return text.estimate(found.mean, found.low, found.high) if has_interval else text.number(found.mean)


def _scale(axes: Axes, entries: list[Entry], seconds: dict[str, Estimate], *, geometric: bool) -> None:
    """Fit both axes to the means: an interval of few seeds can span decades, and is cut."""
    values = np.array([(entry.value.mean, entry.value.low, entry.value.high) for entry in entries], dtype=float)
    log = bool(geometric and np.nanmin(values) > 0)
    scale_axis(axes.yaxis, _fitted(values, log=log), log=log, gap=0.08)
    times = np.array([(found.mean, found.low, found.high) for found in seconds.values()], dtype=float)
    is_log = bool(times[:, 0].max() > 3 * times[:, 0].min() > 0)
    low, high = _fitted(np.where(times > 0, times, np.nan) if is_log else times, log=is_log)
    scale_axis(axes.xaxis, (low if is_log else max(low, 0.0), high), log=is_log, gap=0.1)


def _fitted(spread: np.ndarray, *, log: bool) -> tuple[float, float]:
    """Limits around all means, and their intervals as far as these are not much wider; rows of mean, low, high."""
    lowest, highest = float(np.nanmin(spread)), float(np.nanmax(spread))
    least, most = float(spread[:, 0].min()), float(spread[:, 0].max())
    if log:
        return max(lowest, least / 2) / 1.15, min(highest, most * 2) * 1.15
    width = (most - least) or abs(most) or 1.0
    return max(lowest, least - width) - 0.1 * width, min(highest, most + width) + 0.1 * width


@rc_context(STYLE)
def forest(results: Results, look: Look) -> Chart | None:
    """The planned comparisons, a row each; None if none was tested."""
    drawing = draw_forest(results, look)
    word = "ratio" if results.geometric else "difference"
    caption = (
        f"Planned comparisons of final {results.metric.title}: {word} with simultaneous interval, adjusted p; "
        f"grey: below the minimum detectable {word}."
    )
    alt = f"{look.data}: planned comparisons of {results.metric.title}"
    return drawing.chart("tests", caption, alt) if drawing else None


def draw_forest(results: Results, look: Look) -> Drawing | None:
    """One row per planned comparison; the rows name the baseline if there are several."""
    rows = results.planned
    if not rows["ratio"].notna().any():
        return None
    metric = results.metric
    names = [_pair(row, look, several=rows["baseline"].nunique() > 1) for row in rows.to_dict("records")]
    left = min(12 + 6.0 * max(map(len, names)), WIDTH / 2)
    drawing = Drawing(WIDTH, len(rows) * _ROW + BOTTOM + 16 + 34)
    axes = drawing.axes(left, BOTTOM + 16, 60, 34)
    bare(axes, grid="x")
    _scale_ratios(axes, rows, ratio=results.geometric)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    neutral = 1.0 if results.geometric else 0.0
    drawing.line(axes, [neutral] * 2, [-0.5, len(rows) - 0.5], color=INK, linewidth=1)
    for place, row in enumerate(rows.to_dict("records")):
        _draw_row(drawing, axes, place, row, names[place], results)
    axes.set(yticks=range(len(rows)), yticklabels=names)
    sides = ("better", "worse") if metric.better == "lower" else ("worse", "better")
    word = "ratio" if results.geometric else "difference"
    axes.set_xlabel(f"← {sides[0]}  ·  {word} of {metric.title}  ·  {sides[1]} →")
    _legend(axes, set(rows.loc[rows["ratio"].notna(), "verdict"]))
    return drawing


def _pair(row: dict[Any, Any], look: Look, *, several: bool) -> str:
    name = look.labels.get(row["variant"], row["variant"])
    name += f" against {look.labels.get(row['baseline'], row['baseline'])}" if several else ""
    failed = row["failures"]
    return f"{name}, {failed} of {row['seeds'] + failed} failed" if failed else name


def _draw_row(drawing: Drawing, axes: Axes, place: int, row: dict[Any, Any], name: str, results: Results) -> None:
    p = text.probability(row["p_adjusted"])
    axes.text(1.02, place, p, va="center", fontsize=10, transform=axes.get_yaxis_transform())
    if not text.known(row["ratio"]):
        reason = f"  {_why_untested(row)}"
        where = 1.0 if results.geometric else 0.0
        axes.text(where, place, reason, va="center", fontsize=10, color=FAINT, style="italic")
        return
    color, marker = VERDICTS[row["verdict"]]
    ends = axes.get_xlim()
    smallest = row["detectable"] if text.known(row["detectable"]) else ends[1]
    low = max(1 / smallest if results.geometric else -smallest, ends[0])
    high = min(smallest, ends[1])
    axes.fill([low, high, high, low], np.repeat([place - 0.34, place + 0.34], 2), color=LINE, linewidth=0, zorder=0)
    drawing.line(axes, [row["low"], row["high"]], [place, place], color=color, linewidth=2)
    word = "ratio" if results.geometric else "difference"
    measured = text.estimate(row["ratio"], row["low"], row["high"])
    tip = f"{name} · {word} {measured} · adjusted p {p} · {row['verdict']}"
    drawing.line(axes, [row["ratio"]], [place], tips=[tip], color=color, marker=marker, markersize=7, linestyle="none")


def _why_untested(row: dict[Any, Any]) -> str:
    """Why a comparison has no ratio."""
    if not row["seeds"]:
        return "no successful seed"
    if not row["baseline_seeds"]:
        return "its baseline has no successful seed"
    if row["verdict"] == "too few seeds":
        return f"too few seeds: {row['seeds']} against {row['baseline_seeds']}"
    return "no ratio: a value is not positive"


def _scale_ratios(axes: Axes, rows: pd.DataFrame, *, ratio: bool) -> None:
    """The same distance to both sides of no difference; a very wide interval or band may leave the panel."""
    columns = rows[["ratio", "low", "high", "detectable"]].astype(float)
    distance = (np.log(columns) if ratio else columns).abs().replace(np.inf, np.nan)  # type: ignore[union-attr]
    usual, least = distance.median().max(), math.log(1.5) if ratio else 1e-9
    widest = np.fmin(distance[["low", "high"]].max().max(), _WIDEST * usual)
    reach = 1.1 * float(np.nanmax([widest, distance["ratio"].max(), usual, least]))
    limits = (math.exp(-reach), math.exp(reach)) if ratio else (-reach, reach)
    scale_axis(axes.xaxis, limits, log=ratio, gap=0.07)


def _legend(axes: Axes, found: set[str]) -> None:
    """The verdicts that were found, above the rows, and the title of the column of p."""
    marks = [
        Line2D([], [], color=color, marker=marker, markersize=7, linewidth=2, label=verdict)
        for verdict, (color, marker) in VERDICTS.items()
        if verdict in found
    ]
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0.2, "borderaxespad": 0}
    axes.legend(handles=marks, ncols=len(marks), frameon=False, fontsize=10, columnspacing=1.2, **place)
    axes.text(1.02, 1.02, "p (Holm)", transform=axes.transAxes, va="bottom", fontsize=10, color=FAINT)
