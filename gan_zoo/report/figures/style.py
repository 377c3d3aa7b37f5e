"""What all figures share: a color and a marker per variant, the title block, axes, how a figure is saved."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.io import atomic_path
from gan_zoo.options import EXACT

DOTS_PER_INCH = 110
INK = "#222222"
FAINT = "#6b6b6b"
GREY = "#4d4d4d"
HEADER = 0.72  # inches above the axes, for the title and the line below it

# seaborn's colorblind palette without its yellow, which is invisible on white; similar hues are far apart.
_COLORS = [sns.color_palette("colorblind")[index] for index in (0, 1, 2, 4, 9, 3, 5, 7, 6)]
_MARKERS = "osD^vPX<>"
_RC = {
    "axes.edgecolor": "#bbbbbb",
    "grid.color": "#e6e6e6",
    "text.color": INK,
    "axes.labelcolor": INK,
    "font.size": 10.5,
    "text.parse_math": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 10,
}


@dataclass(frozen=True)
class Look:
    """The title of the data set, the facts of the run, and the look of each variant: equal in all figures."""

    data: str
    facts: str
    colors: dict[str, Any]
    markers: dict[str, str]
    labels: dict[str, str]

    @classmethod
    def of(cls, results: Results) -> "Look":
        """The look of a results folder; a variant's color follows from its position in the manifest."""
        manifest, runs, metrics = results.manifest, results.runs, results.metrics
        variants = list(results.trained["variant"].unique())
        overridden = set(runs.loc[runs["overrides"] != "", "variant"])
        counts = metrics.loc[metrics["extractor"] == results.extractor, "num_samples"].dropna().unique()
        facts = [
            f"{manifest.get('preset', '')} preset",
            manifest.get("precision", EXACT),
            *(f"num_samples {count:,}" for count in counts),
            f"seeds {', '.join(map(str, sorted(runs.loc[~runs['variant'].isin(results.foreign), 'seed'].unique())))}",
            *(["† overrides"] if overridden else []),
        ]
        # The tenth variant has the first color again, with another marker.
        markers = [_MARKERS[(index + index // len(_COLORS)) % len(_MARKERS)] for index in range(len(variants))]
        return cls(
            data=data_title(manifest),
            facts=" · ".join(facts),
            colors=dict(zip(variants, cycle(_COLORS), strict=False)),
            markers=dict(zip(variants, markers, strict=True)),
            labels={name: f"{name}†" if name in overridden else name for name in variants},
        )

    def handle(self, variant: str, **changes: Any) -> Line2D:
        """The legend entry of a variant."""
        shape = {"color": self.colors[variant], "marker": self.markers[variant], "label": self.labels[variant]}
        return Line2D([], [], **{"markersize": 5, "linewidth": 2, **shape, **changes})


def data_title(manifest: Mapping[str, Any]) -> str:
    """The title of the data set that was measured."""
    data = manifest["data"]
    return text.visible(data.get("title") or data["name"])


def floor_title(results: Results) -> str:
    """The samples of the floor."""
    return "points of the true density" if results.samples == "points" else "training images"


def device_name(results: Results) -> str:
    """The device whose seconds are counted: CPU or GPU."""
    return "CPU" if results.manifest.get("device_kind", "cpu") == "cpu" else "GPU"


def grid(panels: int, most: int) -> dict[str, int]:
    """Rows and columns for so many panels, with at most ``most`` columns."""
    columns = min(most, panels)
    return {"rows": -(-panels // columns), "columns": columns}


@contextmanager
def figure(
    path: Path,
    title: str,
    subtitle: str,
    *,
    rows: int = 1,
    columns: int = 1,
    panel: tuple[float, float],
    extra: float = 0.0,
    **shared: Any,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of ``rows x columns`` panels of ``panel`` inches below a title block, saved as PNG at the end.

    ``extra`` is height in inches for what is below the panels, such as a legend. Panels that were not drawn on are
    hidden.

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
        for axis in axes:
            if not axis.has_data() and not axis.texts:
                axis.set_axis_off()
        for artist in drawn.findobj(Text):
            # No font has control characters; a tick has its text from elsewhere.
            if not artist.get_text().replace("\n", "").isprintable():
                artist.set_text("\n".join(map(text.visible, artist.get_text().split("\n"))))
        sns.despine(fig=drawn, left=True)
        buffer = io.BytesIO()
        drawn.savefig(buffer, dpi=DOTS_PER_INCH)
        # A third of the bytes, without a visible difference.
        image = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        with atomic_path(path) as part:
            image.save(part, optimize=True)


def write_message(path: Path, title: str, subtitle: str, message: str) -> None:
    """A figure with a message why there is nothing to draw."""
    with figure(path, title, subtitle, panel=(7.0, 1.6)) as (_, (axis,)):
        axis.set_axis_off()
        axis.text(0.5, 0.5, message, ha="center", va="center", color=FAINT, transform=axis.transAxes)


def legend(drawn: Figure, handles: list[Any], columns: int = 5) -> None:
    """A legend below the panels."""
    drawn.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)


def count_axis(axis: Axes, label: str) -> None:
    """A horizontal axis of counts: 50k, 1M."""
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(label)
    axis.set_xlim(left=0)


def log_count_axis(axis: Axes) -> None:
    """A logarithmic horizontal axis of counts or seconds: 1, 2, 5, 10 ... 50k."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())


def log_axis(axis: Axes) -> None:
    """A logarithmic vertical axis with plain numbers as ticks, closer if it spans less than a decade."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 7, 8)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
