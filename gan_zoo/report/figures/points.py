"""The learned and the optimal discriminator of a density that is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from gan_zoo.bench.artifacts import read_points
from gan_zoo.bench.results import Results
from gan_zoo.mixture import Array, Mixture
from gan_zoo.report.figures.style import FAINT, STYLE, Look, scale_axis
from gan_zoo.report.figures.svg import Chart, Drawing

_COLUMNS = 4
_PANEL = 152.0  # points of a panel with its title and the space to the next


@dataclass(frozen=True)
class _Learned:
    """The learned D and the optimal one of a variant at its end, in each bin of the density."""

    variant: str
    learned: Array
    optimal: Array


@rc_context(STYLE)
def discriminators(results: Results, look: Look, folder: Path) -> Chart | None:
    """D and D* of the variants that have them: two heat maps, or two curves in one dimension; None without any."""
    density = results.manifest["data"].get("density")
    if results.samples != "points" or not density:
        return None
    mixture = Mixture.of(density)
    found = list(_learned(results, folder, mixture))
    if not found:
        return None
    flat = mixture.dimensions == 1
    panels = len(found) * (1 if flat else 2)
    rows = -(-panels // _COLUMNS)
    left = 30.0 if flat else 4.0
    drawing = Drawing(left + _COLUMNS * _PANEL, rows * _PANEL + 20)
    places = (_panel(drawing, place, rows, left) for place in range(panels))
    for one in found:
        if flat:
            _draw_curves(drawing, next(places), look, one, mixture)
        else:
            _draw_maps(next(places), next(places), look, one, mixture)
    marks = "grey: D*" if flat else "blue: real, red: generated, blank: no density"
    caption = (
        f"Learned discriminator D and optimal D* = p_data / (p_data + p_g) at the end, first successful seed; {marks}."
    )
    return drawing.chart("discriminators", caption, f"{look.data}: learned D and optimal D*")


def _learned(results: Results, folder: Path, mixture: Mixture) -> Iterator[_Learned]:
    """The records of the first successful seed of each variant, in the order of the manifest."""
    runs = results.successful
    records = {run.name: run for run in results.records}
    for variant in [name for name in results.manifest["variants"] if name in set(runs["variant"])]:
        run = runs[runs["variant"] == variant].sort_values("seed").iloc[0]
        rows = records[run["run"]].points
        found = read_points(folder, rows[-1], mixture) if rows else None
        if found is not None and {"counts", "learned"} <= found.keys():
            yield _Learned(str(variant), found["learned"], mixture.optimal_discriminator(found["counts"]))


def _panel(drawing: Drawing, place: int, rows: int, left: float) -> Axes:
    row, column = divmod(place, _COLUMNS)
    right = drawing.width - left - (column + 1) * _PANEL + 10
    bottom = 20 + (rows - 1 - row) * _PANEL
    axes = drawing.axes(left + column * _PANEL, bottom, right, drawing.height - bottom - _PANEL + 22)
    axes.tick_params(labelleft=column == 0)
    return axes


def _draw_maps(first: Axes, second: Axes, look: Look, one: _Learned, mixture: Mixture) -> None:
    heat: dict[str, Any] = {"origin": "lower", "cmap": "coolwarm_r", "interpolation": "none", "vmin": 0, "vmax": 1}
    for axes, name, values in ((first, "D", one.learned), (second, "D*", one.optimal)):
        axes.imshow(values.reshape(mixture.bins, mixture.bins).T, **heat)
        axes.set_axis_off()
        axes.set_title(f"{look.labels[one.variant]}: {name}", fontsize=10, loc="left")


def _draw_curves(drawing: Drawing, axes: Axes, look: Look, one: _Learned, mixture: Mixture) -> None:
    at = mixture.centers[:, 0] / mixture.scale
    scale_axis(axes.xaxis, (float(at.min()), float(at.max())), log=False, gap=0.25)
    scale_axis(axes.yaxis, (-0.02, 1.02), log=False, gap=0.25)
    drawing.line(axes, at, one.optimal, color=FAINT, linewidth=1.4)
    drawing.line(axes, at, one.learned, one.variant, color=look.colors[one.variant], linewidth=1.8)
    axes.set_title(look.labels[one.variant], fontsize=10, loc="left")
