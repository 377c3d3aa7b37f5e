"""What training recorded: losses of both players, the discriminator's output, norms of gradients."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib import rc_context

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    draw_failed,
    horizontal_limits,
    horizontal_title,
    label_ends,
    panel,
)
from gan_zoo.report.figures.style import FAINT, STYLE, Look, scale_axis
from gan_zoo.report.figures.svg import Chart, Drawing

_COLUMNS = {
    "discriminator_loss": "Discriminator loss",
    "generator_loss": "Generator loss",
    "D(real)": "D(real)",
    "D(fake)": "D(fake)",
    "discriminator_grad_norm": "Discriminator gradient norm",
    "generator_grad_norm": "Generator gradient norm",
}
_POINTS = 60  # a longer history is averaged to this many points
_UNEQUAL = 30.0  # if the largest value is this many times the usual one, the vertical axis is logarithmic


@rc_context(STYLE)
def history_curves(results: Results, look: Look) -> list[Chart]:
    """A chart a recorded column, against samples seen; probabilities and raw scores apart."""
    charts: list[Chart] = []
    drawing = panel(look)
    seen = horizontal_title("images", results.samples)
    for y, title, history in _recorded(results):
        drawing.clear()
        _draw(drawing, history, look, title, seen, results.samples)
        several = history[history["status"] == "ok"].groupby("variant")["seed"].nunique().max() > 1
        failed = (history["status"] != "ok").any()
        caption = f"{title} over {seen}: mean over successful seeds{'; band: lowest to highest seed' * bool(several)}"
        caption += f"{'; dotted: failed or unfinished seed' * bool(failed)}."
        alt = f"{look.data}: {title} against {seen}"
        charts.append(drawing.chart(f"history-{len(charts)}", caption, alt, x="images", y=y, title=title))
    return charts


def _recorded(results: Results) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The name, title and values (``value``, of at most 60 points a seed) of each chart."""
    columns = [column for column in _COLUMNS if column in results.history]
    history = _thinned(results.history[["variant", "seed", "images", *columns]].astype({"images": float}))
    history = history.merge(results.runs[["variant", "seed", "status", "score_kind"]], on=["variant", "seed"])
    for column in columns:
        values = history[["variant", "seed", "status", "score_kind", "images"]].assign(value=history[column])
        values = values.replace([math.inf, -math.inf], math.nan).dropna(subset=["value"])
        kinds = sorted(values["score_kind"].unique()) if column.startswith("D(") else []
        for kind in kinds if len(kinds) > 1 else [""]:
            mine = values[values["score_kind"] == kind] if kind else values
            if len(mine):
                yield f"{column} {kind}".strip(), f"{_COLUMNS[column]}{f', {kind}' if kind else ''}", mine


def _thinned(history: pd.DataFrame) -> pd.DataFrame:
    """A history with fewer points per seed, each the mean of an interval of training, on one grid for all seeds."""
    keys = ["variant", "seed", "images"]
    if history.empty or history.groupby(keys[:2]).size().max() <= _POINTS:
        return history
    edges = np.linspace(0, history["images"].max(), _POINTS + 1)
    ends = edges[np.clip(np.searchsorted(edges, history["images"]), 1, _POINTS)]
    return history.assign(images=ends).groupby(keys, as_index=False, sort=False).mean()


def _draw(drawing: Drawing, history: pd.DataFrame, look: Look, title: str, seen: str, samples: str) -> None:
    (axes,) = drawing.figure.axes
    spread = _spread(history)
    horizontal, is_log = horizontal_limits(history["images"], history["variant"])
    scale_axis(axes.xaxis, horizontal, log=is_log, gap=0.13)
    shown = spread["mean"] if len(spread) else history["value"]
    log = bool(shown.min() > 0 and shown.max() > _UNEQUAL * shown.median())
    scale_axis(axes.yaxis, _limits(shown, log), log=log, gap=0.08)
    if title.startswith("D(") and shown.min() >= 0 and shown.max() <= 1:
        drawing.line(axes, horizontal, [0.5] * 2, color=FAINT, linewidth=0.8, linestyle="--", zorder=1)
    ends = {}
    lines = dict(list(spread.groupby("variant")))
    seeds = dict(list(history.groupby("variant")))
    for variant in [name for name in look.colors if name in seeds]:
        mine = lines.get(variant, spread.iloc[:0])
        if mine["seeds"].max() > 1:
            drawing.band(axes, mine["images"], mine["min"], mine["max"], variant, look.colors[variant])
        drawing.line(axes, mine["images"], mine["mean"], variant, **look.line(variant))
        whole = seeds[variant]
        for (seed, status), one in whole[whole["status"] != "ok"].groupby(["seed", "status"]):
            why = f"seed {seed} {text.status(status)} after {text.count(one['images'].iloc[-1])} {samples}"
            draw_failed(drawing, axes, one["images"], one["value"], look, variant, why)
        last = (mine if len(mine) else whole).iloc[-1]
        ends[variant] = (float(last["images"]), float(last["mean" if len(mine) else "value"]))
    label_ends(drawing, axes, look, ends)
    axes.set(xlabel=seen, ylabel=title)


def _spread(history: pd.DataFrame) -> pd.DataFrame:
    """Mean, lowest and highest value over the successful seeds of each variant and position."""
    successful = history[history["status"] == "ok"].groupby(["variant", "images"])["value"]
    return successful.agg(["mean", "min", "max", "count"]).reset_index().rename(columns={"count": "seeds"})


def _limits(values: pd.Series, log: bool) -> tuple[float, float]:
    """Vertical limits around the means; single outliers, as at the start of training, may be outside."""
    if log:
        return float(values.min()) / 1.1, float(values.max()) * 1.1
    low, high = values.quantile([0.005, 0.995])
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    return float(low - margin), float(high + margin)


@rc_context(STYLE)
def loss_curve(results: Results, look: Look, variant: str, seed: int) -> Chart | None:
    """The losses of both players of one run against samples seen; None if they were not recorded."""
    history = results.history
    mine = history[(history["variant"] == variant) & (history["seed"] == seed)].astype({"images": float})
    columns = {"discriminator_loss": "discriminator", "generator_loss": "generator"}
    lines = {role: mine[["images", column]].dropna() for column, role in columns.items() if column in mine}
    lines = {role: line.set_axis(["images", "value"], axis=1) for role, line in lines.items() if len(line)}
    if not lines:
        return None
    drawing = Drawing(WIDTH / 2, HEIGHT / 2)
    axes = drawing.axes(LEFT, BOTTOM, 12, TOP + 16)
    values = pd.concat([line["value"] for line in lines.values()])
    log = bool(values.min() > 0 and values.max() > _UNEQUAL * values.median())
    scale_axis(axes.xaxis, (0.0, float(mine["images"].max())), log=False, gap=0.22)
    ends = (values.min() / 1.1, values.max() * 1.1)
    margin = 0.05 * ((values.max() - values.min()) or 1.0)
    scale_axis(axes.yaxis, ends if log else (values.min() - margin, values.max() + margin), log=log, gap=0.18)
    shades = {"discriminator": (FAINT, "-"), "generator": (look.colors[variant], "-")}
    for place, (role, line) in enumerate(lines.items()):
        color, dash = shades[role]
        axes.plot(line["images"], line["value"], color=color, linestyle=dash, linewidth=1.5)
        left = 0.4 * place
        axes.plot([left, left + 0.06], [1.07] * 2, color=color, clip_on=False, transform=axes.transAxes, linewidth=1.5)
        axes.text(left + 0.08, 1.04, role, transform=axes.transAxes, fontsize=10)
    seen = horizontal_title("images", results.samples)
    axes.set(xlabel=seen, ylabel="loss")
    place = list(look.colors).index(variant)
    caption = f"Losses of {look.labels[variant]}, seed {seed}, over {seen}."
    return drawing.chart(f"losses-{place}-{seed}", caption, f"{look.data}: {caption[:-1]}")
