"""The figure of a search: the expected best value against the number of trials, a panel a variant."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gan_zoo.metrics.registry import Metric
from gan_zoo.report.figures.style import FAINT, INK, figure, log_axis, write_message

_COLUMNS = 3
_COLOR = "#0b62a4"
_OTHERS = "#c9ced4"


def write_figure(
    path: Path, title: str, facts: str, metric: Metric, curve: pd.DataFrame, defaults: Mapping[str, float]
) -> None:
    """Draw the curves of all variants; in each panel one is in color, with its band and its default, the others grey.

    ``defaults`` are the values of the default settings, NaN where they failed.
    """
    if curve.empty:
        return write_message(path, title, facts, "No trial was measured: there is no best value to expect.")
    variants = [name for name in defaults if name in set(curve["variant"])]
    columns = min(_COLUMNS, len(variants))
    rows = -(-len(variants) // columns)
    size = {"rows": rows, "columns": columns, "panel": (8.4 if columns == 1 else 4.3, 3.4), "extra": 0.35}
    with figure(path, title, facts, sharex=True, sharey=True, **size) as (drawn, axes):  # type: ignore[arg-type]
        for axis, variant in zip(axes, variants, strict=False):
            _panel(axis, curve, variant, defaults[variant])
            axis.set(title=variant, ylabel=f"best {metric.title} {metric.arrow}")
            axis.set_xlabel("random trials")
            axis.tick_params(labelbottom=True)
        if (curve["low"] > 0).all():
            log_axis(axes[0])
        for axis in axes[len(variants) :]:
            axis.set_axis_off()
        drawn.legend(handles=_handles(), loc="outside lower center", ncols=4, frameon=False)
    return None


def _panel(axis: Axes, curve: pd.DataFrame, variant: str, default: float) -> None:
    for other, line in curve.groupby("variant", sort=False):
        if other != variant:
            axis.plot(line["k"], line["expected"], color=_OTHERS, linewidth=1.2, zorder=1)
    mine = curve[curve["variant"] == variant]
    axis.fill_between(mine["k"], mine["low"], mine["high"], color=_COLOR, alpha=0.15, linewidth=0)
    marker = "o" if len(mine) <= 20 else None
    axis.plot(mine["k"], mine["expected"], color=_COLOR, linewidth=2.2, marker=marker, markersize=4.5, zorder=3)
    if math.isfinite(default):
        axis.axhline(default, color=INK, linestyle="--", linewidth=1.2, zorder=2)
    else:
        axis.text(0.97, 0.95, "default failed", transform=axis.transAxes, ha="right", va="top", color=FAINT, fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=_COLOR, linewidth=2.2, label="expected best of k trials"),
        Line2D([], [], color=_COLOR, linewidth=8, alpha=0.15, label="5% to 95%"),
        Line2D([], [], color=INK, linestyle="--", linewidth=1.2, label="default settings"),
        Line2D([], [], color=_OTHERS, linewidth=1.2, label="other variants"),
    ]
