"""The figures of the studies and timings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from gan_zoo.report.figures.style import FAINT
from gan_zoo.report.figures.svg import write_png

_HEADER = 0.72  # inches above the axes, for the title and the line below it


@contextmanager
def figure(
    path: Path,
    title: str,
    subtitle: str,
    *,
    rows: int = 1,
    columns: int = 1,
    panel: tuple[float, float],
    **shared: Any,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of ``rows x columns`` panels of ``panel`` inches below a title, saved as a PNG file at the end.

    Raises:
        StorageError: the path cannot be written.
    """
    width, height = max(7.0, columns * panel[0]), rows * panel[1] + _HEADER
    with rc_context(sns.axes_style("whitegrid")):
        layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - _HEADER / height))
        drawn = Figure(figsize=(width, height), layout=layout, facecolor="white")
        drawn.text(0.12 / width, 1 - 0.14 / height, title, fontsize=14, weight="bold", va="top")
        drawn.text(0.12 / width, 1 - 0.43 / height, subtitle, fontsize=9.5, color=FAINT, va="top")
        axes = list(np.atleast_1d(drawn.subplots(rows, columns, **shared)).flat)
        yield drawn, axes
        sns.despine(fig=drawn, left=True)
        write_png(drawn, path)
