"""The charts of a report, as inline SVG, and the three that report.md shows, as PNG files."""

from pathlib import Path

from matplotlib import rc_context

from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import draw_curve, measured_curves, metric_curves, panel
from gan_zoo.report.figures.curves import small_multiples as small_multiples
from gan_zoo.report.figures.final_values import cost as cost
from gan_zoo.report.figures.final_values import draw_cost, draw_forest
from gan_zoo.report.figures.final_values import forest as forest
from gan_zoo.report.figures.history import history_curves
from gan_zoo.report.figures.history import loss_curve as loss_curve
from gan_zoo.report.figures.points import discriminators as discriminators
from gan_zoo.report.figures.style import STYLE, Look
from gan_zoo.report.figures.svg import Chart as Chart
from gan_zoo.report.figures.svg import write_png


def curves(results: Results, look: Look) -> list[Chart]:
    """All curves over training, the default one first: of the metrics, then of what training recorded."""
    return [*metric_curves(results, look), *history_curves(results, look)]


@rc_context(STYLE)
def write_pngs(results: Results, look: Look, folder: Path) -> dict[str, Path]:
    """Write ``curve``, ``tests`` and ``cost``, as far as there are any, into ``folder/figures``; returns their paths.

    Raises:
        StorageError: a path cannot be written.
    """
    curve = next(measured_curves(results), None)
    drawing = panel(look)
    if curve:
        draw_curve(drawing, curve, look, "images")
    drawings = {
        "curve": drawing if curve else None,
        "tests": draw_forest(results, look),
        "cost": draw_cost(results, look),
    }
    found = {name: drawing for name, drawing in drawings.items() if drawing}
    return {name: write_png(drawing.figure, folder / "figures" / f"{name}.png") for name, drawing in found.items()}
