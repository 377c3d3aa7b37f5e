"""Charts of the learned and the optimal discriminator over training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from gan_zoo import text
from gan_zoo.mixture import Array, Mixture, Whole
from gan_zoo.studies import charts

_BLUE, _RED, _GREEN = charts.COLORS
_LEVELS = 10
"""Colors of a heat map: few, so that an animation stays small."""
_FEWEST = 10
"""Expected points of both densities in a bin, below which its D* is an accident, and is left blank."""
_HIGHEST = 1.6
"""Of p_g in units of the highest p_data; a collapsed generator is higher, and is cut."""


@dataclass(frozen=True)
class Moment:
    """Both densities and the discriminator after some steps of training.

    Attributes:
        step: training steps.
        points: some generated points, of the same latents at each moment, (N, D).
        counts: of more of them in each bin, and outside, (bins^D + 1,).
        learned: D at the centers of the bins, (bins^D,).
        value: V(D, G) + log 4 of the learned D.
        bound: of the optimal one, which is twice the Jensen-Shannon divergence.
        distance: mean |D - D*|.
    """

    step: int
    points: Array
    counts: Whole
    learned: Array
    value: float
    bound: float
    distance: float


@charts.style
def draw_moments(moments: Sequence[Moment], mixture: Mixture) -> Image.Image:
    """Moments side by side: curves of one dimension, or heat maps of D above those of D* (beside it if it is one)."""
    if mixture.dimensions == 1:
        return _draw_curves(moments, mixture)
    is_one = len(moments) == 1
    figure = charts.new_figure(440, 240) if is_one else charts.new_figure(170 * len(moments), 372)
    panels = figure.subplots(*((1, 2) if is_one else (2, len(moments))), squeeze=False)
    pairs = panels if is_one else panels.T
    for (learned, optimal), each in zip(pairs, moments, strict=True):
        _draw_map(learned, each.learned, mixture)
        learned.set_title(f"D, {_step(each)}")
        at = (each.points + 1) / 2 * mixture.bins - 0.5
        learned.plot(
            at[:, 0], at[:, 1], ".", color="#1b1e21", markersize=1.6, markeredgewidth=0, scalex=False, scaley=False
        )
        _draw_map(optimal, _optimal(each, mixture), mixture)
        optimal.set_title("D*")
    return charts.as_image(figure)


def _optimal(moment: Moment, mixture: Mixture) -> Array:
    """D* in each bin, NaN where hardly a point is."""
    expected = moment.counts[:-1] + moment.counts.sum() * mixture.cell_probabilities()
    return np.where(expected < _FEWEST, np.nan, mixture.optimal_discriminator(moment.counts))


def _step(moment: Moment) -> str:
    return f"step {text.count(moment.step)}"


def _draw_map(axes: Axes, probabilities: Array, mixture: Mixture) -> None:
    """D in each bin, blank where it is not known."""
    colors = matplotlib.colormaps["coolwarm_r"].resampled(_LEVELS)
    heat: dict[str, Any] = {"origin": "lower", "cmap": colors, "interpolation": "none", "vmin": 0, "vmax": 1}
    axes.imshow(probabilities.reshape(mixture.bins, mixture.bins).T, **heat)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(True)


def _draw_curves(moments: Sequence[Moment], mixture: Mixture) -> Image.Image:
    at = mixture.centers[:, 0] / mixture.scale
    data = mixture.cell_probabilities()
    is_one = len(moments) == 1
    figure = charts.new_figure(440, 260) if is_one else charts.new_figure(190 * len(moments), 230)
    panels = figure.subplots(1, len(moments), sharey=True, squeeze=False)[0]
    for axes, each in zip(panels, moments, strict=True):
        generated = each.counts[:-1] / each.counts.sum()
        density = axes.twinx()
        density.set(ylim=(0, _HIGHEST * data.max()), yticks=[])
        density.fill_between(at, data, color=charts.GRAY, alpha=0.35, linewidth=0)
        density.plot(at, data, color=charts.GRAY, linewidth=1, linestyle=":", label="p_data")
        density.fill_between(at, generated, color=_GREEN, alpha=0.25, linewidth=0)
        density.plot(at, generated, color=_GREEN, linewidth=1.2, label="p_g")
        axes.plot(at, _optimal(each, mixture), color=_RED, linewidth=1.2, dashes=(4, 2), label="D*")
        axes.plot(at, each.learned, color=_BLUE, linewidth=1.8, label="D")
        axes.set(xlim=(at[0], at[-1]), ylim=(-0.02, 1.02), xlabel="x", title=_step(each))
        axes.set_zorder(density.get_zorder() + 1)
    panels[0].set_ylabel("D(x)")
    lines = [*panels[0].get_lines()[::-1], *density.get_lines()]
    figure.legend(handles=lines, ncols=len(lines), loc="outside upper right" if is_one else "outside lower center")
    return charts.as_image(figure)


@charts.style
def draw_values(moments: Sequence[Moment]) -> Image.Image:
    """The value of the learned D and its bound over training steps, and what D has not learned between them."""
    figure = charts.new_figure(440, 240)
    axes = figure.subplots()
    steps = [each.step for each in moments]
    values, bounds = [each.value for each in moments], [each.bound for each in moments]
    axes.fill_between(steps, values, bounds, color=charts.GRAY, alpha=0.2, linewidth=0)
    axes.plot(steps, bounds, color=_RED, linewidth=1.2, dashes=(4, 2), label="D*: 2 JSD")
    axes.plot(steps, values, color=_BLUE, linewidth=1.8, label="learned D")
    axes.axhline(0, color=charts.GRAY, linewidth=0.8, linestyle=":", label="D = 1/2")
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlim=(0, steps[-1]), xlabel="training steps", ylabel="V(D, G) + log 4 (nats)")
    # Untrained, D may be far below its bound.
    axes.set_ylim(bottom=max(-1.0, min(values) - 0.05), top=1.05 * max(bounds))
    ticks = [0, *(10**power for power in range(len(str(steps[-1]))))]
    axes.set_xticks(ticks, [text.count(tick) for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return charts.as_image(figure)
