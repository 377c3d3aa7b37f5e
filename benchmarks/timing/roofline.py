"""The roofline picture: how near each mode comes to what the machine could do, a panel a variant."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from gan_zoo.report.figures.style import FAINT, figure, log_axis
from timing.contestants import ENGINE
from timing.rows import peak_of

_MARKERS = {"tutorial": "o", "in_memory": "s", "exact": "D", "tf32": "P", "fast": "^"}
_COLORS = {"fp32": "#0173b2", "tf32": "#029e73", "bf16": "#d55e00"}
_LABEL_INCHES = 0.19
_COLUMNS, _PANEL = 2, (5.6, 3.6)


def draw(path: Path, report: dict[str, Any]) -> None:
    """Save the picture of a report that has rows and peaks."""
    rows, peaks = report["rows"], report["peaks"]
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    left, right = 0.5, 200 * max(row["flops_per_byte"] for row in rows)
    low = 0.4 * min(row["flops_per_second"] for row in rows) / 1e9
    high = 1.6 * max(*peaks["matrix"].values(), *peaks["convolution"].values()) / 1e9
    height = math.ceil(len(variants) / _COLUMNS)
    columns = min(_COLUMNS, len(variants))
    with figure(
        path,
        f"Roofline, {report['machine']['device']}",
        "The engine's operations a second, against its operations a byte moved",
        rows=height,
        columns=columns,
        panel=_PANEL,
        sharex=True,
        sharey=True,
        squeeze=False,
    ) as (_, axes):
        for axis, variant in zip(axes, variants, strict=False):
            log_axis(axis)
            axis.set(xscale="log", xlim=(left, right), ylim=(low, high), title=variant)
            for scale in (axis.xaxis, axis.yaxis):
                scale.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
            _roofs(axis, peaks, left, right, low)
            _points(axis, [row for row in rows if row["variant"] == variant], right, math.log10(high / low))
            axis.set_xlabel("FLOP a byte")
            axis.set_ylabel("GFLOP/s")
            axis.tick_params(labelbottom=True)
        for axis in axes[len(variants) :]:
            axis.set_axis_off()


def _roofs(axis: Axes, peaks: dict[str, Any], left: float, right: float, low: float) -> None:
    """The bandwidth's slope, and a level for each precision's higher peak."""
    bandwidth = peaks["copy_bytes_per_second"] / 1e9
    modes = {precision: mode for mode, precision in ENGINE.items()}
    for precision in peaks["matrix"]:
        peak = peak_of(modes[precision], peaks) / 1e9
        intensity = np.array([left, peak / bandwidth, right])
        axis.plot(intensity, np.minimum(peak, bandwidth * intensity), color=_COLORS[precision], linewidth=1.6)
        axis.plot([left, peak / bandwidth], [peak, peak], color=_COLORS[precision], linewidth=0.8, linestyle=":")
        axis.text(left * 1.15, peak * 1.04, f"{precision} {peak:,.0f} GFLOP/s", color=_COLORS[precision],
                  fontsize=8.5, va="bottom")  # fmt: skip
    start = max(left * 1.5, low * 1.6 / bandwidth)
    axis.text(start * 1.25, start * bandwidth, f"copy {bandwidth:,.0f} GB/s", color=FAINT, fontsize=8.5, va="top")


def _points(axis: Axes, rows: Sequence[dict[str, Any]], right: float, decades: float) -> None:
    """A marker a mode, and its label in a column beside, joined by a thin line."""
    levels = [math.log10(row["flops_per_second"] / 1e9) for row in rows]
    gap = _LABEL_INCHES / (_PANEL[1] - 0.9) * decades
    column = 1.5 * max(row["flops_per_byte"] for row in rows)
    for row, level, place in zip(rows, levels, spread(levels, gap), strict=True):
        color = _COLORS[row["precision"]]
        axis.plot(row["flops_per_byte"], 10**level, marker=_MARKERS[row["mode"]], color=color, markersize=6, zorder=3)
        axis.plot([row["flops_per_byte"], column], [10**level, 10**place], color=FAINT, linewidth=0.6)
        label = f"{row['mode']} {10**level:,.0f}, {row['share_of_peak']:.0%} of peak"
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axis.text(column * 1.06, 10**place, label, fontsize=8.5, va="center", bbox=paper)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places in the same order, moved as a whole as little as it takes to lie at least ``gap`` apart."""
    moved = list(places)
    order = sorted(range(len(places)), key=places.__getitem__)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    shift = sum(moved) / len(moved) - sum(places) / len(places) if places else 0.0
    return [place - shift for place in moved]
