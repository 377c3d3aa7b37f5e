"""Figures of the training history, one panel per variant: the losses of both players, and the discriminator outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gan_zoo.bench.results import Results
from gan_zoo.report.figures.style import FAINT, Look, count_axis, figure, grid, legend, write_message

POINTS = 150  # a longer history is averaged to this many points
_COLUMNS = 3
_GREY = "#4d4d4d"


def write_losses(results: Results, look: Look, path: Path) -> None:
    """Discriminator and generator loss against samples seen."""
    columns = {"discriminator_loss": "discriminator", "generator_loss": "generator"}
    _write(results, look, path, f"{look.data}: losses of both players", columns, "loss")


def write_scores(results: Results, look: Look, path: Path) -> None:
    """D(real) and D(fake) against samples seen; probabilities from 0 to 1, raw scores each on their own axis."""
    _write(results, look, path, f"{look.data}: discriminator output", {"D(real)": "real", "D(fake)": "fake"}, "")


def _write(results: Results, look: Look, path: Path, title: str, columns: dict[str, str], label: str) -> None:
    """One panel per variant: the first column in gray, the second (of the generator) in the color of the variant."""
    history = results.history.merge(results.runs[["variant", "seed", "status", "score_kind"]], on=["variant", "seed"])
    columns = {column: role for column, role in columns.items() if column in history}
    variants = [name for name in look.colors if name in set(history["variant"])] if columns else []
    if not variants:
        return write_message(path, title, look.facts, "No training history was recorded.")
    size = grid(len(variants), 2 if len(variants) == 4 else _COLUMNS)
    with figure(path, title, look.facts, panel=(4.3, 2.7), extra=0.35, **size) as (drawn, axes):
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
            count_axis(axis, f"{results.samples} seen")
        roles = list(columns.values())
        names = [roles[0], *(f"{role} (in the color of the variant)" for role in roles[1:])]
        shades = (_GREY, look.colors[variants[0]])
        legend(drawn, [Line2D([], [], color=shade, label=name) for name, shade in zip(names, shades, strict=False)])
    return None


def _line(axis: Axes, history: pd.DataFrame, column: str, color: Any) -> None:
    values = _thinned(history, column)
    for _, seed in values[values["status"] != "ok"].groupby("seed"):
        axis.plot(seed["images"], seed[column], color=color, linewidth=1, linestyle=":", alpha=0.8)
        axis.plot(seed["images"].iloc[-1:], seed[column].iloc[-1:], "x", color=color, markersize=6)
    spread = values[values["status"] == "ok"].groupby("images")[column].agg(["mean", "min", "max"])
    axis.plot(spread.index, spread["mean"], color=color, linewidth=1.5)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=color, alpha=0.2, linewidth=0)


def _fit(axis: Axes, successful: pd.DataFrame) -> None:
    """Fit the vertical axis to the successful seeds: a diverging one may leave the panel."""
    low, high = successful.min().min(), successful.max().max()
    if np.isfinite(low) and low < high:
        axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))


def _thinned(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """At most ``POINTS`` points per seed, each the mean of an interval of training, on one grid for all seeds."""
    history = history[["seed", "status", "images", column]].dropna().astype({"images": float})
    if history.groupby("seed").size().max() <= POINTS:
        return history
    edges = np.linspace(0, history["images"].max(), POINTS + 1)
    ends = edges[np.clip(np.searchsorted(edges, history["images"]), 1, POINTS)]
    return history.assign(images=ends).groupby(["seed", "status", "images"], as_index=False)[[column]].mean()
