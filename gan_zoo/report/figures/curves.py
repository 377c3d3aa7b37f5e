"""Curves: a metric against images seen, discriminator steps or seconds of training, with the spread over seeds."""

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
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import (
    FAINT,
    INK,
    Look,
    count_axis,
    figure,
    floor_title,
    legend,
    log_axis,
    log_count_axis,
    write_message,
)
from gan_zoo.statistics import estimate

SHARED_PANEL = 4  # up to this many variants share a panel; more of them have a panel each
_BAND_FROM = 3  # from this many seeds on an interval is a band; below it each seed is a thin line
_UNEQUAL = 3.0  # if the longest curve is this many times the shortest, the horizontal axis is logarithmic
_FAR = 4.0  # a floor this many times below all curves would compress them: it is named, not drawn
_OTHERS = "#cfcfcf"


def evaluations(results: Results, metric: str) -> pd.DataFrame:
    """Every recorded value of a metric with the ``status`` of its run, the floor included.

    If a value was recorded without ``discriminator_steps``, these are interpolated in the training history; NaN without
    a history.
    """
    values = results.metrics[results.metrics["metric"] == metric]
    values = values.merge(results.runs[["variant", "seed", "status"]], on=["variant", "seed"])
    values = values.dropna(subset=["value"]).reindex(columns=[*dict.fromkeys([*values, "discriminator_steps"])])
    numbers = ["step", "images", "seconds", "fraction", "discriminator_steps"]
    values = values.astype(dict.fromkeys(numbers, float)).reset_index(drop=True)
    history = results.history.dropna(subset=["step", "discriminator_steps"]).sort_values("step")
    trained = dict(list(history.groupby(["variant", "seed"])))
    missing = values[values["discriminator_steps"].isna()]
    for key, mine in missing.groupby(["variant", "seed"]):
        if key in trained:
            past = trained[key][["step", "discriminator_steps"]].astype(float)
            found = np.interp(mine["step"], past["step"], past["discriminator_steps"], left=math.nan)
            values.loc[mine.index, "discriminator_steps"] = found
    return values


def has_curves(results: Results, metric: str) -> bool:
    """Whether any run was measured more than once."""
    values = results.metrics[(results.metrics["metric"] == metric) & (results.metrics["variant"] != FLOOR)]
    return bool((values.dropna(subset=["value"]).groupby(["variant", "seed", "extractor"]).size() > 1).any())


def write_curves(results: Results, look: Look, path: Path, metric: str, x: str) -> None:
    """The metric against ``x``: ``images``, ``discriminator_steps`` or ``seconds``.

    Extractors never share a panel. Up to ``SHARED_PANEL`` variants share one; more have a panel each, with the others
    in gray.
    """
    values = evaluations(results, metric)
    trained = values[values["variant"] != FLOOR].dropna(subset=[x])
    extractors = default_first(trained["extractor"].unique(), results)
    variants = [variant for variant in look.colors if variant in set(trained["variant"])]
    label = {"images": f"{results.samples} seen", "seconds": "seconds of training"}.get(x, x.replace("_", " "))
    title = f"{look.data}: {METRICS[metric].title} against {label}"
    if not extractors:
        return write_message(path, title, look.facts, f"No evaluation with {METRICS[metric].title} was recorded.")
    separate = len(variants) > SHARED_PANEL
    groups = [[variant] for variant in variants] if separate else [variants]
    columns = _columns(len(groups)) if separate else len(extractors)
    block = -(-len(groups) // columns) * columns if separate else 1  # panels per extractor, some of them empty
    size: dict[str, Any] = {"rows": block * len(extractors) // columns, "columns": columns, "extra": 0.4}
    size["panel"] = (11 / columns, 2.05) if separate else (8.4 if len(extractors) == 1 else 6.0, 4.4)
    features = f" · features: {', '.join(extractors)}" if METRICS[metric].kind == "images" else ""
    with figure(path, title, f"{look.facts}{features}", **size) as (drawn, axes):
        floored = False
        for place, extractor in enumerate(extractors):
            panels = axes[place * block :][: len(groups)]
            floored |= _block(panels, values[values["extractor"] == extractor], groups, look, metric, x)
            for number, axis in enumerate(panels):
                if separate:
                    name = look.labels[groups[number][0]]
                    axis.set_title(f"{name} ({extractor})" if len(extractors) > 1 else name)
                if number % columns == 0:
                    by = "" if separate else by_extractor(metric, extractor)
                    axis.set_ylabel(f"{METRICS[metric].title}{by} {METRICS[metric].arrow}")
                axis.set_xlabel(label if number >= len(groups) - columns else "")
        handles = _legend(trained) if separate else [look.handle(variant) for variant in variants]
        if floored:
            handles.append(Line2D([], [], color=INK, linestyle="--", label=f"floor ({floor_title(results)})"))
        legend(drawn, handles)
    return None


def _columns(panels: int) -> int:
    """Three or four, whichever leaves fewer places empty."""
    return min((4, 3), key=lambda columns: (-panels % columns, -columns)) if panels > 3 else panels


def _block(axes: list[Axes], values: pd.DataFrame, groups: list[list[str]], look: Look, metric: str, x: str) -> bool:
    """The panels of one extractor, with a group of variants in each; returns whether the floor is within them."""
    floor = estimate(list(values.loc[values["variant"] == FLOOR, "value"]), log=METRICS[metric].log).mean
    means = means_over_seeds(values[values["variant"] != FLOOR].dropna(subset=[x]), metric, x)
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


def means_over_seeds(values: pd.DataFrame, metric: str, x: str) -> pd.DataFrame:
    """One row per value, with ``mean``, ``low`` and ``high`` over the successful seeds at its evaluation and variant.

    Seeds differ in speed: the mean is drawn at their mean ``x`` of each evaluation.
    """
    keys = ["variant", "fraction"]
    lines = []
    for (variant, fraction), seeds in values[values["status"] == "ok"].groupby(keys):
        found = estimate(list(seeds["value"]), log=METRICS[metric].log)
        lines.append((variant, fraction, seeds[x].mean(), found.mean, found.low, found.high, found.seeds))
    means = pd.DataFrame(lines, columns=[*keys, "at", "mean", "low", "high", "seeds"])
    return values.merge(means.astype({"fraction": float}), on=keys, how="left").sort_values([*keys, "seed"])


def _line(values: pd.DataFrame) -> pd.DataFrame:
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


def _scale_axes(axis: Axes, values: pd.DataFrame, floor: float, metric: str, x: str) -> bool:
    """Scale the axes to the values: a wide band and a floor far below may be outside.

    Returns whether the floor is within.
    """
    everything, means = values["value"], values["mean"].dropna()
    low, high = everything.min(), everything.max()
    if METRICS[metric].log and low > 0:
        high = min(high, 10 * (means if len(means) else everything).max())
        low = min(low, floor) if floor > low / _FAR else low
        axis.set_ylim(low / 1.25, high * 1.25)
        log_axis(axis)
    else:
        low, high = np.nanmin([low, floor]), np.nanmax([high, floor])
        room = 0.06 * ((high - low) or abs(high) or 1.0)
        axis.set_ylim(low - room, high + room)
    floored = bool(floor >= axis.get_ylim()[0])
    if floored:
        axis.axhline(floor, color=INK, linestyle="--", linewidth=1.3, zorder=1)
    ends = values.groupby("variant")[x].max()
    count_axis(axis, "")
    if ends.max() > _UNEQUAL * ends.min() and values[x].min() > 0:
        log_count_axis(axis)
        axis.set_xlim(values[x].min() / 1.15, ends.max() * 1.15)
    return floored


def _legend(values: pd.DataFrame) -> list[Any]:
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


def by_extractor(metric: str, extractor: str) -> str:
    """The extractor of a metric of images, in brackets; points have none."""
    return f"  ({extractor})" if METRICS[metric].kind == "images" else ""
