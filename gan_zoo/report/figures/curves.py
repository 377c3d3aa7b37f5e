"""Curves over training, with the spread over seeds: a metric, the losses of both players, the discriminator output."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import (
    FAINT,
    GREY,
    INK,
    Look,
    count_axis,
    figure,
    floor_title,
    grid,
    legend,
    log_axis,
    log_count_axis,
    write_message,
)
from gan_zoo.statistics import estimate

_SHARED_PANEL = 4  # up to this many variants share a panel; more of them have a panel each
_BAND_FROM = 3  # from this many seeds on an interval is a band; below it each seed is a thin line
_UNEQUAL = 3.0  # if the longest curve is this many times the shortest, the horizontal axis is logarithmic
_FAR = 4.0  # a floor this many times below all curves would compress them: it is named, not drawn
_HISTORY_POINTS = 150  # a longer history is averaged to this many points
_OTHERS = "#cfcfcf"


def evaluations(results: Results, metric: str) -> pd.DataFrame:
    """Every recorded value of a metric with the ``status`` of its run, the floor included.

    If a value was recorded without ``discriminator_steps``, these are interpolated in the training history; NaN without
    a history.
    """
    keys = ["variant", "seed"]
    values = results.metrics[results.metrics["metric"] == metric].dropna(subset=["value"])
    values = values.merge(results.runs[[*keys, "status"]], on=keys)
    values = values.astype(dict.fromkeys(["step", "images", "seconds", "fraction", "discriminator_steps"], float))
    history = results.history.dropna(subset=["step", "discriminator_steps"]).sort_values("step")
    trained = dict(list(history.groupby(keys)[["step", "discriminator_steps"]]))
    for run, missing in values[values["discriminator_steps"].isna()].groupby(keys):
        if run in trained:
            past = trained[run].astype(float)
            found = np.interp(missing["step"], past["step"], past["discriminator_steps"], left=math.nan)
            values.loc[missing.index, "discriminator_steps"] = found
    return values


def has_curves(results: Results, metric: str) -> bool:
    """Whether any run was measured more than once."""
    trained = ~results.metrics["variant"].isin(results.untrained)
    values = results.metrics[(results.metrics["metric"] == metric) & trained]
    return bool((values.dropna(subset=["value"]).groupby(["variant", "seed", "extractor"]).size() > 1).any())


def write_curves(results: Results, look: Look, path: Path, x: str, metric: str = "") -> None:
    """A metric, the primary one unless named, against ``x``: ``images``, ``discriminator_steps`` or ``seconds``.

    Extractors never share a panel. Up to four variants share one; more have a panel each, with the others in gray.
    """
    measure = METRICS[metric or results.metric.name]
    values = evaluations(results, measure.name)
    values = values[~values["variant"].isin(results.foreign)]
    trained = values[values["variant"] != FLOOR].dropna(subset=[x])
    extractors = default_first(trained["extractor"].unique(), results)
    variants = [variant for variant in look.colors if variant in set(trained["variant"])]
    label = {"images": f"{results.samples} seen", "seconds": "seconds of training"}.get(x, x.replace("_", " "))
    title = f"{look.data}: {measure.title} against {label}"
    if not extractors:
        return write_message(path, title, look.facts, f"No evaluation with {measure.title} was recorded.")
    separate = len(variants) > _SHARED_PANEL
    groups = [[variant] for variant in variants] if separate else [variants]
    # Three or four columns, whichever leaves fewer places empty.
    columns = min((4, 3), key=lambda count: (-len(groups) % count, -count)) if separate else len(extractors)
    block = -(-len(groups) // columns) * columns if separate else 1  # panels per extractor, some of them empty
    rows = block * len(extractors) // columns
    panel = (11 / columns, 2.05) if separate else (8.4 if len(extractors) == 1 else 6.0, 4.4)
    facts = look.facts + (f" · features: {', '.join(extractors)}" if measure.kind == "images" else "")
    with figure(path, title, facts, rows=rows, columns=columns, panel=panel, extra=0.4) as (drawn, axes):
        floored = False
        for place, extractor in enumerate(extractors):
            panels = axes[place * block :][: len(groups)]
            floored |= _block(panels, values[values["extractor"] == extractor], groups, look, measure, x)
            for axis, variant in zip(panels, variants if separate else [], strict=False):
                axis.set_title(look.labels[variant] + (f" ({extractor})" if len(extractors) > 1 else ""))
            for axis in panels[::columns]:
                by = "" if separate else by_extractor(measure, extractor)
                axis.set_ylabel(f"{measure.title}{by} {measure.arrow}")
            for axis in panels[-columns:]:
                axis.set_xlabel(label)
        handles = _handles(trained) if separate else [look.handle(variant) for variant in variants]
        if floored:
            handles.append(Line2D([], [], color=INK, linestyle="--", label=f"floor ({floor_title(results)})"))
        legend(drawn, handles)
    return None


def _block(axes: list[Axes], values: pd.DataFrame, groups: list[list[str]], look: Look, metric: Metric, x: str) -> bool:
    """The panels of one extractor, with a group of variants in each; returns whether the floor is within them."""
    floor = estimate(list(values.loc[values["variant"] == FLOOR, "value"]), log=metric.log).mean
    means = means_over_seeds(values[values["variant"] != FLOOR].dropna(subset=[x]), x, log=metric.log)
    floored = False
    for axis, variants in zip(axes, groups, strict=True):
        for other in means.loc[~means["variant"].isin(variants), "variant"].unique():
            line = _line(means[means["variant"] == other])
            axis.plot(line["at"], line["mean"], color=_OTHERS, linewidth=1, zorder=1)
        for variant in variants:
            _curve(axis, means[means["variant"] == variant], look, x)
        floored = _scale_axes(axis, means, floor, metric, x)
    if not floored and math.isfinite(floor):
        note = {"ha": "right", "va": "bottom", "fontsize": 8.5, "color": FAINT, "transform": axes[0].transAxes}
        axes[0].text(0.99, 0.02, f"floor {text.number(floor)}, below", **note)  # type: ignore[arg-type]
    return floored


def means_over_seeds(values: pd.DataFrame, x: str, *, log: bool) -> pd.DataFrame:
    """One row per value, with ``mean``, ``low`` and ``high`` over the successful seeds at its evaluation and variant.

    Seeds differ in speed: the mean is drawn at their mean ``x`` of each evaluation.
    """
    keys = ["variant", "fraction"]
    rows = []
    for key, seeds in values[values["status"] == "ok"].groupby(keys):
        found = estimate(list(seeds["value"]), log=log)
        rows.append((*key, seeds[x].mean(), found.mean, found.low, found.high, found.seeds))
    means = pd.DataFrame(rows, columns=[*keys, "at", "mean", "low", "high", "seeds"])
    return values.merge(means.astype({"fraction": float}), on=keys, how="left").sort_values([*keys, "seed"])


def _line(values: pd.DataFrame) -> pd.DataFrame:
    """A row per evaluation that has a mean."""
    return values.dropna(subset=["mean"]).drop_duplicates("fraction")


def _curve(axis: Axes, mine: pd.DataFrame, look: Look, x: str) -> None:
    if mine.empty:
        return
    variant, line = str(mine["variant"].iloc[0]), _line(mine)
    color = look.colors[variant]
    banded = len(line) > 0 and line["seeds"].max() >= _BAND_FROM
    for (_, status), seed in mine.groupby(["seed", "status"]):
        if status != "ok":
            axis.plot(seed[x], seed["value"], color=color, linewidth=1.2, alpha=0.8, linestyle=":")
        elif not banded:
            axis.plot(seed["at"], seed["value"], color=color, linewidth=1, alpha=0.6)
    if banded:
        wide = line[line["seeds"] >= _BAND_FROM]
        axis.fill_between(wide["at"], wide["low"], wide["high"], color=color, alpha=0.15, linewidth=0)
    edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.8}
    axis.plot(line["at"], line["mean"], color=color, linewidth=2.2, marker=look.markers[variant], markersize=6, **edge)


def _scale_axes(axis: Axes, values: pd.DataFrame, floor: float, metric: Metric, x: str) -> bool:
    """Scale the axes to the values: a wide band and a floor far below may be outside.

    Returns whether the floor is within.
    """
    everything, means = values["value"], values["mean"].dropna()
    low, high = everything.min(), everything.max()
    if metric.log and low > 0:
        high = min(high, 10 * (means if len(means) else everything).max())
        low = min(low, floor) if floor > low / _FAR else low
        axis.set_ylim(low / 1.25, high * 1.25)
        log_axis(axis)
    else:
        low, high = np.nanmin([low, floor]), np.nanmax([high, floor])
        margin = 0.06 * ((high - low) or abs(high) or 1.0)
        axis.set_ylim(low - margin, high + margin)
    floored = bool(floor >= axis.get_ylim()[0])
    if floored:
        axis.axhline(floor, color=INK, linestyle="--", linewidth=1.3, zorder=1)
    ends = values.groupby("variant")[x].max()
    count_axis(axis, "")
    if ends.max() > _UNEQUAL * ends.min() and values[x].min() > 0:
        log_count_axis(axis)
        axis.set_xlim(values[x].min() / 1.15, ends.max() * 1.15)
    return floored


def _handles(values: pd.DataFrame) -> list[Any]:
    """The lines that are drawn."""
    successful = values[values["status"] == "ok"]
    handles: list[Any] = []
    if len(successful):
        handles.append(Line2D([], [], color=INK, linewidth=2.2, marker="o", markersize=5, label="mean"))
        if successful.groupby("variant")["seed"].nunique().max() >= _BAND_FROM:
            handles.append(Patch(color=INK, alpha=0.15, linewidth=0, label="95% interval"))
    if len(successful) < len(values):
        handles.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=":", label="failed or unfinished seed"))
    return [*handles, Line2D([], [], color=_OTHERS, linewidth=1.5, label="other variants")]


def default_first(extractors: Iterable[str], results: Results) -> list[str]:
    """Extractors in the order of a report: the default of the data set, then the others by name."""
    return sorted(extractors, key=lambda name: (name != results.extractor, name))


def by_extractor(metric: Metric, extractor: str) -> str:
    """The extractor of a metric of images, in brackets; points have none."""
    return f"  ({extractor})" if metric.kind == "images" else ""


def write_losses(results: Results, look: Look, path: Path) -> None:
    """Discriminator and generator loss against samples seen."""
    columns = {"discriminator_loss": "discriminator", "generator_loss": "generator"}
    _write_history(results, look, path, "losses of both players", columns, "loss")


def write_scores(results: Results, look: Look, path: Path) -> None:
    """D(real) and D(fake) against samples seen; probabilities from 0 to 1, raw scores each on their own axis."""
    _write_history(results, look, path, "discriminator output", {"D(real)": "real", "D(fake)": "fake"}, "")


def _write_history(results: Results, look: Look, path: Path, title: str, columns: dict[str, str], label: str) -> None:
    """One panel per variant: the first column in gray, the second (of the generator) in the color of the variant."""
    title = f"{look.data}: {title}"
    history = results.history.merge(results.runs[["variant", "seed", "status", "score_kind"]], on=["variant", "seed"])
    columns = {column: role for column, role in columns.items() if column in history}
    variants = [name for name in look.colors if name in set(history["variant"])] if columns else []
    if not variants:
        return write_message(path, title, look.facts, "No training history was recorded.")
    size = grid(len(variants), 2 if len(variants) == 4 else 3)
    with figure(path, title, look.facts, panel=(4.3, 2.7), extra=0.35, **size) as (drawn, axes):
        for axis, variant in zip(axes, variants, strict=False):
            mine = history[history["variant"] == variant]
            for column, color in zip(columns, (GREY, look.colors[variant]), strict=False):
                _history_line(axis, mine, column, color)
            # A diverging seed may leave the panel.
            successful = mine.loc[mine["status"] == "ok", list(columns)]
            low, high = successful.min().min(), successful.max().max()
            if np.isfinite(low) and low < high:
                axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
            probability = not label and mine["score_kind"].iloc[0] == "probability"
            if probability:
                axis.set_ylim(0, 1)
                axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
            axis.set(title=look.labels[variant], ylabel=label or ("probability" if probability else "raw score"))
            count_axis(axis, f"{results.samples} seen")
        roles = list(columns.values())
        names = [roles[0], *(f"{role} (in the color of the variant)" for role in roles[1:])]
        shades = (GREY, look.colors[variants[0]])
        legend(drawn, [Line2D([], [], color=shade, label=name) for name, shade in zip(names, shades, strict=False)])
    return None


def _history_line(axis: Axes, history: pd.DataFrame, column: str, color: Any) -> None:
    values = _thinned(history, column)
    for _, seed in values[values["status"] != "ok"].groupby("seed"):
        axis.plot(seed["images"], seed[column], color=color, linewidth=1, linestyle=":", alpha=0.8)
        axis.plot(seed["images"].iloc[-1:], seed[column].iloc[-1:], "x", color=color, markersize=6)
    spread = values[values["status"] == "ok"].groupby("images")[column].agg(["mean", "min", "max"])
    axis.plot(spread.index, spread["mean"], color=color, linewidth=1.5)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=color, alpha=0.2, linewidth=0)


def _thinned(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """A history with fewer points per seed, each the mean of an interval of training, on one grid for all seeds."""
    history = history[["seed", "status", "images", column]].dropna().astype({"images": float})
    if history.groupby("seed").size().max() <= _HISTORY_POINTS:
        return history
    edges = np.linspace(0, history["images"].max(), _HISTORY_POINTS + 1)
    ends = edges[np.clip(np.searchsorted(edges, history["images"]), 1, _HISTORY_POINTS)]
    return history.assign(images=ends).groupby(["seed", "status", "images"], as_index=False)[[column]].mean()
