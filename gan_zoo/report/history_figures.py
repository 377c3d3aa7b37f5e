"""Figures of the training history, one panel a variant: the losses of both players, and what the discriminator says."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gan_zoo.bench.tables import Results
from gan_zoo.report.style import FAINT, Look, count_axis, figure, samples_of, say

POINTS = 150  # a longer history is averaged to this many points
_COLUMNS = 3
_GREY = "#4d4d4d"


def write_losses(results: Results, look: Look, path: Path) -> None:
    """Discriminator and generator loss against samples seen."""
    columns = {"discriminator_loss": "discriminator", "generator_loss": "generator"}
    _write(results, look, path, f"{look.data}: losses of both players", columns, "loss")


def write_scores(results: Results, look: Look, path: Path) -> None:
    """D(real) and D(fake) against samples seen; probabilities from 0 to 1, raw scores each on their own axis."""
    _write(results, look, path, f"{look.data}: what the discriminator says", {"D(real)": "real", "D(fake)": "fake"}, "")


def _write(results: Results, look: Look, path: Path, title: str, columns: dict[str, str], label: str) -> None:
    """One panel a variant: the first column in grey, the second (the generator's side) in the variant's color."""
    history = results.history.merge(results.runs[["variant", "seed", "status", "score_kind"]], on=["variant", "seed"])
    columns = {column: role for column, role in columns.items() if column in history}
    variants = [name for name in look.colors if name in set(history["variant"])] if columns else []
    if not variants:
        return say(path, title, look.facts, "No training history was recorded.")
    wide = 2 if len(variants) == 4 else min(_COLUMNS, len(variants))
    size = {"rows": -(-len(variants) // wide), "columns": wide, "panel": (4.3, 2.7), "extra": 0.35}
    with figure(path, title, look.facts, **size) as (drawn, axes):  # type: ignore[arg-type]
        for axis, variant in zip(axes, variants, strict=False):
            mine = history[history["variant"] == variant]
            for column, color in zip(columns, (_GREY, look.colors[variant]), strict=False):
                _line(axis, mine, column, color)
            kind = mine["score_kind"].iloc[0]
            _fit(axis, mine[mine["status"] == "ok"][list(columns)])
            probability = not label and kind == "probability"
            if probability:
                axis.set_ylim(0, 1)
                axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
            axis.set(title=look.labels[variant], ylabel=label or ("probability" if probability else "raw score"))
            count_axis(axis, f"{samples_of(results.manifest)} seen")
        for axis in axes[len(variants) :]:
            axis.set_axis_off()
        drawn.legend(handles=_handles(list(columns.values()), look.colors[variants[0]]), loc="outside lower center",
                     ncols=2, frameon=False)  # fmt: skip
    return None


def _line(axis: Axes, history: pd.DataFrame, column: str, color: Any) -> None:
    values = _thinned(history, column)
    for _, seed in values[values["status"] != "ok"].groupby("seed"):
        axis.plot(seed["images"], seed[column], color=color, linewidth=1, linestyle=":", alpha=0.8)
        axis.plot(seed["images"].iloc[-1:], seed[column].iloc[-1:], "x", color=color, markersize=6)
    spread = values[values["status"] == "ok"].groupby("images")[column].agg(["mean", "min", "max"])
    axis.plot(spread.index, spread["mean"], color=color, linewidth=1.5)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=color, alpha=0.2, linewidth=0)


def _fit(axis: Axes, survivors: pd.DataFrame) -> None:
    """Fit the vertical axis to the surviving seeds: one that diverges may leave the panel."""
    low, high = survivors.min().min(), survivors.max().max()
    if np.isfinite(low) and low < high:
        axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))


def _thinned(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """At most ``POINTS`` points a seed, each the mean of a stretch of training, on one grid for all seeds."""
    history = history[["seed", "status", "images", column]].dropna().astype({"images": float})
    if history.groupby("seed").size().max() <= POINTS:
        return history
    edges = np.linspace(0, history["images"].max(), POINTS + 1)
    ends = edges[np.clip(np.searchsorted(edges, history["images"]), 1, POINTS)]
    return history.assign(images=ends).groupby(["seed", "status", "images"], as_index=False)[[column]].mean()


def _handles(roles: list[str], color: Any) -> list[Line2D]:
    names = [roles[0], *(f"{role} (in the variant's color)" for role in roles[1:])]
    return [Line2D([], [], color=shade, label=name) for name, shade in zip(names, (_GREY, color), strict=False)]
