"""The report of a results folder: tables, a self-contained report.html, and report.md with its pictures."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gan_zoo import text
from gan_zoo.bench.artifacts import unreadable
from gan_zoo.bench.results import SIMILAR, Results
from gan_zoo.bench.tables import write_tables
from gan_zoo.io import atomic_write, check_links
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report import studies, tables
from gan_zoo.report.answer import answer
from gan_zoo.report.failures import Failure, failures
from gan_zoo.report.figures import charts
from gan_zoo.report.figures.curves import default_first
from gan_zoo.report.figures.style import Look, data_title, machine_title
from gan_zoo.report.figures.svg import Chart
from gan_zoo.report.methods import comparison_sentences, methods
from gan_zoo.report.published import published
from gan_zoo.report.ranking import Ranking, ranking
from gan_zoo.report.settings import NOT_THE_PAPERS, OVERRIDDEN, marks, settings
from gan_zoo.report.sheets import Frame, Sheets, contact_sheet, sheets
from gan_zoo.report.time_to_target import targets_text, time_table
from gan_zoo.statistics import MINIMUM_SEEDS

SECTIONS = {
    "answer": "Answer",
    "curves": "Curves",
    "samples": "Samples",
    "tests": "Tests",
    "cost": "Cost",
    "metrics": "Metrics",
    "studies": "Studies",
    "failures": "Failures",
    "methods": "Methods",
}
"""The sections of the page by id; that of the studies is there if there are any."""
KINDS = {
    "grid": "samples",
    "classes": "one class a row",
    "neighbors": "nearest training images",
    "histogram": "class histogram",
}
"""The tabs of the samples, by kind of frame."""
KIND_NOTES = {
    "grid": "The same latents at every evaluation.",
    "classes": "Generators without labels have none.",
    "neighbors": "In each row a sample, then its nearest training images in the features of the extractor.",
    "histogram": "Images that the classifier assigns to each class, of num_samples; one scale for all.",
}
"""What a reader has to know of the frames of a kind."""
AXES = {"images": "{samples} seen", "discriminator_steps": "discriminator steps", "seconds": "seconds of training"}
"""The horizontal axes of the curves."""
CONTACT_SHEET = Path("figures", "samples.png")
_SHEET_WIDTH = 400  # CSS pixels


def write_report(folder: Path) -> Path:
    """Write the report of a results folder from its records; returns the path of report.html.

    Raises:
        GanZooError: the folder is missing, is no results folder, or has a damaged manifest.
        StorageError: the folder cannot be written to.
    """
    folder = Path(folder)
    check_links(folder)
    results = write_tables(folder)
    look = Look.of(results)
    pictures = charts.write_pngs(results, look, folder)
    if contact_sheet(folder, results, folder / CONTACT_SHEET):
        pictures["samples"] = folder / CONTACT_SHEET
    page = context(results, look, sheets(folder, results), unreadable(folder, results.manifest, results.records))
    studied, damaged = studies.sections(folder)
    page["studies"] = studied
    page["notices"] += damaged
    page["sections"] = [(name, title) for name, title in SECTIONS.items() if studied or name != "studies"]
    page |= {"pictures": pictures, "discriminators": charts.discriminators(results, look, folder)}
    templates = environment(folder)
    atomic_write(folder / "report.md", tidy(templates.get_template("report.md.j2").render(page)))
    rendered = templates.get_template("report.html.j2").render(page)
    # HTML has no control characters.
    atomic_write(folder / "report.html", "\n".join(map(text.visible, rendered.split("\n"))))
    return folder / "report.html"


def environment(folder: Path) -> Environment:
    """The templates of reports, with filters for pages in this folder."""
    templates = Environment(
        loader=PackageLoader("gan_zoo.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # PNG files as data URIs, so that the page needs no other file.
    templates.filters["inline"] = lambda path: f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    templates.filters["relative"] = lambda path: path.relative_to(folder).as_posix()
    templates.filters["md"] = text.markdown
    return templates


def tidy(markdown: str) -> str:
    """Markdown without runs of empty lines."""
    return re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n"


def context(results: Results, look: Look, found: Sheets, lost: list[str]) -> dict[str, Any]:
    """Everything that a template needs, as text or as plain values."""
    manifest = results.manifest
    title = data_title(manifest)
    started = str(manifest.get("started", ""))[:10]
    facts = [title, f"{manifest.get('preset', '')} preset", manifest.get("precision"), machine_title(manifest), started]
    marked = labels(results)
    rows = ranking(results, found, marked)
    reached = time_table(results)
    return {
        "heading": str(manifest.get("title") or f"GAN variants on {title}"),
        "facts": [fact for fact in facts if fact],
        "note": manifest["data"].get("note", ""),
        "notices": notices(results, lost),
        "results": results,
        "look": look,
        "count": text.count,
        "answer": answer(results),
        "ranking": rows,
        "letters": any(row.entry.letters for row in rows.rows),
        "has_tiles": any(row.tiles for row in rows.rows),
        "legend_text": legend_text(results, rows),
        "markdown_legend": markdown_legend(results),
        "caption": tables.caption(results, results.extractor),
        "values": tables.metric_table(results, results.extractor, tables.main_metrics(), marked, ranks=True),
        **curves(results, look),
        **samples(results, found),
        "forest": charts.forest(results, look),
        "tested": comparison_sentences(results),
        "comparisons": tables.comparison_table(results),
        "cost": charts.cost(results, look),
        "reached": reached,
        "targets_text": targets_text(results),
        "extractors": [
            (name, tables.metric_table(results, name, METRICS, marked), tables.caption(results, name))
            for name in default_first(results.metrics["extractor"].unique(), results)
        ],
        "glossary": tables.glossary(set(results.metrics["metric"])),
        "published": published(results),
        "failures": [evidence(results, look, found, failure) for failure in failures(results)],
        "command": manifest.get("command") or "not recorded: the suite was run from Python",
        "settings": tables.settings_table(settings(results)),
        "marks_text": f"{OVERRIDDEN} differs from the default of the registered variant; {NOT_THE_PAPERS} differs from "
        "its paper.",
        "descriptions": tables.description_table(results),
        "runs": tables.run_table(results),
        "methods": methods(results, bool(reached.rows)),
        "protocol": protocol(manifest),
    }


def notices(results: Results, lost: list[str]) -> list[str]:
    """What a reader has to know before the answer."""
    found = list(results.manifest.get("notices", []))
    missing = len(results.manifest["runs"]) - len(results.runs)
    if missing > 0:
        of = text.plural(len(results.manifest["runs"]), "run")
        found.append(f"{missing} of {of} not started: the suite is running, or can be resumed.")
    if lost:
        found.append(f"{text.plural(len(lost), 'recorded file')} unreadable, the first is {lost[0]}.")
    return found


def legend_text(results: Results, rows: Ranking) -> str:
    """How the ranking is read: marks, intervals, letters."""
    metric = results.metric
    by = f", features of {results.extractor}" if results.samples == "images" else ""
    parts = [f"Final {metric.title}{by}; {metric.better} is better"]
    shown = [row.entry for row in rows.rows if row.mark]
    if any(row.mark.low is not None for row in rows.rows if row.mark):
        mean = "geometric mean" if results.geometric else "mean"
        parts.append(f"dot and line: {mean} over seeds with 95% interval")
    if any(entry.value.seeds < MINIMUM_SEEDS for entry in shown):
        parts.append("rings: single seeds, where there are too few for an interval")
    if any(entry.letters for entry in shown):
        parts.append(
            "group: variants without a common letter are significantly different (Games-Howell test of all pairs, "
            f"family-wise error rate {results.alpha:.1%})"
        )
    return _sentences([*parts, *_marks_text(results)])


def markdown_legend(results: Results) -> str:
    """How the table of report.md is read."""
    metric = results.metric
    parts = [f"Final values, mean and 95% interval over seeds. Ranked by {metric.title}: {metric.better} is better"]
    if any(entry.similar for entry in results.entries):
        parts.append(f"{SIMILAR}: not significantly different from the best (Games-Howell test of all pairs)")
    return _sentences([*parts, *_marks_text(results)])


def _marks_text(results: Results) -> list[str]:
    """What the marks of variants mean."""
    found = marks(results).values()
    meant = {OVERRIDDEN: "overrides of its default", NOT_THE_PAPERS: "deviations from its paper"}
    named = {mark: meaning for mark, meaning in meant.items() if any(mark in mine for mine in found)}
    if named and len(set(found)) == 1:
        return [f"every variant has {text.listed(list(named.values()))}: see Methods"]
    return [f"{mark} {meaning}" for mark, meaning in named.items()]


def _sentences(parts: list[str]) -> str:
    return f"{'. '.join(part[0].upper() + part[1:] for part in parts)}."


def labels(results: Results) -> dict[str, str]:
    """The names of the variants with their marks, unless all have the same."""
    found = marks(results)
    return {name: f"{name}{mark}" if len(set(found.values())) > 1 else name for name, mark in found.items()}


def curves(results: Results, look: Look) -> dict[str, Any]:
    """The curves, and what their selectors offer."""
    found = charts.curves(results, look)
    axes = {name: title.format(samples=results.samples) for name, title in AXES.items()}
    used = {chart.x for chart in found}
    return {
        "curves": found,
        "xs": {name: title for name, title in axes.items() if name in used},
        "ys": {chart.y: chart.title for chart in found},
        "multiples": charts.small_multiples(results, look),
    }


def samples(results: Results, found: Sheets) -> dict[str, Any]:
    """The frames by variant, real images first, and what their selectors offer."""
    frames = found.frames
    trained = [frame for frame in frames if frame.variant not in results.untrained]
    kinds = [kind for kind in KINDS if any(frame.kind == kind for frame in frames)]
    seen: dict[int, set[int]] = {}
    for frame in trained or frames:
        seen.setdefault(frame.place, set()).add(frame.images)
    seeds = sorted({frame.seed for frame in trained})
    runs = results.runs
    status = dict(zip(zip(runs["variant"], runs["seed"], strict=True), runs["status"], strict=True))
    names = results.manifest["data"].get("class_names") or []
    return {
        "sheets": found,
        "galleries": galleries(results, frames),
        "kinds": {kind: KINDS[kind] for kind in kinds},
        "kind_notes": {kind: KIND_NOTES[kind] for kind in kinds},
        "most": max((count for frame in frames for count in frame.counts), default=1) or 1,
        "evaluations": [_span(seen[place]) for place in sorted(seen)],
        "seeds": seeds,
        "class_name": lambda index: names[index] if index < len(names) else str(index),
        "scale": sheet_scale,
        "status": lambda frame: failed_status(status.get((frame.variant, frame.seed), "")),
    }


def _span(counts: set[int]) -> str:
    """``76,768``, or ``76,768 to 383,808``."""
    return " to ".join(dict.fromkeys(map(text.count, (min(counts), max(counts)))))


def galleries(results: Results, frames: list[Frame]) -> list[tuple[str, list[Frame], list[Frame]]]:
    """Of each variant the frames of its first seed at the last evaluation, and all others; real images come first."""
    found = []
    entries = sorted(results.entries, key=lambda entry: entry.kind != "floor")
    for entry in entries:
        mine = [frame for frame in frames if frame.variant == entry.variant]
        if not mine:
            continue
        first = min(frame.seed for frame in mine)
        last = max(frame.place for frame in mine if frame.seed == first)
        shown = [frame for frame in mine if (frame.seed, frame.place) == (first, last)]
        # Of an untrained one each seed has the same images.
        others = [] if entry.variant in results.untrained else [frame for frame in mine if frame not in shown]
        found.append((entry.variant, shown, others))
    return found


def failed_status(status: str) -> str:
    """A status in words; empty for a successful run."""
    return "" if status == "ok" else text.status(status)


def sheet_scale(frame: Frame) -> float:
    """CSS pixels a pixel of a sheet: a whole number, unless the sheet is larger than its place."""
    width = frame.columns * frame.width
    return max(1, _SHEET_WIDTH // width) if width <= _SHEET_WIDTH else _SHEET_WIDTH / width


def evidence(
    results: Results, look: Look, found: Sheets, failure: Failure
) -> dict[str, str | Failure | Frame | Chart | None]:
    """A failure with its status in words, its last values and samples, and its losses."""
    values = [
        f"{METRICS[name].title} {text.number(value)}"
        for name, value in failure.metrics.items()
        if name in (results.metric.name, *tables.main_metrics())
    ]
    seen = f"{text.count(failure.measured_at)} {results.samples} seen"
    mine = [
        frame
        for frame in found.frames
        if (frame.variant, frame.seed, frame.kind) == (failure.variant, failure.seed, "grid")
    ]
    return {
        "failure": failure,
        "status": text.status(failure.status),
        "last": f"Last evaluation, {seen}: {', '.join(values)}." if values else "",
        "frame": max(mine, key=lambda frame: frame.step, default=None),
        "chart": charts.loss_curve(results, look, failure.variant, failure.seed),
    }


def protocol(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the results were made, from the manifest; what it does not record is left out."""
    data = manifest["data"]
    extractors = [
        f"{name}, test accuracy {facts['accuracy']:.2%}" if facts.get("accuracy") else name
        for name, facts in manifest.get("extractors", {}).items()
    ]
    budget = [f"{text.count(amount)} {unit}" for unit, amount in manifest.get("budget", {}).items()]
    seconds = manifest.get("wall_seconds")
    finished = text.known(seconds) and manifest.get("finished", True)
    train, test = (text.count(data.get(split)) for split in ("train", "test"))
    # Of a Ray cluster, processes on other machines are not counted.
    memory = f"peak memory of all processes{' of the driver' if manifest.get('executor') == 'ray' else ''}"
    rows = {
        "data": f"{data_title(manifest)}: {train} for training, {test} for reference",
        "fingerprint of the data": data.get("fingerprint"),
        "preset": manifest.get("preset"),
        "budget per run": ", ".join(budget),
        "seeds": ", ".join(map(str, manifest.get("seeds", []))),
        "num_samples": text.count(manifest.get("num_samples")),
        "extractors": "; ".join(extractors),
        "device": machine_title(manifest),
        "runs in parallel": text.count(manifest.get("jobs")),
        "precision": manifest.get("precision"),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items()),
        "git commit": manifest.get("git_commit"),
        "started": manifest.get("started"),
        "wall time": text.duration(seconds) if finished else "not finished",
        memory: tables.mebibytes(manifest.get("peak_memory_bytes")),
    }
    return [(name, value) for name, value in rows.items() if value and value != text.NOTHING]
