"""Figures of generated points: the points over the true modes, and the learned discriminator beside the best one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from gan_zoo import text
from gan_zoo.bench.records import CELLS, read_run
from gan_zoo.bench.tables import FLOOR, Results
from gan_zoo.mixture import Array, Mixture, Whole
from gan_zoo.report.style import FAINT, INK, Look, figure, say

DEVIATIONS = 3.0  # the circles' radius: within it a point is of high quality
_COLUMNS = 4
_TRUTH = "#4d4d4d"


@dataclass(frozen=True)
class _Drawn:
    """What was recorded of a variant at its end: points (2500, D), counts (bins^D + 1,), D (bins^D,) or None."""

    variant: str
    title: str
    points: Array
    counts: Whole
    learned: Array | None


def write_points(results: Results, look: Look, folder: Path, path: Path) -> None:
    """Generated points over the true modes, a panel a variant; on a line, the densities instead."""
    mixture, drawn = Mixture.of(results.manifest["data"]["density"]), list(_recorded(results, look, folder))
    flat = mixture.dimensions == 1
    title = f"{look.data}: {'densities' if flat else 'generated points and true modes'}"
    if not drawn:
        return say(path, title, look.facts, "No seed survived to the end: there are no points to show.")
    columns = min(_COLUMNS, len(drawn))
    size = {"rows": -(-len(drawn) // columns), "columns": columns, "panel": (3.3, 2.6 if flat else 3.1)}
    with figure(path, title, look.facts, extra=0.35, sharex=True, sharey=True, **size) as (made, axes):  # type: ignore[arg-type]
        for axis, one in zip(axes, drawn, strict=False):
            axis.set_title(one.title, fontsize=10)
            (_densities if flat else _scatter)(axis, mixture, one, look.colors[one.variant])
        for axis in axes[len(drawn) :]:
            axis.set_axis_off()
        if flat:
            truth = Line2D([], [], color=_TRUTH, label="true density")
            generated = Line2D([], [], color=look.colors[drawn[0].variant], label="generated (in the variant's color)")
            made.legend(handles=[truth, generated], loc="outside lower center", ncols=2, frameon=False)
    return None


def write_discriminators(results: Results, look: Look, folder: Path, path: Path) -> None:
    """The learned D and D*: two heat maps a variant, or two curves on a line, for the variants that have them."""
    mixture = Mixture.of(results.manifest["data"]["density"])
    drawn = [one for one in _recorded(results, look, folder) if one.learned is not None]
    title = f"{look.data}: the learned D and the optimal D*"
    if not drawn:
        return say(path, title, look.facts, "No surviving variant has an objective whose optimum is D*.")
    if mixture.dimensions == 1:
        return _curves(mixture, drawn, look, path, title)
    pairs = 2 if len(drawn) > 1 else 1
    size = {"rows": -(-len(drawn) // pairs), "columns": 2 * pairs, "panel": (3.3, 3.1), "sharex": True, "sharey": True}
    with figure(path, title, look.facts, **size) as (made, axes):  # type: ignore[arg-type]
        for place, one in enumerate(drawn):
            assert one.learned is not None
            optimal = mixture.optimal_discriminator(one.counts)
            for axis, name, values in zip(axes[2 * place :], ("D", "D*"), (one.learned, optimal), strict=False):
                image = _heat(axis, mixture, values)
                axis.set_title(f"{look.labels[one.variant]}: {name}", fontsize=10)
        for axis in axes[2 * len(drawn) :]:
            axis.set_axis_off()
        made.colorbar(image, ax=axes, shrink=0.6, label="probability of being real")
    return None


def _recorded(results: Results, look: Look, folder: Path) -> Iterator[_Drawn]:
    """What each variant's first surviving seed left, in the order of the manifest."""
    runs = results.runs[(results.runs["status"] == "ok") & (results.runs["variant"] != FLOOR)]
    for variant in [name for name in results.manifest["variants"] if name in set(runs["variant"])]:
        run = runs[runs["variant"] == variant].sort_values("seed").iloc[0]
        rows = read_run(folder / CELLS / f"{run['cell']}.jsonl").points
        file = folder / rows[-1]["file"] if rows else None
        if file is None or not file.is_file():
            continue
        with np.load(file) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if "counts" in found:
            modes = text.count(run.get("final_modes_found_density"))
            title = f"{look.labels[str(variant)]}: {modes} of {results.manifest['data']['classes']} modes"
            yield _Drawn(str(variant), title, found["points"], found["counts"], found.get("learned"))


def _scatter(axis: Axes, mixture: Mixture, one: _Drawn, color: object) -> None:
    """Points and modes in the literature's units."""
    means, reach = mixture.means / mixture.scale, 1.25 * np.abs(mixture.means).max() / mixture.scale
    size = np.full(len(means), 2 * DEVIATIONS * mixture.deviation / mixture.scale)
    axis.plot(*one.points.T / mixture.scale, ".", color=color, markersize=1.8, alpha=0.5, markeredgewidth=0)
    axis.plot(*means.T, "+", color=INK, markersize=4, markeredgewidth=0.6, zorder=1)
    axis.add_collection(EllipseCollection(size, size, 0 * size, units="xy", offsets=means, facecolors="none",
                                          edgecolors=INK, linewidths=0.7, offset_transform=axis.transData))  # fmt: skip
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axis.grid(visible=False)


def _densities(axis: Axes, mixture: Mixture, one: _Drawn, color: object) -> None:
    """True and generated density of one coordinate, in the literature's units."""
    at, width = mixture.centers[:, 0] / mixture.scale, 2 / mixture.bins / mixture.scale
    axis.fill_between(at, mixture.cell_probabilities() / width, color=_TRUTH, alpha=0.18, linewidth=0)
    axis.plot(at, mixture.cell_probabilities() / width, color=_TRUTH, linewidth=1.2)
    axis.step(at, one.counts[:-1] / one.counts.sum() / width, where="mid", color=color, linewidth=1.4)
    # A generator that has fallen to a point would flatten all others.
    axis.set_ylim(0, 2.5 * float((mixture.cell_probabilities() / width).max()))


def _heat(axis: Axes, mixture: Mixture, values: Array) -> AxesImage:
    reach = 1 / mixture.scale
    square = values.reshape(mixture.bins, mixture.bins).T
    axis.grid(visible=False)
    return axis.imshow(square, origin="lower", extent=(-reach, reach, -reach, reach), vmin=0, vmax=1, cmap="coolwarm_r")


def _curves(mixture: Mixture, drawn: list[_Drawn], look: Look, path: Path, title: str) -> None:
    columns = min(_COLUMNS, len(drawn))
    size = {"rows": -(-len(drawn) // columns), "columns": columns, "panel": (3.3, 2.6), "sharex": True, "sharey": True}
    at = mixture.centers[:, 0] / mixture.scale
    with figure(path, title, look.facts, extra=0.35, **size) as (made, axes):  # type: ignore[arg-type]
        for axis, one in zip(axes, drawn, strict=False):
            assert one.learned is not None
            axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
            axis.plot(at, mixture.optimal_discriminator(one.counts), color=_TRUTH, linewidth=1.4)
            axis.plot(at, one.learned, color=look.colors[one.variant], linewidth=1.8)
            axis.set_title(look.labels[one.variant], fontsize=10)
            axis.set_ylim(-0.02, 1.02)
        for axis in axes[len(drawn) :]:
            axis.set_axis_off()
        best = Line2D([], [], color=_TRUTH, label="optimal D*")
        learned = Line2D([], [], color=look.colors[drawn[0].variant], label="learned D (in the variant's color)")
        made.legend(handles=[best, learned], loc="outside lower center", ncols=2, frameon=False)
