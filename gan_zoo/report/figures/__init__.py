"""The figures of a report: which there are, with their captions."""

from collections.abc import Callable
from pathlib import Path

from gan_zoo.bench.results import Results
from gan_zoo.report.figures.contrasts import write_contrasts
from gan_zoo.report.figures.curves import has_curves, write_curves
from gan_zoo.report.figures.final_values import device_name, write_bars, write_pareto
from gan_zoo.report.figures.history import write_losses, write_scores
from gan_zoo.report.figures.points import write_discriminators, write_points
from gan_zoo.report.figures.style import Look

_CAPTIONS = {
    "images": "{name} against {samples} seen. Line: {mean} mean over successful seeds; band: 95% interval; dotted: "
    "failed or unfinished seed; dashed: floor.",
    "discriminator_steps": "{name} against discriminator steps.",
    "seconds": "{name} against seconds of training, without evaluation.",
    "pareto": "Final {name} (mean and 95% interval) against seconds of training of one run on the {device}. Filled: on "
    "the Pareto front of the means.",
    "contrasts": "Planned comparisons of {name} with 95% intervals, and adjusted p. Grey band: below the minimum "
    "detectable {measure}.",
    "is": "Inception Score against {samples} seen: arithmetic mean and 95% interval over successful seeds.",
    "bars": "Final values. Bar: mean over successful seeds; dots: seeds; whisker: 95% interval; dashed: floor.",
    "points": "Generated points of the first successful seed at the end, over the true modes (circles: three standard "
    "deviations) or the true density.",
    "discriminators": "Learned discriminator and optimal D* = p_data / (p_data + p_g) of the first successful seed at "
    "the end; blank: no density.",
    "losses": "Losses of both players against {samples} seen. Line: mean over successful seeds; band: lowest to "
    "highest seed; dotted: failed or unfinished seed.",
    "scores": "Mean discriminator output for real and fake {samples}; lines and bands as for the losses.",
}


def captions(results: Results) -> dict[str, str]:
    """The captions of the figures of a results folder by name, in the order of the report."""
    curves = ["images", "discriminator_steps", "seconds"]
    final = ["pareto", "contrasts", "is", "bars"]
    names = [*curves, *final]
    if results.samples == "points":
        names = ["points", *(name for name in names if name != "is"), "discriminators"]
    if len(results.metrics) and not has_curves(results, results.metric.name):
        names = [name for name in names if name not in (*curves, "is")]
    if results.planned["ratio"].isna().all():
        names = [name for name in names if name != "contrasts"]
    if not results.measured:
        names = [name for name in names if name in ("points", "discriminators")]
    words = {
        "name": results.metric.title,
        "samples": results.samples,
        "mean": "geometric" if results.geometric else "arithmetic",
        "measure": "ratio" if results.geometric else "difference",
        "device": device_name(results),
    }
    return {
        f"{results.metric.name}_{name}" if name in curves else name: _CAPTIONS[name].format(**words)
        for name in [*names, "losses", "scores"]
    }


def write_figures(results: Results, folder: Path) -> dict[Path, str]:
    """Draw all figures of a results folder as PNG files into ``folder/figures``; returns path -> caption in order."""
    look = Look.of(results)
    name = results.metric.name
    draw: dict[str, Callable[[Path], None]] = {
        **{
            f"{name}_{axis}": lambda path, axis=axis: write_curves(results, look, path, name, axis)  # type: ignore[misc]
            for axis in ("images", "discriminator_steps", "seconds")
        },
        "pareto": lambda path: write_pareto(results, look, path),
        "contrasts": lambda path: write_contrasts(results, look, path),
        "is": lambda path: write_curves(results, look, path, "is", "images"),
        "bars": lambda path: write_bars(results, look, path),
        "points": lambda path: write_points(results, look, folder, path),
        "discriminators": lambda path: write_discriminators(results, look, folder, path),
        "losses": lambda path: write_losses(results, look, path),
        "scores": lambda path: write_scores(results, look, path),
    }
    written = {folder / "figures" / f"{key}.png": caption for key, caption in captions(results).items()}
    for path in written:
        draw[path.stem](path)
    return written
