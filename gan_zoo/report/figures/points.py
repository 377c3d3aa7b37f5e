"""Figures of generated points: the points over the true modes, and the learned and optimal discriminator."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.lines import Line2D

from gan_zoo import text
from gan_zoo.bench.artifacts import read_points
from gan_zoo.bench.results import Results
from gan_zoo.mixture import Array, Mixture, Whole
from gan_zoo.report.figures.style import FAINT, GREY, INK, Look, figure, grid, legend, write_message

DEVIATIONS = 3.0  # radius of the circles: a point within it is of high quality
_COLUMNS = 4


@dataclass(frozen=True)
class _Recorded:
    """The records of a variant at its end: points (2500, D), counts (bins^D + 1,), D (bins^D,) or None."""

    variant: str
    title: str
    points: Array
    counts: Whole
    learned: Array | None


def write_points(results: Results, look: Look, path: Path) -> None:
    """Generated points over the true modes, a panel per variant; densities in one dimension."""
    mixture = Mixture.of(results.manifest["data"]["density"])
    drawn = list(_recorded(results, look, path.parents[1], mixture))
    flat = mixture.dimensions == 1
    title = f"{look.data}: {'densities' if flat else 'generated points and true modes'}"
    if not drawn:
        return write_message(path, title, look.facts, "No successful seed: there are no points.")
    size: dict[str, Any] = {**grid(len(drawn), _COLUMNS), "panel": (3.3, 2.6 if flat else 3.1), "extra": 0.35}
    with figure(path, title, look.facts, sharex=True, sharey=True, **size) as (made, axes):
        for axis, one in zip(axes, drawn, strict=False):
            axis.set_title(one.title, fontsize=10)
            (_densities if flat else _scatter)(axis, mixture, one, look.colors[one.variant])
        if flat:
            color = look.colors[drawn[0].variant]
            generated = Line2D([], [], color=color, label="generated (in the color of the variant)")
            legend(made, [Line2D([], [], color=GREY, label="true density"), generated])
    return None


def write_discriminators(results: Results, look: Look, path: Path) -> None:
    """The learned D and D* of the variants that have them: two heat maps, or two curves in one dimension."""
    mixture = Mixture.of(results.manifest["data"]["density"])
    drawn = [one for one in _recorded(results, look, path.parents[1], mixture) if one.learned is not None]
    title = f"{look.data}: the learned D and the optimal D*"
    if not drawn:
        return write_message(path, title, look.facts, "No variant with a successful seed has D* as its optimum.")
    if mixture.dimensions == 1:
        return _curves(mixture, drawn, look, path, title)
    pairs = 2 if len(drawn) > 1 else 1
    size: dict[str, Any] = {"rows": -(-len(drawn) // pairs), "columns": 2 * pairs, "panel": (3.3, 3.1)}
    with figure(path, title, look.facts, sharex=True, sharey=True, **size) as (made, axes):
        reach = 1 / mixture.scale
        heat: dict[str, Any] = {"origin": "lower", "extent": (-reach, reach, -reach, reach), "cmap": "coolwarm_r"}
        panels = iter(axes)
        for one in drawn:
            assert one.learned is not None
            for name, values in (("D", one.learned), ("D*", mixture.optimal_discriminator(one.counts))):
                axis = next(panels)
                axis.grid(visible=False)
                image = axis.imshow(values.reshape(mixture.bins, mixture.bins).T, vmin=0, vmax=1, **heat)
                axis.set_title(f"{look.labels[one.variant]}: {name}", fontsize=10)
        made.colorbar(image, ax=axes, shrink=0.6, label="probability of being real")
    return None


def _recorded(results: Results, look: Look, folder: Path, mixture: Mixture) -> Iterator[_Recorded]:
    """The records of the first successful seed of each variant, in the order of the manifest."""
    runs = results.successful
    records = {run.name: run for run in results.records}
    for variant in [name for name in results.manifest["variants"] if name in set(runs["variant"])]:
        run = runs[runs["variant"] == variant].sort_values("seed").iloc[0]
        rows = records[run["run"]].points
        found = read_points(folder, rows[-1], mixture) if rows else None
        if found is not None and "counts" in found:
            modes = text.count(run.get("final_modes_found_density"))
            title = f"{look.labels[str(variant)]}: {modes} of {len(mixture.means)} modes"
            yield _Recorded(str(variant), title, found["points"], found["counts"], found.get("learned"))


def _scatter(axis: Axes, mixture: Mixture, one: _Recorded, color: object) -> None:
    """Points and modes in the literature's units."""
    means, reach = mixture.means / mixture.scale, 1.25 * np.abs(mixture.means).max() / mixture.scale
    size = np.full(len(means), 2 * DEVIATIONS * mixture.deviation / mixture.scale)
    axis.plot(*one.points.T / mixture.scale, ".", color=color, markersize=1.8, alpha=0.5, markeredgewidth=0)
    axis.plot(*means.T, "+", color=INK, markersize=4, markeredgewidth=0.6, zorder=1)
    style: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.7}
    at: dict[str, Any] = {"units": "xy", "offsets": means, "offset_transform": axis.transData}
    axis.add_collection(EllipseCollection(size, size, 0 * size, **style, **at))
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axis.grid(visible=False)


def _densities(axis: Axes, mixture: Mixture, one: _Recorded, color: object) -> None:
    """True and generated density of one coordinate, in the literature's units."""
    at, width = mixture.centers[:, 0] / mixture.scale, 2 / mixture.bins / mixture.scale
    density = mixture.cell_probabilities() / width
    axis.fill_between(at, density, color=GREY, alpha=0.18, linewidth=0)
    axis.plot(at, density, color=GREY, linewidth=1.2)
    axis.step(at, one.counts[:-1] / one.counts.sum() / width, where="mid", color=color, linewidth=1.4)
    # A generator that collapsed to a point would flatten all others.
    axis.set_ylim(0, 2.5 * float(density.max()))


def _curves(mixture: Mixture, drawn: list[_Recorded], look: Look, path: Path, title: str) -> None:
    size: dict[str, Any] = {**grid(len(drawn), _COLUMNS), "panel": (3.3, 2.6), "extra": 0.35}
    at = mixture.centers[:, 0] / mixture.scale
    with figure(path, title, look.facts, sharex=True, sharey=True, **size) as (made, axes):
        for axis, one in zip(axes, drawn, strict=False):
            assert one.learned is not None
            axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
            axis.plot(at, mixture.optimal_discriminator(one.counts), color=GREY, linewidth=1.4)
            axis.plot(at, one.learned, color=look.colors[one.variant], linewidth=1.8)
            axis.set_title(look.labels[one.variant], fontsize=10)
            axis.set_ylim(-0.02, 1.02)
        best = Line2D([], [], color=GREY, label="optimal D*")
        learned = Line2D([], [], color=look.colors[drawn[0].variant], label="learned D (in the color of the variant)")
        legend(made, [best, learned])
