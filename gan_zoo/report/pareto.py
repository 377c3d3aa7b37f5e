"""The Pareto picture: how good a variant ends against what it costs, and which variants no other beats in both."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from gan_zoo import text
from gan_zoo.bench.tables import Results
from gan_zoo.report.curves import log_counts
from gan_zoo.report.findings import Entry, leading, rank
from gan_zoo.report.style import FAINT, INK, Look, figure, log_axis, say
from gan_zoo.statistics import GEOMETRIC

_MARGIN = 1.35  # room at both sides, for the names
_NEAR = 9  # points off its mark at which a label needs no line to it
_CROSSED = 100  # square pixels: what a line across another name weighs, each twentieth of its way
_SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_PLACES = [(reach * dx, reach * dy) for reach in (_NEAR, 20, 32, 46, 64) for dx, dy in _SIDES]

CAPTION = (
    "Quality against cost: the {mean} mean of the final {name} over surviving seeds (whisker: 95% interval, cut where "
    "it leaves the panel) against the mean seconds of training of one run on the {device}, evaluation excluded{jobs}. "
    "A variant is on the front (filled mark, step line) where no other is at least as good in both and better in one, "
    "by the means alone: the front has no interval of its own. One of which more than half of the seeds failed is on "
    "no front."
)


def jobs_said(results: Results) -> str:
    """How the seconds were measured, as the end of a sentence; empty where the manifest does not say."""
    jobs = results.manifest.get("jobs")
    if not jobs:
        return ""
    return f", measured with {text.plural(int(jobs), 'cell')} trained {'side by side' if jobs > 1 else 'at a time'}"


def front(costs: Iterable[float], values: Iterable[float], *, lower_is_better: bool) -> list[bool]:
    """Which points no other dominates: at least as good in cost (lower is better) and value, and better in one."""
    points = np.column_stack([np.asarray(list(costs), float), np.asarray(list(values), float)])
    points[:, 1] *= 1 if lower_is_better else -1
    return [not any((other <= point).all() and (other < point).any() for other in points) for point in points]


def write_pareto(results: Results, look: Look, path: Path) -> None:
    """Final value of the leading measure against seconds of training, a mark a ranked variant, and the front."""
    metric, device = leading(results), device_name(results)
    title = f"{look.data}: final {metric.title} against its cost"
    entries = rank(results)
    drawn = [entry for entry in entries if entry.kind == "ranked"]
    if not drawn:
        return say(path, title, look.facts, "No seed survived to the end: there is nothing to weigh.")
    with figure(path, title, look.facts, panel=(8.4, 5.0), extra=0.1) as (made, (axis,)):
        _axes(axis, drawn, metric.name)
        axis.set(xlabel=f"seconds of training on the {device}, a run ↓", ylabel=f"final {metric.title} {metric.arrow}")
        lower = metric.better == "lower"
        best = _front(drawn, lower)
        _marks(axis, drawn, best, look, lower)
        _label(made, axis, drawn, best)
        gone = [entry.label for entry in entries if entry.kind == "unranked"]
        if gone:
            axis.set_title(f"without a final value: {text.listed(gone)}", loc="left", fontsize=9.5, color=FAINT,
                           weight="normal")  # fmt: skip
    return None


def _front(entries: list[Entry], lower: bool) -> list[bool]:
    able = [entry for entry in entries if not entry.failing]
    good = front([entry.seconds for entry in able], [entry.value.mean for entry in able], lower_is_better=lower)
    kept = {entry.variant for entry, on in zip(able, good, strict=True) if on}
    return [entry.variant in kept for entry in entries]


def device_name(results: Results) -> str:
    """What the seconds, those of the clock on the wall, were spent on: CPU or GPU."""
    return "CPU" if results.manifest.get("device_kind", "cpu") == "cpu" else "GPU"


def _axes(axis: Axes, entries: list[Entry], metric: str) -> None:
    seconds = np.array([entry.seconds for entry in entries])
    values = [entry.value for entry in entries]
    ends = [end for value in values for end in (value.mean, value.low, value.high) if text.known(end)]
    means = np.array([value.mean for value in values])
    if metric in GEOMETRIC and min(ends) > 0:
        log_axis(axis)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        # An interval of few seeds can span decades: the panel is made for the means.
        axis.set_ylim(max(min(ends), means.min() / 2) / 1.15, min(max(ends), means.max() * 2) * 1.15)
    else:
        room = (means.max() - means.min()) or abs(means.max()) or 1.0
        axis.set_ylim(max(min(ends), means.min() - room) - 0.1 * room, min(max(ends), means.max() + room) + 0.1 * room)
    if seconds.min() > 0:
        log_counts(axis)
        low, high = seconds.min() / _MARGIN, seconds.max() * _MARGIN
        axis.set_xlim(low, high)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 20 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    else:
        axis.set_xlim(0, seconds.max() * _MARGIN or 1.0)


def _marks(axis: Axes, entries: list[Entry], best: list[bool], look: Look, lower: bool) -> None:
    kept = sorted((entry.seconds, entry.value.mean) for entry, good in zip(entries, best, strict=True) if good)
    # From the cheapest straight to the worse side, and from the dearest to the right: what lies beyond is dominated.
    line = kept and [(kept[0][0], axis.get_ylim()[1 if lower else 0]), *kept, (axis.get_xlim()[1], kept[-1][1])]
    axis.step([x for x, _ in line], [y for _, y in line], where="post", color=FAINT, linewidth=1.2, alpha=0.7, zorder=1)
    for entry, good in zip(entries, best, strict=True):
        color = look.colors[entry.variant]
        if text.known(entry.value.low):
            axis.plot([entry.seconds] * 2, [entry.value.low, entry.value.high], color=color, linewidth=1.5, alpha=0.7,
                      zorder=2)  # fmt: skip
        axis.plot(entry.seconds, entry.value.mean, look.markers[entry.variant], color=color, markersize=8, zorder=3,
                  markerfacecolor=color if good else "white", markeredgewidth=1.6)  # fmt: skip


def _label(drawn: Figure, axis: Axes, entries: list[Entry], best: list[bool]) -> None:
    """Put each name beside its mark, at the first place where it covers no mark, no line and no other name."""
    drawn.draw_without_rendering()
    panel = axis.get_window_extent()
    marks = [axis.transData.transform((entry.seconds, entry.value.mean)) for entry in entries]
    taken = [Bbox.from_extents(x - 8, y - 8, x + 8, y + 8) for x, y in marks]
    for line in axis.get_lines():
        taken += _strips(axis.transData.transform(line.get_xydata()), steps=line.get_drawstyle() == "steps-post")
    names: list[Bbox] = []
    for entry, good, mark in zip(entries, best, marks, strict=True):
        failed = f"\n{text.share(entry.failures)} failed" if entry.failures.count else ""
        label = axis.annotate(
            f"{entry.label}{failed}", (entry.seconds, entry.value.mean), (0, 0), textcoords="offset points",
            fontsize=9.5, weight="bold" if good else "normal", color=INK, linespacing=0.95,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkB": 5},
        )  # fmt: skip
        label.set_in_layout(False)
        names.append(_place(label, mark, panel, taken, names))


def _strips(points: np.ndarray, *, steps: bool) -> list[Bbox]:
    """Boxes along a line of level and upright stretches, in pixels (n, 2)."""
    if steps:
        points = np.insert(points, range(1, len(points)), np.stack([points[1:, 0], points[:-1, 1]], axis=1), axis=0)
    return [
        Bbox.from_extents(*(np.minimum(one, other) - 2), *(np.maximum(one, other) + 2))
        for one, other in pairwise(points)
    ]


def _place(label: Annotation, mark: np.ndarray, panel: Bbox, lines: list[Bbox], names: list[Bbox]) -> Bbox:
    """Try the places from the nearest outwards; where all are taken, keep the one that overlaps least."""
    tried = []
    for place in _PLACES:
        box = _move(label, *place)
        cost = sum(one.width * one.height for other in lines + names if (one := Bbox.intersection(box, other)))
        inside = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1
        cost += 0 if inside else box.width * box.height
        end = np.clip(mark, box.min, box.max)
        way = [mark + share * (end - mark) for share in np.linspace(0, 1, 20)]
        cost += sum(_CROSSED for name in names for point in way if name.contains(*point))
        tried.append((cost, place))
        if not cost:
            break
    return _move(label, *min(tried)[1])


def _move(label: Annotation, dx: float, dy: float) -> Bbox:
    """Move a label to so many points off its mark; gives the box of its words, in pixels."""
    label.set(position=(dx, dy), horizontalalignment="left" if dx > 0 else "right" if dx < 0 else "center",
              verticalalignment="bottom" if dy > 0 else "top" if dy < 0 else "center")  # fmt: skip
    if label.arrow_patch:
        label.arrow_patch.set_visible(max(abs(dx), abs(dy)) > _NEAR)
    label.update_positions(label.figure._get_renderer())  # type: ignore[union-attr]
    return Text.get_window_extent(label)  # of the words: the line to the mark may cross others
