"""The two pictures of `measures.py`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from gan_zoo import text
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures.style import FAINT, INK, figure
from sight.faults import NONE

_CLIP = 10.0  # half widths of the spread at which the colors end


def draw_sensitivity(path: Path, facts: dict[str, Any], found: pd.DataFrame) -> None:
    """A row a fault and strength, a column a measure: mean values, colored by how far past the spread they are."""
    names = [name for name in METRICS if name in set(found["metric"])]
    rows = list(dict.fromkeys(zip(found["fault"], found["strength"], strict=True)))
    by_place = found.set_index(["fault", "strength", "metric"])
    change = np.array([[by_place.loc[(*row, name), "change"] for name in names] for row in rows])
    title, size = "What each measure sees of a known fault", (1.05 * len(names) + 2.2, 0.34 * len(rows) + 0.9)
    said = (
        f"{facts['data']} · {facts['extractor']} · N = {facts['n']:,} · {facts['draws']} draws · red: worse than draws "
        "without a fault, blue: better, white: not seen"
    )
    with figure(path, title, said, panel=size) as (drawn, (axis,)):
        shown = axis.imshow(
            change.clip(-_CLIP, _CLIP), cmap="RdBu_r", norm=TwoSlopeNorm(0, -_CLIP, _CLIP), aspect="auto"
        )
        for down, row in enumerate(rows):
            for across, name in enumerate(names):
                at, far = by_place.loc[(*row, name)], abs(change[down, across])
                dark, seen = far > 0.7 * _CLIP, at["verdict"] != "not seen"
                axis.text(across, down, text.number(at["mean"]), ha="center", va="center", fontsize=9,
                          color="white" if dark else INK if seen else FAINT,
                          weight="bold" if seen else "normal")  # fmt: skip
        axis.set(xticks=range(len(names)), yticks=range(len(rows)))
        axis.set_xticklabels(
            [f"{METRICS[name].title} {METRICS[name].arrow}" for name in names], rotation=35, ha="right"
        )
        axis.set_yticklabels(["no fault" if name == NONE.name else f"{name} {strength:g}" for name, strength in rows])
        axis.grid(visible=False)
        bar = drawn.colorbar(shown, ax=axis, shrink=0.7, pad=0.01)
        bar.set_label("change, in half widths of the spread")


def draw_bias(path: Path, facts: dict[str, Any], rows: pd.DataFrame) -> None:
    """A panel a source: FID of each draw over 1/N, the line over all draws, and the limit with its interval."""
    sources = list(dict.fromkeys(rows["source"]))
    said = (
        f"{facts['data']} · {facts['extractor']} · {facts['draws']} draws · generator: {facts['generator']}, "
        f"{facts['training']} · line: mean over draws"
    )
    with figure(path, "FID against N", said, columns=len(sources), panel=(4.6, 3.4)) as (_, axes):
        for axis, source in zip(axes, sources, strict=True):
            mine, found = rows[rows["source"] == source], facts["limits"][source]
            axis.plot(1 / mine["n"], mine["fid"], "o", markersize=4, color="#0173b2", alpha=0.6, linewidth=0)
            reach = np.array([0.0, 1 / min(facts["counts"])])
            axis.plot(reach, found["limit"]["mean"] + found["slope"]["mean"] * reach, color=INK, linewidth=1.2)
            limit = found["limit"]
            ends = [[limit["mean"] - limit["low"]], [limit["high"] - limit["mean"]]]
            axis.errorbar([0], [limit["mean"]], yerr=ends, fmt="D", color="#d55e00", capsize=4, markersize=5)
            axis.set(xlabel="N (scale: 1/N)", ylabel="FID ↓")
            axis.set_xticks([0, *(1 / n for n in facts["counts"])])
            axis.set_xticklabels(["∞", *(f"{n:,}" for n in facts["counts"])], rotation=90)
            told = text.estimate(limit["mean"], limit["low"], limit["high"])
            axis.set_title(f"{source}: {told} at N → ∞", loc="left")
