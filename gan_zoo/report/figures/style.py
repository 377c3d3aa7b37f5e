"""What all charts share: the look of each variant, the same in every report, and axes whose ticks do not overlap."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.variants import read_index

MANY = 8
"""With more variants lines are thin, and there are small multiples."""
INK = "#222222"
FAINT = "#6b6b6b"
LINE = "#e6e6e6"

# Lightness (CIE L*) of 0.46 to 0.60 has a contrast of more than 3:1 on white and on the dark page. The step of the hue
# keeps gan, cgan, dcgan and lsgan, and the variants of each shipped suite, apart, for color-blind readers too.
_LIGHTNESS = (0.46, 0.60, 0.53)
_BLUE = 250.0
_STEP = 107.5
_MARKERS = "osD^vPX<>"
_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (8, 1.5, 2, 1.5)), (0, (3, 1)))
_FINEST = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
_MULTIPLES = (_FINEST, (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
"""Ticks within a decade, the closest first."""
STYLE: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    "axes.edgecolor": LINE,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "font.size": 11,
    "text.parse_math": False,
    "axes.titlesize": 11,
    # Fixed positions: to find one costs a layout of all tick labels.
    "axes.titley": 1.0,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "svg.fonttype": "none",
    # The same results give the same bytes.
    "svg.hashsalt": "gan-zoo",
}
"""The rc parameters of all charts."""


@dataclass(frozen=True)
class Look:
    """The title of the data set, and by name the color (hex), marker, dashes and label of each trained variant."""

    data: str
    colors: dict[str, str]
    markers: dict[str, str]
    dashes: dict[str, Any]
    labels: dict[str, str]

    @classmethod
    def of(cls, results: Results) -> "Look":
        """The look of a results folder.

        A registered variant has the same color in all reports, by its position in the index. Others have colors that
        are not near those of the same report.
        """
        variants = [str(name) for name in results.trained["variant"].unique()]
        registered = {record["name"]: place for place, record in enumerate(read_index()["variants"])}
        colors = {name: registered_color(registered[name]) for name in variants if name in registered}
        for name in variants:
            if name not in colors:
                colors[name] = distant_color(colors.values())
        others = [name for name in variants if name not in registered]
        places = registered | {name: len(registered) + place for place, name in enumerate(others)}
        return cls(
            data=data_title(results.manifest),
            colors={name: colors[name] for name in variants},
            markers={name: _MARKERS[places[name] % len(_MARKERS)] for name in variants},
            dashes={name: _DASHES[places[name] % len(_DASHES)] for name in variants},
            labels={name: text.visible(name) for name in variants},
        )

    def line(self, variant: str) -> dict[str, Any]:
        """The style of the line of a variant; of many variants lines are thin."""
        width = 1.2 if len(self.colors) > MANY else 1.8
        return {"color": self.colors[variant], "linestyle": self.dashes[variant], "linewidth": width}


def registered_color(place: int) -> str:
    """The color of the variant at this position of the index."""
    return _color(_BLUE + _STEP * place, _LIGHTNESS[place % len(_LIGHTNESS)])


def _color(hue: float, lightness: float) -> str:
    return str(to_hex(sns.husl_palette(1, h=hue % 360 / 360, s=0.95, l=lightness)[0]))


def distant_color(taken: Iterable[str]) -> str:
    """The color that is farthest from the nearest one of those taken."""
    near = np.array([to_rgb(color) for color in taken]).reshape(-1, 3)
    candidates = [_color(hue, lightness) for hue in range(10, 360, 15) for lightness in _LIGHTNESS]

    def distance(color: str) -> float:
        return float(np.linalg.norm(near - to_rgb(color), axis=1).min(initial=math.inf))

    return max(candidates, key=distance)


def data_title(manifest: Mapping[str, Any]) -> str:
    """The title of the data set that was measured."""
    data = manifest["data"]
    return text.visible(data.get("title") or data["name"])


def machine_title(manifest: Mapping[str, Any]) -> str:
    """The device of the runs; of a Ray cluster, that of the driver alone is known. Empty if it is not recorded."""
    device = str(manifest.get("device", ""))
    return f"Ray cluster (driver: {device})" if manifest.get("executor") == "ray" else device


def floor_title(results: Results) -> str:
    """The samples of the floor."""
    return "points of the true density" if results.samples == "points" else "training images"


def device_name(results: Results) -> str:
    """The device whose seconds are counted: CPU or GPU."""
    return "CPU" if results.manifest.get("device_kind", "cpu") == "cpu" else "GPU"


def scale_axis(axis: Axis, limits: tuple[float, float], *, log: bool, gap: float) -> None:
    """Set the limits of an axis, then its ticks, which are at least ``gap`` apart (a fraction of the axis)."""
    name = axis.axis_name  # type: ignore[attr-defined]
    scale = "log" if log else "linear"
    if axis.get_scale() != scale:
        getattr(axis.axes, f"set_{name}scale")(scale)
    getattr(axis.axes, f"set_{name}lim")(*limits)
    ticks = log_ticks(*limits, gap) if log else linear_ticks(*limits, gap)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    large = name == "x" and max(map(abs, ticks), default=0) >= 1000
    decimals = max((len(f"{tick:.8g}".partition(".")[2]) for tick in ticks), default=0)
    plain = StrMethodFormatter("{x:g}" if log else f"{{x:,.{decimals}f}}")
    axis.set_major_formatter(EngFormatter(sep="") if large else plain)


def linear_ticks(low: float, high: float, gap: float) -> Sequence[float]:
    """Round numbers between two limits."""
    ticks = MaxNLocator(nbins=max(1, int(1 / gap)), steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def log_ticks(low: float, high: float, gap: float) -> Sequence[float]:
    """The most of 1, 1.5, 2, 3 ... 10 times the powers of ten that are ``gap`` apart; else round numbers."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [(multiples, 1) for multiples in _MULTIPLES] + [((1,), step) for step in range(2, len(decades))]
    for multiples, step in steps:
        ticks = [multiple * 10.0**decade for decade in decades[::step] for multiple in multiples]
        ticks = [tick for tick in ticks if low <= tick <= high]
        least = gap * math.log(high / low)
        if len(ticks) > 1 and np.diff(np.log(ticks)).min() >= least:
            return ticks
    return linear_ticks(low, high, 2 * gap)


def bare(axes: Axes, grid: str = "both") -> None:
    """Grid lines alone: no frame, no tick marks, no background."""
    axes.patch.set_visible(False)
    sns.despine(ax=axes, left=True, bottom=True)
    axes.tick_params(length=0)
    if grid != "both":
        axes.grid(visible=False, axis="y" if grid == "x" else "x")
