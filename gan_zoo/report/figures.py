"""Figures of a report: which there are, what is said under each, and where every metric ends."""

from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from matplotlib.axes import Axes

from gan_zoo import text
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report import curves, pareto
from gan_zoo.report.contrast_figures import contrast_caption, contrast_rows, write_contrasts
from gan_zoo.report.curves import by, has_curves, own_first, write_curves
from gan_zoo.report.findings import Entry, equal_samples, leading, nothing_measured, rank, summary_lines
from gan_zoo.report.history_figures import write_losses, write_scores
from gan_zoo.report.point_figures import write_discriminators, write_points
from gan_zoo.report.style import FAINT, INK, Look, figure, floor_of, samples_of, say
from gan_zoo.statistics import GEOMETRIC

_BAR_COLUMNS = 3
_CURVES = ("images", "discriminator_steps", "seconds")

_MEASURED = {
    "images": "{name} against {samples} seen{equal}. " + curves.CAPTION,
    "discriminator_steps": "The same {name} against steps of the discriminator: a variant with several of them a round "
    "sees more {samples} for each step of its generator.",
    "seconds": "The same {name} against seconds of training (evaluation excluded){jobs}: what a variant costs. "
    "Surviving seeds are put at their mean time of each evaluation.",
    "pareto": pareto.CAPTION,
    "contrasts": "{contrasts}",
    "is": "Inception Score against {samples} seen, drawn as the others ({arithmetic}). It never looks at real data: "
    "read it beside FID.",
    "bars": "Final values. Bar: mean over surviving seeds ({geometric}: geometric); dots: seeds; whisker: 95% "
    "interval, cut where it leaves the panel; dashed: the floor.",
}
_POINTS = {
    "points": "What each variant generated at the end, of its first surviving seed: in the plane its first 2,500 "
    "points over the true modes (circles of three standard deviations), on a line the histogram of all its points over "
    "the true density.",
    "discriminators": "The learned D beside the optimal D* = p_data / (p_data + p_g) at the end, of the first "
    "surviving seed, for the variants whose objective has that optimum. p_g is the histogram of all generated points; "
    "where neither density reaches a bin, D* is blank.",
}
_HISTORY = {
    "losses": "Losses of both players. Line: mean over surviving seeds; band: lowest to highest seed; dotted: a seed "
    "that failed or is unfinished, up to its cross. Each panel has its own scale: losses of different objectives "
    "cannot be compared, and a falling loss does not mean better {samples}.",
    "scores": "Mean output of the discriminator for real and for fake {samples}, drawn as the losses are. "
    "Probabilities share one scale; raw scores have their own.",
}


def captions(results: Results) -> dict[str, str]:
    """The figures of a results folder in the report's order, by the name of the file, with what is said under each."""
    metric, samples = leading(results), samples_of(results.manifest)
    said = {} if nothing_measured(results) else {f"{metric.name}_{key}" if key in _CURVES else key: words
                                                 for key, words in _MEASURED.items()}  # fmt: skip
    if contrast_rows(results).empty:
        said.pop("contrasts", None)
    if len(results.metrics) and not has_curves(results, metric.name):
        said = {
            key: words for key, words in said.items() if key.removeprefix(f"{metric.name}_") not in (*_CURVES, "is")
        }
    if samples == "points":
        said.pop("is", None)
        said = {"points": _POINTS["points"], **said, "discriminators": _POINTS["discriminators"]}
    geometric = metric.name in GEOMETRIC
    words = {"name": metric.title, "samples": samples, "floor": floor_of(results.manifest),
             "mean": "geometric" if geometric else "arithmetic", "geometric": metric.title,
             "interval": "Student's t on the logarithm" if geometric else "Student's t",
             "arithmetic": "with the arithmetic mean", "device": pareto.device_name(results),
             "equal": ", at equal budget" if equal_samples(results) else "", "jobs": pareto.jobs_said(results),
             "contrasts": contrast_caption(results)}  # fmt: skip
    return {key: caption.format(**words) for key, caption in (said | _HISTORY).items()}


def write_figures(results: Results, folder: Path) -> dict[Path, str]:
    """Draw all figures of a results folder as PNG files into ``folder/figures``; gives path -> caption in order."""
    target = folder / "figures"
    look, said, name = Look.of(results), captions(results), leading(results).name
    draw: dict[str, Callable[[Path], None]] = {
        f"{name}_images": lambda path: write_curves(results, look, path, name, "images"),
        f"{name}_discriminator_steps": lambda path: write_curves(results, look, path, name, "discriminator_steps"),
        f"{name}_seconds": lambda path: write_curves(results, look, path, name, "seconds"),
        "pareto": lambda path: pareto.write_pareto(results, look, path),
        "contrasts": lambda path: write_contrasts(results, look, path),
        "is": lambda path: write_curves(results, look, path, "is", "images"),
        "bars": lambda path: _write_bars(results, look, path),
        "points": lambda path: write_points(results, look, folder, path),
        "discriminators": lambda path: write_discriminators(results, look, folder, path),
        "losses": lambda path: write_losses(results, look, path),
        "scores": lambda path: write_scores(results, look, path),
    }
    for key in said:
        draw[key](target / f"{key}.png")
    return {target / f"{key}.png": caption for key, caption in said.items()}


def _write_bars(results: Results, look: Look, path: Path) -> None:
    entries = [entry for entry in rank(results) if entry.kind != "floor"]
    title = f"{look.data}: final values by metric"
    summary = results.summary.dropna(subset=["mean"])
    summary = summary[summary["variant"] != FLOOR]
    panels: list[tuple[str, str] | None] = []
    for extractor in own_first(summary["extractor"].unique(), results):
        panels += [None] * (-len(panels) % _BAR_COLUMNS)  # each extractor begins a row of its own
        measured = set(summary.loc[summary["extractor"] == extractor, "metric"])
        panels += [(metric, extractor) for metric in METRICS if metric in measured]
    if not panels:
        return say(path, title, look.facts, "No seed survived to the end: there is no final value to show.")
    rows = -(-len(panels) // _BAR_COLUMNS)
    columns = min(_BAR_COLUMNS, len(panels))
    size = {"rows": rows, "columns": columns, "panel": (4.3, 0.8 + 0.42 * len(entries)), "sharey": True}
    with figure(path, title, look.facts, **size) as (_, axes):  # type: ignore[arg-type]
        for axis, panel in zip_longest(axes, panels):
            if panel:
                _bars(axis, results, look, entries, *panel)
            else:
                axis.set_axis_off()
    return None


def _bars(axis: Axes, results: Results, look: Look, entries: list[Entry], metric: str, extractor: str) -> None:
    lines, column = summary_lines(results, extractor), f"final_{metric}_{extractor}"
    survivors = results.runs[results.runs["status"] == "ok"]
    ends = [0.0, *survivors[column].dropna()]
    reach = (min(ends) * 1.15, (max(ends) or 1.0) * 1.15)
    for place, entry in enumerate(entries):
        line = lines.get((entry.variant, metric), {})
        if not text.known(line.get("mean")):
            why = "no surviving seed" if entry.kind == "unranked" else "not measured"
            axis.text(reach[1] * 0.02, place, why, va="center", fontsize=9, color=FAINT, style="italic")
            continue
        axis.barh(place, line["mean"], height=0.62, color=look.colors[entry.variant], alpha=0.75, linewidth=0)
        seeds = survivors.loc[survivors["variant"] == entry.variant, column].dropna().to_numpy(dtype=float)
        axis.plot(seeds, [place] * len(seeds), "o", markersize=4, color="white", markeredgecolor=INK, zorder=4)
        if text.known(line["low"]):
            axis.plot([line["low"], line["high"]], [place, place], color=INK, linewidth=1.4, zorder=3)
    if (FLOOR, metric) in lines:
        axis.axvline(lines[FLOOR, metric]["mean"], color=INK, linestyle="--", linewidth=1.2)
    axis.set(xlim=reach, yticks=range(len(entries)), yticklabels=[_bar_label(entry) for entry in entries])
    axis.set_ylim(len(entries) - 0.45, -0.55)
    axis.grid(visible=False, axis="y")
    axis.set_title(f"{METRICS[metric].title} {METRICS[metric].arrow}{by(metric, extractor)}", loc="left")


def _bar_label(entry: Entry) -> str:
    return f"{entry.label}\n{text.share(entry.failures)} failed" if entry.failures.count else entry.label
