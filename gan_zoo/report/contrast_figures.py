"""The contrasts that the suite declares, as a forest plot: ratio, interval and what the run could have seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from gan_zoo import text
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import Results, own_extractor
from gan_zoo.report.findings import leading
from gan_zoo.report.style import FAINT, INK, Look, figure
from gan_zoo.statistics import ALPHA, GEOMETRIC, shared_alpha

_VERDICTS = {"better": ("#0072b2", "o"), "worse": ("#d55e00", "s"), "no difference shown": ("#4d4d4d", "D")}
_BAND = "#e9e9e9"
_WIDEST = 4.0  # the panel reaches this many times as far as is usual in it at most, but to every mark

CAPTION = (
    "Each variant against its baseline: {what} with its 95% interval by Welch's test{logarithm} over surviving seeds, "
    "not adjusted; at the right p after Holm's adjustment over these contrasts, by which the verdict goes: a "
    "difference is shown where it is at most {alpha:g}{shared}. Grey band: what could not be expected to show, up to "
    "the smallest difference that a test with this spread and these seeds finds in 80% of cases. Failed seeds are in "
    "no mean: they are counted beside the name."
)


def contrast_rows(results: Results) -> pd.DataFrame:
    """The contrasts of the leading measure under the data set's own extractor, in the order of the table.

    Empty where the suite has none, and where none could be tested: there is nothing to draw.
    """
    found = results.contrasts
    kept = (found["metric"] == leading(results).name) & (found["extractor"] == own_extractor(results.manifest))
    return found[kept].reset_index(drop=True) if found.loc[kept, "ratio"].notna().any() else found.iloc[:0]


def contrast_caption(results: Results) -> str:
    """What is said under the figure."""
    name, title = leading(results).name, leading(results).title
    alpha = shared_alpha(int((results.runs["variant"].unique() != FLOOR).sum()))
    shared = f" (half of {ALPHA:g}: the other half is the ranking's)" if alpha < ALPHA else ""
    ratio = name in GEOMETRIC
    what = (
        f"the ratio of the geometric means of final {title}" if ratio else f"the difference of means of final {title}"
    )
    return CAPTION.format(what=what, logarithm=" on the logarithm" if ratio else "", alpha=alpha, shared=shared)


def write_contrasts(results: Results, look: Look, path: Path) -> None:
    """One row a contrast; the baselines are named in the rows where there are several."""
    rows, metric = contrast_rows(results), leading(results)
    ratio, baselines = metric.name in GEOMETRIC, list(dict.fromkeys(rows["baseline"]))
    against = baselines[0] if len(baselines) == 1 else "their baselines"
    records: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    size = {"panel": (8.6, 0.9 + 0.38 * len(rows)), "extra": 0.35}
    with figure(path, f"{look.data}: {metric.title} against {against}", look.facts, **size) as (made, (axis,)):  # type: ignore[arg-type]
        _scale(axis, rows, ratio)
        for place, row in enumerate(records):
            _row(axis, place, row, ratio)
        axis.axvline(1.0 if ratio else 0.0, color=INK, linewidth=1.2, zorder=2)
        names = [_name(row, look, len(baselines) > 1) for row in records]
        axis.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.45, -0.75))
        axis.grid(visible=False, axis="y")
        sides = ("better", "worse") if metric.better == "lower" else ("worse", "better")
        what = f"ratio of {metric.title}" if ratio else f"difference of {metric.title}"
        axis.set_xlabel(f"← {sides[0]}      {what} (variant {'/' if ratio else '-'} baseline)      {sides[1]} →")
        axis.text(1.02, -0.62, "p (Holm)", transform=axis.get_yaxis_transform(), va="center", fontsize=9, color=FAINT)
        made.legend(handles=_legend(rows), loc="outside lower center", ncols=5, frameon=False)


def _row(axis: Axes, place: int, row: dict[str, Any], ratio: bool) -> None:
    still = 1.0 if ratio else 0.0
    said: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "va": "center"}
    axis.text(1.02, place, text.probability(row["p_adjusted"]), fontsize=9.5,
              weight="bold" if row["verdict"] in ("better", "worse") else "normal", **said)  # fmt: skip
    if not text.known(row["ratio"]):
        axis.text(still, place, f"  {_untested(row)}", va="center", fontsize=9, color=FAINT, style="italic")
        return
    color, marker = _VERDICTS[row["verdict"]]
    ends = axis.get_xlim()
    smallest = row["detectable"] if text.known(row["detectable"]) else ends[1]
    band = (1 / smallest, smallest) if ratio else (-smallest, smallest)
    axis.fill_betweenx([place - 0.36, place + 0.36], max(band[0], ends[0]), min(band[1], ends[1]), color=_BAND,
                       linewidth=0, zorder=0)  # fmt: skip
    axis.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2, zorder=3)
    axis.plot(row["ratio"], place, marker, color=color, markersize=7, zorder=4)


def _untested(row: dict[str, Any]) -> str:
    """Why a contrast has no ratio."""
    if not row["seeds"]:
        return "no surviving seed"
    if not row["baseline_seeds"]:
        return "its baseline has no surviving seed"
    if row["verdict"] == "too few seeds":
        return f"too few seeds: {row['seeds']} against {row['baseline_seeds']}"
    return "no ratio: a value is not positive"


def _scale(axis: Axes, rows: pd.DataFrame, ratio: bool) -> None:
    """The same distance to both sides of no difference; a very wide interval or band may leave the panel."""
    columns = rows[["ratio", "low", "high", "detectable"]].astype(float)
    distance = (np.log(columns) if ratio else columns).abs().replace(np.inf, np.nan)  # type: ignore[union-attr]
    usual, least = distance.median().max(), np.log(1.5) if ratio else 1e-9
    reach = 1.1 * max(
        min(distance[["low", "high"]].max().max(), _WIDEST * usual), distance["ratio"].max(), usual, least
    )
    if not ratio:
        axis.set_xlim(-reach, reach)
        return
    axis.set_xscale("log")
    axis.set_xlim(float(np.exp(-reach)), float(np.exp(reach)))
    subs = (1, 2, 5) if reach > np.log(4) else (1, 1.2, 1.5, 2, 3, 5, 7, 8, 9)
    axis.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _name(row: dict[str, Any], look: Look, with_baseline: bool) -> str:
    """``wgan† against nsgan``, and under it how many runs of either failed."""
    name = look.labels.get(row["variant"], row["variant"])
    name += f" against {look.labels.get(row['baseline'], row['baseline'])}" if with_baseline else ""
    failed, runs = int(row["failures"]), int(row["seeds"]) + int(row["failures"])
    return f"{name}\n{failed} of {runs} failed" if failed else name


def _legend(rows: pd.DataFrame) -> list[Any]:
    shown = [verdict for verdict in _VERDICTS if verdict in set(rows.loc[rows["ratio"].notna(), "verdict"])]
    marks: list[Any] = [Line2D([], [], color=color, marker=marker, linewidth=2, label=verdict)
                        for verdict in shown for color, marker in [_VERDICTS[verdict]]]  # fmt: skip
    return [*marks, Patch(color=_BAND, label="less than could be expected to show")]
