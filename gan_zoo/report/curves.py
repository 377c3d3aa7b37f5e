"""Curves: a measure against images seen, discriminator steps or seconds of training, with the spread over seeds."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from gan_zoo import text
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import Results, own_extractor
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.style import FAINT, INK, Look, count_axis, figure, floor_of, log_axis, samples_of, say
from gan_zoo.statistics import GEOMETRIC, estimate

TOGETHER = 4  # up to this many variants share a panel; more of them get a panel each
_BAND_FROM = 3  # from this many seeds on an interval is a band; below it each seed is a thin line
_ONE_ROW = 3  # panels that stand in one row
_UNEQUAL = 3.0  # where the longest curve is this many times the shortest, the horizontal axis is logarithmic
_FAR = 4.0  # a floor this many times below all curves would push them together: it is named, not drawn
_OTHERS = "#cfcfcf"

CAPTION = (
    "Line: {mean} mean over surviving seeds; band: its 95% interval ({interval}), from three seeds on and cut where it "
    "leaves the panel (below three seeds each is a thin line); dotted: a seed that failed or is unfinished; dashed: "
    "the floor, {floor} at the same N, named alone where it is far below."
)


def evaluations(results: Results, metric: str) -> pd.DataFrame:
    """Every recorded value of a metric with its run's ``status``, the floor's too.

    ``discriminator_steps`` comes from the training history, between its rows by linear interpolation, where a value
    was recorded without it; NaN where there is no history either.
    """
    values = results.metrics[results.metrics["metric"] == metric]
    values = values.merge(results.runs[["variant", "seed", "status"]], on=["variant", "seed"])
    values = values.dropna(subset=["value"]).reindex(columns=[*dict.fromkeys([*values, "discriminator_steps"])])
    numbers = ["step", "images", "seconds", "fraction", "discriminator_steps"]
    values = values.astype(dict.fromkeys(numbers, float)).reset_index(drop=True)
    history = results.history.dropna(subset=["step", "discriminator_steps"]).sort_values("step")
    trained = dict(list(history.groupby(["variant", "seed"])))
    missing = values[values["discriminator_steps"].isna()]
    for cell, mine in missing.groupby(["variant", "seed"]):
        if cell in trained:
            past = trained[cell][["step", "discriminator_steps"]].astype(float)
            found = np.interp(mine["step"], past["step"], past["discriminator_steps"], left=math.nan)
            values.loc[mine.index, "discriminator_steps"] = found
    return values


def has_curves(results: Results, metric: str) -> bool:
    """Whether any run was measured more than once: a value at the end alone is no curve."""
    values = results.metrics[(results.metrics["metric"] == metric) & (results.metrics["variant"] != FLOOR)]
    return bool((values.dropna(subset=["value"]).groupby(["variant", "seed", "extractor"]).size() > 1).any())


def write_curves(results: Results, look: Look, path: Path, metric: str, x: str) -> None:
    """The metric against ``x``: ``images``, ``discriminator_steps`` or ``seconds``.

    Figures of two extractors never share a panel. Up to ``TOGETHER`` variants are drawn over one another; more of them
    have a panel each, with the others behind in grey.
    """
    values = evaluations(results, metric)
    trained = values[values["variant"] != FLOOR].dropna(subset=[x])
    extractors = own_first(trained["extractor"].unique(), results)
    variants = [variant for variant in look.colors if variant in set(trained["variant"])]
    label = {"images": f"{samples_of(results.manifest)} seen", "seconds": "seconds of training"}.get(x)
    label = label or x.replace("_", " ")
    title = f"{look.data}: {METRICS[metric].title} against {label}"
    if not extractors:
        return say(path, title, look.facts, f"No evaluation with {METRICS[metric].title} was recorded.")
    apart = len(variants) > TOGETHER
    shown = [[variant] for variant in variants] if apart else [variants]
    columns = _columns(len(shown)) if apart else len(extractors)
    block = -(-len(shown) // columns) * columns if apart else 1  # panels an extractor, some of them empty
    size: dict[str, Any] = {"rows": block * len(extractors) // columns, "columns": columns, "extra": 0.4}
    size["panel"] = (11 / columns, 2.05) if apart else (8.4 if len(extractors) == 1 else 6.0, 4.4)
    with figure(path, title, f"{look.facts}{_features(metric, extractors)}", **size) as (drawn, axes):
        floored = False
        for place, extractor in enumerate(extractors):
            panels, mine = axes[place * block :][:block], values[values["extractor"] == extractor]
            floored |= _block(panels, mine, shown, look, metric, x)
            for number, axis in enumerate(panels[: len(shown)]):
                if apart:
                    name = look.labels[shown[number][0]]
                    axis.set_title(f"{name} ({extractor})" if len(extractors) > 1 else name)
                if number % columns == 0:
                    features = "" if apart else by(metric, extractor)
                    axis.set_ylabel(f"{METRICS[metric].title}{features} {METRICS[metric].arrow}")
                axis.set_xlabel(label if number >= len(shown) - columns else "")
        handles = _legend(trained) if apart else look.handles(variants)
        if floored:
            handles.append(Line2D([], [], color=INK, linestyle="--", label=f"floor ({floor_of(results.manifest)})"))
        drawn.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return None


def _columns(panels: int) -> int:
    """Three or four, whichever leaves fewer places empty."""
    return min((4, 3), key=lambda columns: (-panels % columns, -columns)) if panels > _ONE_ROW else panels


def _block(axes: list[Axes], values: pd.DataFrame, shown: list[list[str]], look: Look, metric: str, x: str) -> bool:
    """The panels of one extractor, with the variants of ``shown`` in each; tells whether the floor is within them."""
    floor = estimate(metric, list(values.loc[values["variant"] == FLOOR, "value"])).mean
    means = means_over_seeds(values[values["variant"] != FLOOR].dropna(subset=[x]), metric, x)
    for axis, variants in zip(axes, shown, strict=False):
        for other in means.loc[~means["variant"].isin(variants), "variant"].unique():
            line = _line(means[means["variant"] == other])
            axis.plot(line["at"], line["mean"], color=_OTHERS, linewidth=1, zorder=1)
        for variant in variants:
            _curve(axis, means[means["variant"] == variant], look, x)
        floored = _lay_out(axis, means, floor, metric, x)
    if not floored and math.isfinite(floor):
        axes[0].text(0.99, 0.02, f"floor {text.number(floor)}, below", ha="right", va="bottom", fontsize=8.5,
                     color=FAINT, transform=axes[0].transAxes)  # fmt: skip
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    return floored


def means_over_seeds(values: pd.DataFrame, metric: str, x: str) -> pd.DataFrame:
    """One row a value, with ``mean``, ``low`` and ``high`` over the surviving seeds at its evaluation and variant.

    Seeds differ in speed: survivors are put at their mean ``x`` of each evaluation, so that a mean over them exists.
    """
    keys = ["variant", "fraction"]
    lines = []
    for (variant, fraction), seeds in values[values["status"] == "ok"].groupby(keys):
        found = estimate(metric, list(seeds["value"]))
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
    axis.plot(line["at"], line["mean"], color=color, linewidth=2.2, marker=look.markers[variant], markersize=6,
              markeredgecolor="white", markeredgewidth=0.8)  # fmt: skip


def _lay_out(axis: Axes, values: pd.DataFrame, floor: float, metric: str, x: str) -> bool:
    """Scale the axes to what was measured: a wide band and a floor far below may lie outside.

    Tells whether the floor is within.
    """
    everything, means = values["value"], values["mean"].dropna()
    low, high = everything.min(), everything.max()
    if metric in GEOMETRIC and low > 0:
        high = min(high, 10 * (means if len(means) else everything).max())
        low = min(low, floor) if floor > low / _FAR else low
        log_axis(axis)
        axis.set_ylim(low / 1.25, high * 1.25)
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
        log_counts(axis)
        axis.set_xlim(values[x].min() / 1.15, ends.max() * 1.15)
    return floored


def log_counts(axis: Axes) -> None:
    """A logarithmic horizontal axis of counts or seconds: 1, 2, 5, 10 ... 50k."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _legend(values: pd.DataFrame) -> list[Any]:
    """What the lines mean, of those that are drawn."""
    survivors = values[values["status"] == "ok"]
    banded = len(survivors) and survivors.groupby("variant")["seed"].nunique().max() >= _BAND_FROM
    said = [
        (len(survivors), Line2D([], [], color=INK, linewidth=2.2, marker="o", markersize=5, label="mean")),
        (banded, Patch(color=INK, alpha=0.15, linewidth=0, label="95% interval")),
        (len(survivors) < len(values), Line2D([], [], color=INK, linewidth=1.2, linestyle=":",
                                              label="failed or unfinished seed")),
        (True, Line2D([], [], color=_OTHERS, linewidth=1.5, label="the other variants")),
    ]  # fmt: skip
    return [handle for shown, handle in said if shown]


def own_first(extractors: Iterable[str], results: Results) -> list[str]:
    """Extractors in the order of a report: the data set's own, then the others by name."""
    own = own_extractor(results.manifest)
    return sorted(extractors, key=lambda name: (name != own, name))


def by(metric: str, extractor: str) -> str:
    """The extractor of a measure of images, in brackets; points have none."""
    return f"  ({extractor})" if METRICS[metric].kind == "images" else ""


def _features(metric: str, extractors: list[str]) -> str:
    return f" · features: {', '.join(extractors)}" if METRICS[metric].kind == "images" else ""
