"""Charts of studies as images: without a background and in a gray that is legible on light and on dark pages."""

import io
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

GRAY = "#7a828a"
"""Of all text and axes: contrast of 3.9:1 on white, 4.6:1 on #14181c."""
COLORS = ("#2f83cf", "#cf5c36", "#2c9a68")
"""Of curves, with a contrast of 3:1 or more on both pages."""
SCALE = 0.5
"""CSS pixels a pixel of a chart."""
_DPI = 200
_STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), GRAY),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 8.5),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.5),
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.parse_math": False,
}

style = rc_context(_STYLE)
"""Decorator of a function that draws a chart."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in CSS pixels, to be drawn on within ``style``."""
    return Figure(figsize=(width / SCALE / _DPI, height / SCALE / _DPI), dpi=_DPI, layout="constrained")


def as_image(figure: Figure) -> Image.Image:
    """The figure in colors of a palette with transparency, (width, height) / ``SCALE`` pixels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGBA")
