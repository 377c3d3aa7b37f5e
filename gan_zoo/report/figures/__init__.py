"""The figures of a report: which there are, with their captions."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gan_zoo.bench.results import Results
from gan_zoo.report.figures.curves import has_curves, write_curves, write_losses, write_scores
from gan_zoo.report.figures.final_values import write_bars, write_contrasts, write_pareto
from gan_zoo.report.figures.points import write_discriminators, write_points
from gan_zoo.report.figures.style import Look, device_name

_CURVES = ("images", "discriminator_steps", "seconds")
_CAPTIONS = {
    "points": "Generated points of the first successful seed at the end, over the true modes (circles: three standard "
    "deviations) or the true density.",
    "images": "{name} against {samples} seen. Line: {mean} mean over successful seeds; band: 95% interval; "
    "dotted: failed or unfinished seed; dashed: floor.",
    "discriminator_steps": "{name} against discriminator steps.",
    "seconds": "{name} against seconds of training, without evaluation.",
    "pareto": "Final {name} (mean and 95% interval) against seconds of training of one run on the {device}. Filled: on "
    "the Pareto front of the means.",
    "contrasts": "Planned comparisons of {name} with 95% intervals, and adjusted p. Grey band: below the minimum "
    "detectable {measure}.",
    "is": "Inception Score against {samples} seen: arithmetic mean and 95% interval over successful seeds.",
    "bars": "Final values. Bar: mean over successful seeds; dots: seeds; whisker: 95% interval; dashed: floor.",
    "discriminators": "Learned discriminator and optimal D* = p_data / (p_data + p_g) of the first successful seed at "
    "the end; blank: no density.",
    "losses": "Losses of both players against {samples} seen. Line: mean over successful seeds; band: lowest to "
    "highest seed; dotted: failed or unfinished seed.",
    "scores": "Mean discriminator output for real and fake {samples}; lines and bands as for the losses.",
}


def captions(results: Results) -> dict[str, str]:
    """The captions of the figures of a results folder by name, in the order of the report."""
    metric = results.metric
    of_points = results.samples == "points"
    evolved = results.measured and (results.metrics.empty or has_curves(results, metric.name))
    included = {
        **dict.fromkeys(("points", "discriminators"), of_points),
        **dict.fromkeys(_CURVES, evolved),
        **dict.fromkeys(("pareto", "bars"), results.measured),
        "is": evolved and not of_points,
        "contrasts": results.measured and bool(results.planned["ratio"].notna().any()),
    }
    words = {
        "name": metric.title,
        "samples": results.samples,
        "mean": "geometric" if results.geometric else "arithmetic",
        "measure": "ratio" if results.geometric else "difference",
        "device": device_name(results),
    }
    return {
        f"{metric.name}_{name}" if name in _CURVES else name: caption.format(**words)
        for name, caption in _CAPTIONS.items()
        if included.get(name, True)
    }


def write_figures(results: Results, folder: Path) -> dict[Path, str]:
    """Draw all figures of a results folder as PNG files into ``folder/figures``; returns path -> caption in order."""
    look = Look.of(results)
    draw: dict[str, Callable[[Results, Look, Path], None]] = {
        **{x: partial(write_curves, x=x) for x in _CURVES},
        "is": partial(write_curves, x="images", metric="is"),
        "points": write_points,
        "pareto": write_pareto,
        "contrasts": write_contrasts,
        "bars": write_bars,
        "discriminators": write_discriminators,
        "losses": write_losses,
        "scores": write_scores,
    }
    written = {folder / "figures" / f"{name}.png": caption for name, caption in captions(results).items()}
    for path in written:
        draw[path.stem.removeprefix(f"{results.metric.name}_")](results, look, path)
    return written
