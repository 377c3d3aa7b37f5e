"""The charts of a report, as inline SVG, and the few that report.md shows as PNG files."""

from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import metric_curves
from gan_zoo.report.figures.history import history_curves
from gan_zoo.report.figures.style import Look
from gan_zoo.report.figures.svg import Chart


def curves(results: Results, look: Look) -> list[Chart]:
    """All curves over training, the default one first: of the metrics, then of what training recorded."""
    return [*metric_curves(results, look), *history_curves(results, look)]
