"""The planned comparisons as a forest plot: ratio, 95% interval and minimum detectable ratio."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.report.figures.style import FAINT, INK, Look, figure, legend

_VERDICTS = {
    "better": ("#0072b2", "o"),
    "worse": ("#d55e00", "s"),
    "not significantly different": ("#4d4d4d", "D"),
}
_BAND = "#e9e9e9"
_WIDEST = 4.0  # the panel reaches at most this many times the median distance, but to every mark


def write_contrasts(results: Results, look: Look, path: Path) -> None:
    """One row per planned comparison; the rows name the baseline if there are several."""
    rows = results.planned
    metric = results.metric
    baselines = list(rows["baseline"].unique())
    against = baselines[0] if len(baselines) == 1 else "their baselines"
    size: dict[str, Any] = {"panel": (8.6, 0.9 + 0.38 * len(rows)), "extra": 0.35}
    with figure(path, f"{look.data}: {metric.title} against {against}", look.facts, **size) as (drawn, (axis,)):
        _scale_axis(axis, rows, results.geometric)
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
        what = f"ratio of {metric.title}" if results.geometric else f"difference of {metric.title}"
        operator = "/" if results.geometric else "-"
        axis.set_xlabel(f"← {sides[0]}      {what} (variant {operator} baseline)      {sides[1]} →")
        axis.text(1.02, -0.62, "p (Holm)", transform=axis.get_yaxis_transform(), va="center", fontsize=9, color=FAINT)
        shown = [verdict for verdict in _VERDICTS if verdict in set(rows.loc[rows["ratio"].notna(), "verdict"])]
        marks: list[Any] = []
        for verdict in shown:
            color, marker = _VERDICTS[verdict]
            marks.append(Line2D([], [], color=color, marker=marker, linewidth=2, label=verdict))
        legend(drawn, [*marks, Patch(color=_BAND, label="below the minimum detectable " + what.split()[0])])


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


def _scale_axis(axis: Axes, rows: pd.DataFrame, ratio: bool) -> None:
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
