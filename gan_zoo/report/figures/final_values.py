"""Final values: against the training time with the Pareto front, as bars, and the planned comparisons of them."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.curves import by_extractor, default_first
from gan_zoo.report.figures.style import (
    FAINT,
    GREY,
    INK,
    Look,
    device_name,
    figure,
    grid,
    legend,
    log_axis,
    log_count_axis,
    write_message,
)

_MARGIN = 1.15  # factor between the outermost value and the end of an axis
_BAR_COLUMNS = 3
_VERDICTS = {"better": ("#0072b2", "o"), "worse": ("#d55e00", "s"), "not significantly different": (GREY, "D")}
_BAND = "#e9e9e9"
_WIDEST = 4.0  # the panel reaches at most this many times the median distance, but to every mark


def front(costs: Iterable[float], values: Iterable[float], *, lower_is_better: bool) -> list[bool]:
    """Which points no other dominates: at least as good in cost (lower is better) and value, and better in one."""
    points = np.column_stack([np.asarray(list(costs), float), np.asarray(list(values), float)])
    points[:, 1] *= 1 if lower_is_better else -1
    return [not any((other <= point).all() and (other < point).any() for other in points) for point in points]


def write_pareto(results: Results, look: Look, path: Path) -> None:
    """Final primary metric against seconds of training, a mark per ranked variant, and the Pareto front.

    A variant with more failed seeds than values is never on the front.
    """
    metric = results.metric
    title = f"{look.data}: final {metric.title} against training time"
    entries = [entry for entry in results.entries if entry.kind == "ranked"]
    if not entries:
        return write_message(path, title, look.facts, "No successful seed: there is no final value.")
    lower = metric.better == "lower"
    able = [entry for entry in entries if not entry.mostly_failed]
    on = front([entry.seconds for entry in able], [entry.value.mean for entry in able], lower_is_better=lower)
    best = {entry.variant for entry, is_best in zip(able, on, strict=True) if is_best}
    with figure(path, title, look.facts, panel=(8.4, 5.0), extra=0.6) as (drawn, (axis,)):
        _scale_axes(axis, entries, results.geometric)
        _draw_front(axis, [entry for entry in entries if entry.variant in best], lower)
        handles = [_draw_mark(axis, look, entry, filled=entry.variant in best) for entry in entries]
        axis.set(xlabel=f"seconds of training on the {device_name(results)}, one run ↓")
        axis.set(ylabel=f"final {metric.title} {metric.arrow}")
        missing = [entry.label for entry in results.entries if entry.kind == "unranked"]
        if missing:
            note = f"without a final value: {text.listed(missing)}"
            axis.set_title(note, loc="left", fontsize=9.5, color=FAINT, weight="normal")
        legend(drawn, handles)
    return None


def _draw_front(axis: Axes, entries: list[Entry], lower_is_better: bool) -> None:
    """A step line from the cheapest straight to the worse side, and from the most expensive to the right."""
    if not entries:
        return
    points = sorted((entry.seconds, entry.value.mean) for entry in entries)
    start = (points[0][0], axis.get_ylim()[1 if lower_is_better else 0])
    line = [start, *points, (axis.get_xlim()[1], points[-1][1])]
    axis.step(*zip(*line, strict=True), where="post", color=FAINT, linewidth=1.2, alpha=0.7, zorder=1)


def _draw_mark(axis: Axes, look: Look, entry: Entry, *, filled: bool) -> Line2D:
    """The mean and interval of a variant; returns its legend entry."""
    color = look.colors[entry.variant]
    mark: dict[str, Any] = {"markersize": 8, "markerfacecolor": color if filled else "white", "markeredgewidth": 1.6}
    if text.known(entry.value.low):
        ends = [entry.value.low, entry.value.high]
        axis.plot([entry.seconds] * 2, ends, color=color, linewidth=1.5, alpha=0.7, zorder=2)
    axis.plot(entry.seconds, entry.value.mean, look.markers[entry.variant], color=color, zorder=3, **mark)
    return look.handle(entry.variant, label=_label(entry, ", "), linewidth=0, **mark)


def _scale_axes(axis: Axes, entries: list[Entry], geometric: bool) -> None:
    """Fit both axes to the means: an interval of few seeds can span decades, and is cut."""
    seconds = np.array([entry.seconds for entry in entries])
    values = np.array([(entry.value.mean, entry.value.low, entry.value.high) for entry in entries], dtype=float)
    lowest, highest = np.nanmin(values), np.nanmax(values)
    least, most = values[:, 0].min(), values[:, 0].max()
    if geometric and lowest > 0:
        log_axis(axis)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axis.set_ylim(max(lowest, least / 2) / _MARGIN, min(highest, most * 2) * _MARGIN)
    else:
        width = (most - least) or abs(most) or 1.0
        axis.set_ylim(max(lowest, least - width) - 0.1 * width, min(highest, most + width) + 0.1 * width)
    if seconds.min() > 0:
        log_count_axis(axis)
        low, high = seconds.min() / _MARGIN, seconds.max() * _MARGIN
        axis.set_xlim(low, high)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 20 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    else:
        axis.set_xlim(0, seconds.max() * _MARGIN or 1.0)


def write_bars(results: Results, look: Look, path: Path) -> None:
    """The final values of every metric and extractor, a panel each with a bar per variant."""
    entries = [entry for entry in results.entries if entry.kind != "floor"]
    look = replace(look, colors={**dict.fromkeys(results.foreign, FAINT), **look.colors})
    title = f"{look.data}: final values by metric"
    summary = results.summary.dropna(subset=["mean"])
    summary = summary[summary["variant"] != FLOOR]
    panels: list[tuple[str, str] | None] = []
    for extractor in default_first(summary["extractor"].unique(), results):
        panels += [None] * (-len(panels) % _BAR_COLUMNS)  # each extractor starts a row
        measured = set(summary.loc[summary["extractor"] == extractor, "metric"])
        panels += [(metric, extractor) for metric in METRICS if metric in measured]
    if not panels:
        return write_message(path, title, look.facts, "No successful seed: there is no final value.")
    size = grid(len(panels), _BAR_COLUMNS)
    with figure(path, title, look.facts, panel=(4.3, 0.8 + 0.42 * len(entries)), sharey=True, **size) as (_, axes):
        for axis, panel in zip(axes, panels, strict=False):
            if panel:
                _bars(axis, results, look, entries, *panel)
    return None


def _bars(axis: Axes, results: Results, look: Look, entries: list[Entry], metric: str, extractor: str) -> None:
    lines, column = results.lines(extractor), f"final_{metric}_{extractor}"
    successful = results.runs[results.runs["status"] == "ok"]
    ends = [0.0, *successful[column].dropna()]
    reach = (min(ends) * _MARGIN, (max(ends) or 1.0) * _MARGIN)
    for place, entry in enumerate(entries):
        line = lines.get((entry.variant, metric), {})
        if not text.known(line.get("mean")):
            why = "no successful seed" if entry.kind == "unranked" else "not measured"
            axis.text(reach[1] * 0.02, place, why, va="center", fontsize=9, color=FAINT, style="italic")
            continue
        axis.barh(place, line["mean"], height=0.62, color=look.colors[entry.variant], alpha=0.75, linewidth=0)
        seeds = successful.loc[successful["variant"] == entry.variant, column].dropna().to_numpy(dtype=float)
        axis.plot(seeds, [place] * len(seeds), "o", markersize=4, color="white", markeredgecolor=INK, zorder=4)
        if text.known(line["low"]):
            axis.plot([line["low"], line["high"]], [place, place], color=INK, linewidth=1.4, zorder=3)
    if (FLOOR, metric) in lines:
        axis.axvline(lines[FLOOR, metric]["mean"], color=INK, linestyle="--", linewidth=1.2)
    axis.set(xlim=reach, yticks=range(len(entries)), yticklabels=[_label(entry, "\n") for entry in entries])
    axis.set_ylim(len(entries) - 0.45, -0.55)
    axis.grid(visible=False, axis="y")
    measure = METRICS[metric]
    axis.set_title(f"{measure.title} {measure.arrow}{by_extractor(measure, extractor)}", loc="left")


def write_contrasts(results: Results, look: Look, path: Path) -> None:
    """One row per planned comparison; the rows name the baseline if there are several."""
    rows = results.planned
    metric = results.metric
    baselines = list(rows["baseline"].unique())
    against = baselines[0] if len(baselines) == 1 else "their baselines"
    title = f"{look.data}: {metric.title} against {against}"
    panel = (8.6, 0.9 + 0.38 * len(rows))
    with figure(path, title, look.facts, panel=panel, extra=0.35) as (drawn, (axis,)):
        _scale_ratios(axis, rows, results.geometric)
        names = []
        for place, row in enumerate(rows.to_dict("records")):
            _draw_row(axis, place, row, results.geometric)
            name = look.labels.get(row["variant"], row["variant"])
            if len(baselines) > 1:
                name += f" against {look.labels.get(row['baseline'], row['baseline'])}"
            if row["failures"]:
                name += f"\n{row['failures']} of {row['seeds'] + row['failures']} failed"
            names.append(name)
        axis.axvline(1.0 if results.geometric else 0.0, color=INK, linewidth=1.2, zorder=2)
        axis.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.45, -0.75))
        axis.grid(visible=False, axis="y")
        sides = ("better", "worse") if metric.better == "lower" else ("worse", "better")
        measure, operator = ("ratio", "/") if results.geometric else ("difference", "-")
        what = f"{measure} of {metric.title} (variant {operator} baseline)"
        axis.set_xlabel(f"← {sides[0]}      {what}      {sides[1]} →")
        axis.text(1.02, -0.62, "p (Holm)", transform=axis.get_yaxis_transform(), va="center", fontsize=9, color=FAINT)
        found = set(rows.loc[rows["ratio"].notna(), "verdict"])
        marks = [
            Line2D([], [], color=color, marker=marker, linewidth=2, label=verdict)
            for verdict, (color, marker) in _VERDICTS.items()
            if verdict in found
        ]
        legend(drawn, [*marks, Patch(color=_BAND, label=f"below the minimum detectable {measure}")])


def _draw_row(axis: Axes, place: int, row: dict[Any, Any], ratio: bool) -> None:
    weight = "bold" if row["verdict"] in ("better", "worse") else "normal"
    p = text.probability(row["p_adjusted"])
    axis.text(1.02, place, p, fontsize=9.5, weight=weight, va="center", transform=axis.get_yaxis_transform())
    if not text.known(row["ratio"]):
        reason = f"  {_why_untested(row)}"
        axis.text(1.0 if ratio else 0.0, place, reason, va="center", fontsize=9, color=FAINT, style="italic")
        return
    color, marker = _VERDICTS[row["verdict"]]
    ends = axis.get_xlim()
    smallest = row["detectable"] if text.known(row["detectable"]) else ends[1]
    low = max(1 / smallest if ratio else -smallest, ends[0])
    high = min(smallest, ends[1])
    axis.fill_betweenx([place - 0.36, place + 0.36], low, high, color=_BAND, linewidth=0, zorder=0)
    axis.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2, zorder=3)
    axis.plot(row["ratio"], place, marker, color=color, markersize=7, zorder=4)


def _why_untested(row: dict[Any, Any]) -> str:
    """Why a comparison has no ratio."""
    if not row["seeds"]:
        return "no successful seed"
    if not row["baseline_seeds"]:
        return "its baseline has no successful seed"
    if row["verdict"] == "too few seeds":
        return f"too few seeds: {row['seeds']} against {row['baseline_seeds']}"
    return "no ratio: a value is not positive"


def _scale_ratios(axis: Axes, rows: pd.DataFrame, ratio: bool) -> None:
    """The same distance to both sides of no difference; a very wide interval or band may leave the panel."""
    columns = rows[["ratio", "low", "high", "detectable"]].astype(float)
    distance = (np.log(columns) if ratio else columns).abs().replace(np.inf, np.nan)  # type: ignore[union-attr]
    usual, least = distance.median().max(), np.log(1.5) if ratio else 1e-9
    widest = min(distance[["low", "high"]].max().max(), _WIDEST * usual)
    reach = 1.1 * max(widest, distance["ratio"].max(), usual, least)
    if not ratio:
        axis.set_xlim(-reach, reach)
        return
    axis.set_xscale("log")
    axis.set_xlim(float(np.exp(-reach)), float(np.exp(reach)))
    subs = (1, 2, 5) if reach > np.log(4) else (1, 1.2, 1.5, 2, 3, 5, 7, 8, 9)
    axis.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _label(entry: Entry, separator: str) -> str:
    return f"{entry.label}{separator}{text.share(entry.failures)} failed" if entry.failures.count else entry.label
