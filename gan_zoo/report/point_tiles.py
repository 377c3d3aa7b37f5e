"""Points of one evaluation as one small image, over the modes or the density that they should have."""

import numpy as np
from PIL import Image, ImageDraw

from gan_zoo.mixture import Array, Mixture

SIDE = 240  # pixels
GREY = "#7d858d"  # 3:1 on white and on the dark page
_FINE = 4  # drawn larger by this factor, then averaged: Pillow draws hard edges
_DEVIATIONS = 3.0  # radius of the circles: a point within it is of high quality
_DOT = 0.7  # radius in pixels
_BINS = 60
MOST = 2_500  # points drawn; as many as are recorded


def draw_points(mixture: Mixture, points: Array, color: str) -> Image.Image:
    """Points (N, D) as an image (``SIDE``, ``SIDE``) with a transparent background.

    In two dimensions the points over a circle of three standard deviations around each mode; in one a histogram of the
    points over the true density.
    """
    canvas = Image.new("RGBA", (SIDE * _FINE, SIDE * _FINE), "#00000000")
    reach = 1.15 * np.abs(mixture.means).max() + 4 * mixture.deviation
    # Also drops NaN.
    inside = points[(np.abs(points) <= reach).all(axis=1)][:MOST].astype(float)
    draw = _draw_plane if mixture.dimensions == 2 else _draw_line
    draw(ImageDraw.Draw(canvas), mixture, inside, reach, color)
    return canvas.reduce(_FINE)


def _draw_plane(draw: ImageDraw.ImageDraw, mixture: Mixture, points: Array, reach: float, color: str) -> None:
    def circle(at: Array, radius: float, **style: object) -> None:
        x, y = (1 + at[0] / reach) * SIDE * _FINE / 2, (1 - at[1] / reach) * SIDE * _FINE / 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), **style)  # type: ignore[arg-type]

    for mean in mixture.means:
        radius = _DEVIATIONS * mixture.deviation / reach * SIDE * _FINE / 2
        circle(mean, radius + 1.5 * _FINE, outline=GREY, width=_FINE)
    for point in points:
        circle(point, _DOT * _FINE, fill=color)


def _draw_line(draw: ImageDraw.ImageDraw, mixture: Mixture, points: Array, reach: float, color: str) -> None:
    side = SIDE * _FINE
    at = np.linspace(-reach, reach, side)
    density = mixture.density(at[:, None])
    scale = 0.75 * side / density.max()
    heights, edges = np.histogram(points, bins=_BINS, range=(-reach, reach), density=len(points) > 0)
    xs = (1 + edges / reach) * side / 2
    tops = side - np.minimum(heights * scale, side)
    steps = [
        (x, top) for left, right, top in zip(xs, xs[1:], tops, strict=False) for x, top in ((left, top), (right, top))
    ]
    draw.polygon([(0, side), *enumerate(side - density * scale), (side, side)], fill=f"{GREY}55")
    draw.line([(0, side), *steps, (side, side)], fill=color, width=2 * _FINE)
