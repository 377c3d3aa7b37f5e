"""What all figures share: a color and a marker a variant, the title block, how a figure is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

from gan_zoo.bench.tables import FLOOR, Results, own_extractor
from gan_zoo.io import atomic_path
from gan_zoo.options import EXACT

DOTS_PER_INCH = 110
INK, FAINT = "#222222", "#6b6b6b"
HEADER = 0.72  # inches above the axes, for the title and the line under it

# seaborn's colorblind palette without its yellow, which cannot be seen on white; close hues stand far apart.
_COLORS = [sns.color_palette("colorblind")[index] for index in (0, 1, 2, 4, 9, 3, 5, 7, 6)]
_MARKERS = "osD^vPX<>"
_RC = {"axes.edgecolor": "#bbbbbb", "grid.color": "#e6e6e6", "text.color": INK, "axes.labelcolor": INK,
       "font.size": 10.5, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.labelsize": 10.5,
       "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "legend.fontsize": 10}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """The data set, its facts and the look of each variant: the same in every figure of a report."""

    data: str
    facts: str
    colors: dict[str, Any]
    markers: dict[str, str]
    labels: dict[str, str]

    @classmethod
    def of(cls, results: Results) -> "Look":
        """The look of a results folder; a variant's color follows from its place in the manifest."""
        manifest, runs = results.manifest, results.runs
        variants = [name for name in runs["variant"].unique() if name != FLOOR]
        departed = set(runs.loc[runs["departures"] != "", "variant"])
        counts = results.metrics.loc[results.metrics["extractor"] == own_extractor(manifest), "n"].dropna().unique()
        seeds = ", ".join(str(seed) for seed in sorted(runs["seed"].unique()))
        facts = [f"{manifest.get('preset', '')} preset", manifest.get("precision", EXACT)]
        facts += [*(f"N = {n:,}" for n in counts), f"seeds {seeds}"]
        note = ["† departs from the article"] if departed else []
        return cls(
            data=data_title(manifest),
            facts=" · ".join(facts + note),
            colors={name: _COLORS[place % len(_COLORS)] for place, name in enumerate(variants)},
            # A tenth variant repeats a color with another marker.
            markers={name: _MARKERS[(place + place // len(_COLORS)) % len(_MARKERS)]
                     for place, name in enumerate(variants)},
            labels={name: f"{name}†" if name in departed else name for name in variants},
        )  # fmt: skip

    def handles(self, variants: list[str]) -> list[Line2D]:
        """Legend entries for these variants."""
        return [Line2D([], [], color=self.colors[name], marker=self.markers[name], label=self.labels[name],
                       markersize=5, linewidth=2) for name in variants]  # fmt: skip


def data_title(manifest: dict[str, Any]) -> str:
    """The title of the data set whose numbers these are (not of the one that was asked for)."""
    data = manifest["data"]
    return str(data.get("title") or data["name"])


def samples_of(manifest: dict[str, Any]) -> str:
    """What the samples are: ``images`` or ``points``."""
    return str(manifest["data"].get("kind", "images"))


def floor_of(manifest: dict[str, Any]) -> str:
    """What the floor is measured on."""
    return "points of the true density" if samples_of(manifest) == "points" else "training images"


@contextmanager
def figure(path: Path, title: str, subtitle: str, *, rows: int = 1, columns: int = 1, panel: tuple[float, float],
           extra: float = 0.0, **shared: Any) -> Iterator[tuple[Figure, list[Axes]]]:  # fmt: skip
    """A figure of ``rows x columns`` panels of ``panel`` inches under a title block, saved as PNG when left.

    ``extra`` is height in inches for what lies under the panels, such as a legend.

    Raises:
        StorageError: the path cannot be written.
    """
    width, height = max(7.0, columns * panel[0]), rows * panel[1] + HEADER + extra
    style: dict[Any, Any] = {**sns.axes_style("whitegrid"), **_RC}
    with rc_context(style):
        drawn = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - HEADER / height)))
        drawn.text(0.12 / width, 1 - 0.14 / height, title, fontsize=14, weight="bold", va="top")
        drawn.text(0.12 / width, 1 - 0.43 / height, subtitle, fontsize=9.5, color=FAINT, va="top")
        axes = list(np.atleast_1d(drawn.subplots(rows, columns, **shared)).flat)
        yield drawn, axes
        sns.despine(fig=drawn, left=True)
        with atomic_path(path) as part:
            drawn.savefig(part, dpi=DOTS_PER_INCH, metadata={"Software": None})


def say(path: Path, title: str, subtitle: str, message: str) -> None:
    """A figure that says why there is nothing to draw."""
    with figure(path, title, subtitle, panel=(7.0, 1.6)) as (_, (axis,)):
        axis.set_axis_off()
        axis.text(0.5, 0.5, message, ha="center", va="center", color=FAINT, transform=axis.transAxes)


def count_axis(axis: Axes, label: str) -> None:
    """A horizontal axis of counts: 50k, 1M."""
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(label)
    axis.set_xlim(left=0)


def log_axis(axis: Axes) -> None:
    """A logarithmic vertical axis whose ticks are plain numbers, closer where it spans less than a decade."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 7, 8)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.margins(y=0.08)
