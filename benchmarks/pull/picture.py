"""The figure, a column a discriminator: derivatives, gradients, those of the other losses, where its fakes lie."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from gan_zoo.report.figures.style import FAINT, figure, log_axis
from pull.bins import LEAST_FAKES, pooled
from pull.losses import CLOSED_FORMS, TITLES, VARIANTS, boundary, objective_of
from pull.stored import Measurement

_SPAN, _LINEAR = 14.0, 0.5  # of the axis of margins; within the second it is linear, beyond it logarithmic
_TICKS = (-8, -2, -0.5, 0, 0.5, 2, 8)


def draw(now: Measurement, path: Path) -> None:
    """Draw bins' means over the fakes of all seeds."""
    settings = now.manifest["settings"]
    bins = pooled(now.gradients, ["variant", "loss", "fraction", "low"], ["margin", "derivative", "gradient", "pull"])
    everything = now.fakes[now.fakes["region"] == "all"]
    totals = everything.groupby(["variant", "fraction"])["fakes"].sum()
    title = f"{now.manifest['data']['title']}: how hard each loss pulls at a fake"
    facts = (
        f"{settings['n']:,} fakes a point of training · {now.seeds} · {settings['images']:,} images · "
        f"bins with at least {LEAST_FAKES} fakes · dashed: closed form · right of 0: taken for real"
    )
    with figure(path, title, facts, rows=4, columns=3, panel=(4.4, 2.5), sharex=True, sharey="row") as (_, axes):
        for column, name in enumerate(VARIANTS):
            mine = bins[bins["variant"] == name]
            own, panels = mine[mine["loss"] == name], axes[column::3]
            panels[0].set_title(f"{name}: {TITLES[name]}")
            _closed_form(panels[0], name)
            _by_point(panels[0], own, "derivative")
            _by_point(panels[1], own, "gradient")
            _by_loss(panels[2], mine)
            shares = own.assign(share=[row.fakes / totals[name, row.fraction] for row in own.itertuples()])
            _by_point(panels[3], shares, "share", least=0)
            for panel in panels:
                _margins(panel)
            panels[3].set_xlabel("score above the boundary of its discriminator")
        _finish(axes)


def _closed_form(axis: Axes, name: str) -> None:
    margins = np.linspace(-_SPAN, _SPAN, 2801)
    values = CLOSED_FORMS[name](margins + boundary(objective_of(name)))
    axis.plot(margins, values, color=FAINT, linestyle="--", linewidth=1.2, zorder=1)


def _by_point(axis: Axes, bins: pd.DataFrame, column: str, least: int = LEAST_FAKES) -> None:
    """A line a point of training, darker as it goes on."""
    fractions = sorted(bins["fraction"].unique())
    for fraction, color in zip(fractions, sns.color_palette("crest", len(fractions)), strict=True):
        mine = bins[(bins["fraction"] == fraction) & (bins["fakes"] >= least)]
        axis.plot(mine["margin"], mine[column], color=color, marker="o", markersize=3.5, linewidth=1.5,
                  label=f"{fraction:.0%} of training")  # fmt: skip


def _by_loss(axis: Axes, bins: pd.DataFrame) -> None:
    """A line a loss on the same fakes, over all points; gradients over their mean, as Adam ignores a loss's scale."""
    over_all = pooled(bins, ["loss", "low"], ["margin", "pull"])
    for loss, color in zip(VARIANTS, sns.color_palette("colorblind", 3), strict=True):
        mine = over_all[(over_all["loss"] == loss) & (over_all["fakes"] >= LEAST_FAKES)]
        axis.plot(mine["margin"], mine["pull"], color=color, marker="s", markersize=3.5, linewidth=1.5,
                  label=TITLES[loss])  # fmt: skip


def _margins(axis: Axes) -> None:
    axis.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    axis.set_xscale("symlog", linthresh=_LINEAR, linscale=0.7)
    axis.set_xlim(-_SPAN, _SPAN)
    axis.xaxis.set_major_locator(FixedLocator(_TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _finish(axes: list[Axes]) -> None:
    labels = ("|dl/ds|, own loss", "||dl/dx||, own loss", "||dl/dx|| over its mean,\nall losses, all points",
              "share of fakes in a bin")  # fmt: skip
    for row, label in enumerate(labels):
        axes[3 * row].set_ylabel(label)
    axes[0].set_yscale("log")
    axes[0].set_ylim(1e-4, 40)
    log_axis(axes[3])
    log_axis(axes[6])
    axes[9].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes[3].legend(fontsize=8, loc="lower left")
    axes[6].legend(fontsize=8, loc="lower left")
