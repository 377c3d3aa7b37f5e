"""Metrics over training, with the spread over seeds."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.text import Text
from scipy.optimize import isotonic_regression

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.bench.summary import table_order
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import FAINT, INK, MANY, STYLE, Look, scale_axis
from gan_zoo.report.figures.svg import Chart, Drawing
from gan_zoo.statistics import MINIMUM_SEEDS, estimate

X = ("images", "discriminator_steps", "seconds")
"""What a metric is drawn against."""
WIDTH, HEIGHT = 640.0, 360.0
LEFT, BOTTOM, TOP = 52.0, 40.0, 10.0
_UNEQUAL = 3.0  # if the longest curve is this many times the shortest, the horizontal axis is logarithmic
_FAR = 4.0  # a floor this many times below all curves would compress them: it is named, not drawn
_COLUMNS = 4  # panels of small multiples in a row
_ROW = 118.0  # points of a panel with its title
_LONGEST = 24  # characters of a label at the end of a curve
_SPACING = 13.0  # points between two labels


def evaluations(results: Results, metric: str) -> pd.DataFrame:
    """Every recorded value of a metric with the ``status`` of its run, the floor included.

    If a value was recorded without ``discriminator_steps``, these are interpolated in the training history; NaN without
    a history.
    """
    keys = ["variant", "seed"]
    values = results.metrics[results.metrics["metric"] == metric].dropna(subset=["value"])
    values = values.merge(results.runs[[*keys, "status"]], on=keys)
    values = values.astype(dict.fromkeys(["step", "images", "seconds", "fraction", "discriminator_steps"], float))
    if values["discriminator_steps"].notna().all():
        return values
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


def default_first(extractors: Iterable[str], results: Results) -> list[str]:
    """Extractors in the order of a report: the default of the data set, then the others by name."""
    return sorted(extractors, key=lambda name: (name != results.extractor, name))


def means_over_seeds(values: pd.DataFrame, results: Results, metric: Metric) -> pd.DataFrame:
    """A row per variant and evaluation that has a successful seed: its estimate, as in the tables, and its mean ``X``.

    ``values`` are those of the single seeds. Seeds differ in speed: a mean is drawn at their mean seconds. ``written``
    is the estimate as text: from three seeds on with its interval, below with the values of the seeds.
    """
    bounds = metric.limits(results.manifest["data"].get("classes"))
    groups = values[values["status"] == "ok"].groupby(["variant", "fraction"])
    rows = []
    for name, single in groups["value"]:
        found = estimate(single.tolist(), log=metric.log, bounds=bounds)
        spread = text.interval(found.low, found.high)
        if found.seeds < MINIMUM_SEEDS:
            spread = f"(seeds {', '.join(map(text.number, single))})" if found.seeds > 1 else "(one seed)"
        rows.append([*name, found.mean, found.low, found.high, found.seeds, f"{text.number(found.mean)} {spread}"])
    means = pd.DataFrame(rows, columns=["variant", "fraction", "mean", "low", "high", "seeds", "written"])
    means[list(X)] = groups[list(X)].mean().to_numpy()
    return means.dropna(subset=["mean"])


def position(value: float, x: str, samples: str) -> str:
    """A position on the horizontal axis as text: ``12,800 images``."""
    if x == "seconds":
        return text.duration(value)
    return f"{text.count(round(value))} {samples if x == 'images' else x.replace('_', ' ')}"


class Curve:
    """A metric under one extractor: its single values, its means over seeds, its floor."""

    def __init__(self, results: Results, metric: Metric, extractor: str) -> None:
        values = evaluations(results, metric.name)
        values = values[(values["extractor"] == extractor) & ~values["variant"].isin(results.foreign)]
        self.results = results
        self.metric = metric
        self.trained = values[values["variant"] != FLOOR].sort_values("fraction", kind="stable")
        self.log = metric.log and bool(self.trained["value"].min() > 0)
        self.means = means_over_seeds(self.trained, results, metric)
        self.seeds: dict[str, list[tuple[str, str, pd.DataFrame]]] = {}
        for (variant, seed, status), one in self.trained.groupby(["variant", "seed", "status"]):
            self.seeds.setdefault(str(variant), []).append((str(seed), str(status), one))
        self.lines = dict(list(self.means.groupby("variant")))
        self.floor = estimate(list(values.loc[values["variant"] == FLOOR, "value"]), log=metric.log).mean
        by = extractor if metric.kind == "images" and extractor != results.extractor else ""
        self.title = f"{metric.title} {metric.arrow}{f' ({by})' if by else ''}"
        self.y = f"{metric.name} ({by})" if by else metric.name

    def tips(self, variant: str, x: str) -> list[str]:
        """The text of each mean of a variant."""
        means = self.lines[variant]
        at = [position(value, x, self.results.samples) for value in means[x]]
        name = text.visible(variant)
        return [
            f"{name} · {where} · {self.metric.title} {value}" for where, value in zip(at, means["written"], strict=True)
        ]


def draw_variant(drawing: Drawing, axes: Axes, curve: Curve, look: Look, variant: str, x: str) -> None:
    """The curve of a variant: its band, its single seeds if they have none or failed, its means with their tips."""
    color = look.colors[variant]
    mine = curve.lines.get(variant, curve.means.iloc[:0])
    banded = bool(mine["seeds"].max() >= MINIMUM_SEEDS)
    if banded:
        band = mine[mine["seeds"] >= MINIMUM_SEEDS]
        drawing.band(axes, band[x], band["low"], band["high"], variant, color)
    for seed, status, one in curve.seeds[variant]:
        if status == "ok" and not banded:
            drawing.line(axes, one[x], one["value"], variant, color=color, linewidth=0.8, alpha=0.7)
        elif status != "ok":
            draw_failed(drawing, axes, one[x], one["value"], look, variant, f"seed {seed} {text.status(status)}")
    if len(mine):
        style = look.line(variant) | {"marker": look.markers[variant], "markersize": 5, "markeredgewidth": 0}
        drawing.line(axes, mine[x], mine["mean"], variant, curve.tips(variant, x), **style)


def draw_failed(
    drawing: Drawing, axes: Axes, at: pd.Series, values: pd.Series, look: Look, variant: str, why: str
) -> None:
    """The dotted line of a failed or unfinished seed, with a cross at its end."""
    color = look.colors[variant]
    drawing.line(axes, at, values, variant, color=color, linewidth=1.2, linestyle=":")
    low, high = axes.get_ylim()
    if low <= values.iloc[-1] <= high:
        cross: dict[str, Any] = {"color": color, "marker": "x", "markersize": 6, "linestyle": "none"}
        drawing.line(axes, at.iloc[-1:], values.iloc[-1:], variant, [f"{text.visible(variant)} · {why}"], **cross)


def _limits(curve: Curve) -> tuple[float, float]:
    """The vertical limits: a wide band, a failed seed and a floor far below may be outside."""
    values, means = curve.trained["value"], curve.means["mean"]
    low, high = float(values.min()), float(values.max())
    if curve.log:
        high = min(high, 10 * float((means if len(means) else values).max()))
        return (min(low, curve.floor) if curve.floor > low / _FAR else low) / 1.1, high * 1.1
    low, high = float(np.nanmin([low, curve.floor])), float(np.nanmax([high, curve.floor]))
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin


def horizontal_limits(at: pd.Series, variants: pd.Series) -> tuple[tuple[float, float], bool]:
    """The horizontal limits, and whether the axis is logarithmic: if the curves are of very unequal length."""
    ends = at.groupby(variants).max()
    if ends.max() > _UNEQUAL * ends.min() and at.min() > 0:
        return (at.min() / 1.1, ends.max() * 1.05), True
    return (0.0, ends.max() * 1.02 or 1.0), False


def scale_curve(drawing: Drawing, axes: Axes, curve: Curve, x: str, gaps: tuple[float, float] = (0.13, 0.08)) -> None:
    """Scale both axes to a curve, and draw its floor if it is not far below."""
    horizontal, is_log = horizontal_limits(curve.trained[x], curve.trained["variant"])
    scale_axis(axes.xaxis, horizontal, log=is_log, gap=gaps[0])
    limits = _limits(curve)
    scale_axis(axes.yaxis, limits, log=curve.log, gap=gaps[1])
    if curve.floor >= limits[0]:
        drawing.line(axes, horizontal, [curve.floor] * 2, color=INK, linestyle="--", linewidth=1, zorder=1)


def label_ends(
    drawing: Drawing,
    axes: Axes,
    look: Look,
    ends: Mapping[str, tuple[float, float]],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Labels of variants, by default their names, to the right of the axes, as near as they fit to points in them."""
    if not ends:
        return
    box = axes.bbox
    points = axes.transData.transform(list(ends.values()))
    order = np.argsort(points[:, 1], kind="stable")
    scale = drawing.figure.dpi / 72
    spacing = min(_SPACING * scale, box.height / len(ends))
    wanted = np.clip(points[order, 1], box.y0, box.y1) - spacing * np.arange(len(ends))
    heights = np.clip(isotonic_regression(wanted).x, box.y0, box.y1 - spacing * (len(ends) - 1))
    heights += spacing * np.arange(len(ends))
    to_data = axes.transData.inverted().transform
    for height, place in zip(heights, order, strict=True):
        variant = list(ends)[place]
        start = to_data((points[place, 0], np.clip(points[place, 1], box.y0, box.y1)))
        target = to_data((box.x1 + 14 * scale, height))
        leader: dict[str, Any] = {"color": look.colors[variant], "linewidth": 0.8, "alpha": 0.6, "clip_on": False}
        leader["linestyle"] = ":"
        drawing.line(axes, [start[0], target[0]], [start[1], target[1]], variant, **leader)
        name = (labels or look.labels)[variant]
        short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        where = to_data((box.x1 + 17 * scale, height))
        drawing.add(axes, Text(where[0], where[1], short, clip_on=False, va="center", fontsize=10), variant)


def label_width(names: Iterable[str]) -> float:
    """Points that labels at the ends of curves need."""
    return 26 + 6.2 * max((min(len(name), _LONGEST) for name in names), default=0)


def panel(look: Look) -> Drawing:
    """A drawing with one panel, which leaves space for the names at the ends of the curves."""
    drawing = Drawing(WIDTH, HEIGHT)
    drawing.axes(LEFT, BOTTOM, label_width(look.labels.values()), TOP)
    return drawing


def draw_curve(drawing: Drawing, curve: Curve, look: Look, x: str) -> None:
    """A metric against ``x``, all variants in one panel, each named at its end."""
    (axes,) = drawing.figure.axes
    scale_curve(drawing, axes, curve, x)
    ends = {}
    for variant in look.colors:
        if variant in curve.seeds:
            draw_variant(drawing, axes, curve, look, variant, x)
            has_mean = variant in curve.lines
            last = (curve.lines[variant] if has_mean else curve.seeds[variant][0][2]).iloc[-1]
            ends[variant] = (float(last[x]), float(last["mean" if has_mean else "value"]))
    label_ends(drawing, axes, look, ends)
    axes.set(xlabel=horizontal_title(x, curve.results.samples), ylabel=curve.title)
    if math.isfinite(curve.floor):
        low = axes.get_ylim()[0]
        note = f"real: {text.number(curve.floor)}{', below' if curve.floor < low else ''}"
        style: dict[str, Any] = {"va": "bottom", "fontsize": 9, "color": FAINT}
        at = axes.get_xlim()[0]
        drawing.add(axes, Text(at, max(curve.floor, low), f" {note}", **style))


def draw_multiples(curve: Curve, look: Look) -> Drawing:
    """A metric against samples seen, a panel a variant with the others in grey; all panels have the same axes."""
    variants = [name for name in look.colors if name in curve.seeds]
    rows = -(-len(variants) // _COLUMNS)
    width = (WIDTH - LEFT - 8) / _COLUMNS
    drawing = Drawing(WIDTH, rows * _ROW + BOTTOM)
    for place, variant in enumerate(variants):
        row, column = divmod(place, _COLUMNS)
        left = LEFT + column * width
        bottom = BOTTOM + (rows - 1 - row) * _ROW
        top = drawing.height - bottom - _ROW + 20
        axes = drawing.axes(left, bottom, WIDTH - left - width + 10, top)
        scale_curve(drawing, axes, curve, "images", gaps=(0.3, 0.2))
        for other, mine in curve.lines.items():
            if other != variant:
                drawing.line(axes, mine["images"], mine["mean"], color=FAINT, linewidth=0.7, alpha=0.35)
        draw_variant(drawing, axes, curve, look, variant, "images")
        axes.set_title(look.labels[variant], fontsize=10, loc="left")
        # The last panel of each column has the tick labels, as below it there is none.
        axes.tick_params(labelleft=column == 0, labelbottom=place + _COLUMNS >= len(variants))
    drawing.figure.text(0.5, 6 / drawing.height, horizontal_title("images", curve.results.samples), ha="center")
    drawing.figure.text(12 / WIDTH, 0.5, curve.title, rotation=90, va="center", ha="center")
    return drawing


def horizontal_title(x: str, samples: str) -> str:
    """The title of the horizontal axis."""
    return {"images": f"{samples} seen", "seconds": "seconds of training"}.get(x, x.replace("_", " "))


def measured_curves(results: Results) -> Iterator[Curve]:
    """The curves of all metrics that were measured more than once: default extractor and primary metric first."""
    found = results.metrics[results.metrics["metric"].isin(list(METRICS))]
    pairs = table_order(zip(found["extractor"], found["metric"], strict=True), results.extractor)
    pairs.sort(key=lambda pair: (pair[0] != results.extractor, pair[0], pair[1] != results.metric.name))
    for extractor, name in pairs:
        curve = Curve(results, METRICS[name], extractor)
        if (curve.trained.groupby(["variant", "seed"]).size() > 1).any():
            yield curve


@rc_context(STYLE)
def metric_curves(results: Results, look: Look) -> list[Chart]:
    """A chart a metric, extractor and horizontal axis."""
    charts: list[Chart] = []
    drawing = panel(look)
    for curve in measured_curves(results):
        for x in horizontal_axes(curve):
            title = horizontal_title(x, results.samples)
            alt = f"{look.data}: {curve.title} against {title}"
            facts = {"x": x, "y": curve.y, "title": curve.title}
            name = f"curve-{len(charts)}"
            drawing.clear()
            draw_curve(drawing, curve, look, x)
            charts.append(drawing.chart(name, caption(curve, title), alt, **facts))
    return charts


def horizontal_axes(curve: Curve) -> list[str]:
    """What a metric is drawn against: discriminator steps only if they are not images times a constant."""
    per_image = curve.trained["discriminator_steps"] / curve.trained["images"]
    differs = per_image.notna().all() and per_image.max() > 1.01 * per_image.min()
    return [x for x in X if x != "discriminator_steps" or differs]


def caption(curve: Curve, title: str) -> str:
    """What a curve shows, as far as it is drawn."""
    mean = "geometric" if curve.metric.log else "arithmetic"
    failed = (curve.trained["status"] != "ok").any()
    parts = [
        f"{curve.title} over {title}: {mean} mean over successful seeds",
        "band: 95% interval" if (curve.means["seeds"] >= MINIMUM_SEEDS).any() else "thin: single seeds",
        "dotted: failed or unfinished seed" if failed else "",
        "dashed: real" if curve.floor >= _limits(curve)[0] else "",
    ]
    return f"{'; '.join(filter(None, parts))}."


@rc_context(STYLE)
def small_multiples(results: Results, look: Look) -> Chart | None:
    """The primary metric in a panel a variant; None if one panel is enough or nothing was measured more than once."""
    curve = next(measured_curves(results), None)
    if curve is None or len(curve.seeds) <= MANY or curve.metric != results.metric:
        return None
    title = horizontal_title("images", results.samples)
    alt = f"{look.data}: {curve.title} against {title}, a panel a variant"
    return draw_multiples(curve, look).chart("multiples", f"{caption(curve, title)[:-1]}; grey: the other means.", alt)
