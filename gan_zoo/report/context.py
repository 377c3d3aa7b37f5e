"""The report of a results folder: tables, figures, sample images, report.md and a self-contained report.html."""

import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gan_zoo import text
from gan_zoo.bench.records import read_cells, read_manifest
from gan_zoo.bench.results import Entry, Results
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import write_tables
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures import write_figures
from gan_zoo.report.figures.curves import default_first
from gan_zoo.report.figures.samples import SampleImage, write_samples
from gan_zoo.report.figures.style import data_title, floor_title
from gan_zoo.report.findings import DIRECTIONS, MAIN, findings
from gan_zoo.report.methods import methods
from gan_zoo.report.published import published_table
from gan_zoo.report.time_to_target import reach_table

Cell = str | tuple[str, str]  # text, or a value and its interval
TEXT = ("variant", "comparison", "verdict", "status", "message", "theirs", "metric", "range", "meaning", "limitations")
"""The heads of columns of text; the others are numbers."""


@dataclass(frozen=True)
class Table:
    """A table of text; a row is its CSS classes and its cells."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]

    def markdown(self) -> str:
        """The table in Markdown."""
        rows = [[cell if isinstance(cell, str) else " ".join(cell).strip() for cell in cells] for _, cells in self.rows]
        return text.markdown_table(self.heads, rows, TEXT)


def write_report(folder: Path) -> Path:
    """Write the report of a results folder from its records; returns the path of report.html.

    Raises:
        GanZooError: the folder is missing, is no results folder, or has a damaged manifest.
        StorageError: the folder cannot be written to.
    """
    folder = Path(folder)
    data = read_manifest(folder).get("data")
    if not isinstance(data, dict) or not {"name", "title"} <= data.keys():
        raise GanZooError(f"{folder / 'manifest.json'} does not name its data; run the bench again with the same --out")
    results = write_tables(folder)
    figures = write_figures(results, folder)
    cells = [cell for cell in read_cells(folder) if cell.begin]
    samples, unreadable = write_samples(folder, results.manifest, cells)
    page = context(results, samples, unreadable) | {"figures": list(figures.items())}
    templates = environment(folder)
    atomic_write(folder / "report.md", tidy(templates.get_template("report.md.j2").render(page)))
    atomic_write(folder / "report.html", templates.get_template("report.html.j2").render(page))
    return folder / "report.html"


def environment(folder: Path) -> Environment:
    """The templates of reports, with filters for pages in this folder."""
    environment = Environment(
        loader=PackageLoader("gan_zoo.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = _inline
    environment.filters["relative"] = lambda path: path.relative_to(folder).as_posix()
    environment.filters["md"] = text.markdown
    return environment


def _inline(path: Path) -> str:
    """A PNG file as a data URI, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def tidy(markdown: str) -> str:
    """Markdown without runs of empty lines."""
    return re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n"


def context(results: Results, samples: list[SampleImage], unreadable: list[str]) -> dict[str, Any]:
    """Everything that a template needs, as text or as plain values."""
    manifest, own = results.manifest, results.extractor
    title = data_title(manifest)
    facts = [title, f"{manifest.get('preset', '')} preset", manifest.get("precision"), manifest.get("device")]
    measured = set(results.metrics["metric"])
    extractors = default_first(results.metrics["extractor"].unique(), results)
    reached = reach_table(results)
    return {
        "heading": str(manifest.get("title") or f"GAN variants on {title}"),
        "facts": [*filter(None, [*facts, str(manifest.get("started", ""))[:10]])],
        "note": manifest["data"].get("note", ""),
        "metric": results.metric,
        "measured": results.measured,
        "samples": results.samples,
        "own": own,
        "ranking": metric_table(results, own, [name for name in MAIN if name in METRICS], ranks=True),
        "caption": caption(results, own),
        "findings": findings(results),
        "overrides": overrides(results.ranking),
        "comparisons": comparison_table(results),
        "best": best_and_final(results),
        "reached": Table(
            [results.metric.title, "variant", "reached by", "training", f"{results.samples} seen"],
            [("", [row[key] for key in ("target", "variant", "reached", "seconds", "images")]) for row in reached],
        ),
        "galleries": galleries(results, samples),
        "extractors": [
            (name, metric_table(results, name, list(METRICS)), caption(results, name)) for name in extractors
        ],
        "glossary": Table(
            ["metric", "range", "meaning", "limitations"],
            [("", _glossary(name)) for name in METRICS if name in measured],
        ),
        "published": _published(results),
        "failures": failures(results),
        "runs": run_table(results),
        "methods": methods(results, bool(reached)),
        "protocol": protocol(manifest),
        "notices": [*manifest.get("notices", []), *_notices(results, unreadable)],
    }


def _glossary(name: str) -> list[Cell]:
    metric = METRICS[name]
    return [f"{metric.title} {metric.arrow}", metric.range, f"{metric.meaning} ({metric.source})", metric.misleads]


def _notices(results: Results, unreadable: list[str]) -> list[str]:
    runs, notices = len(results.manifest["cells"]), []
    if runs > len(results.runs):
        missing = f"{runs - len(results.runs)} of {text.plural(runs, 'run')}"
        notices.append(f"{missing} not started: the suite is running, or can be resumed.")
    if unreadable:
        notices.append(f"{text.plural(len(unreadable), 'sample image')} unreadable, the first is {unreadable[0]}.")
    return notices


def overrides(entries: list[Entry]) -> list[tuple[str, str]]:
    """The overridden settings: first those that all marked variants share, then the others of each."""
    found = {entry.label: entry.departures.split("; ") for entry in entries if entry.departures}
    first = next(iter(found.values())) if len(found) > 1 else []
    common = [part for part in first if all(part in parts for parts in found.values())]
    rest = {label: [part for part in parts if part not in common] for label, parts in found.items()}
    named = [(label, "; ".join(parts)) for label, parts in rest.items() if parts]
    return [("all marked variants", "; ".join(common)), *named] if common else named


def metric_table(results: Results, extractor: str, names: list[str], *, ranks: bool = False) -> Table:
    """Final values under one extractor: a column per measured metric, a row per variant; with rank and time."""
    lines, rows = results.lines(extractor), []
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    names = [name for name in names if name in measured]
    for entry in results.ranking:
        found = [lines.get((entry.variant, name), {}) for name in names]
        note = f"(floor: {floor_title(results)})" if entry.kind == "floor" else f"({entry.reason})"
        cells: list[Cell] = [(entry.label, "" if entry.kind == "ranked" else note)]
        cells += [(text.number(line.get("mean")), text.interval(line.get("low"), line.get("high"))) for line in found]
        failed = (text.share(entry.failures), text.percent(entry.failures.low, entry.failures.high))
        cells += [str(entry.value.seeds), text.NOTHING if entry.kind == "floor" else failed]
        if ranks:
            cells = [entry.place, *cells, text.duration(entry.seconds) if entry.kind == "ranked" else text.NOTHING]
        rows.append((f"{entry.kind} {'failed' if entry.failures.count else ''}", cells))
    titles = [f"{METRICS[name].title} {METRICS[name].arrow}" for name in names]
    heads = ["variant", *titles, "seeds", "failures"]
    return Table(["rank", *heads, "time per seed"] if ranks else heads, rows)


def caption(results: Results, extractor: str) -> str:
    """How the values of a table were measured: num_samples, extractor, reference, weights, seeds."""
    rows = results.metrics[results.metrics["extractor"] == extractor]
    if rows.empty:
        return "Nothing was measured: see the notices."
    counts = text.listed([text.count(n) for n in sorted(rows["n"].dropna().unique())])
    references = text.listed(sorted(set(rows["reference"])))
    weights = text.listed(sorted(set(rows.loc[rows["variant"] != FLOOR, "weights"]) - {""})) or text.NOTHING
    seeds = ", ".join(str(seed) for seed in sorted(rows["seed"].unique()))
    points = results.samples == "points"
    source = f"reference: {references}" if points else f"features of {extractor}, reference: {references} split"
    return f"num_samples {counts}, {source}, {weights} weights, seeds {seeds}. Mean and 95% interval over seeds."


def comparison_table(results: Results) -> Table:
    """One row per planned comparison: the difference, the test, the effect, and the minimum detectable difference."""
    measure = "ratio" if results.geometric else "difference"
    heads = ["comparison", measure, "verdict", "p, adjusted", "p", "effect", "P(better)", "detectable", "seeds"]
    rows = []
    for line in results.planned.to_dict("records"):
        counts = ((line["seeds"], line["failures"]), (line["baseline_seeds"], line["baseline_failures"]))
        seeds = " and ".join(f"{seeds}{f' ({failed} failed)' if failed else ''}" for seeds, failed in counts)
        partial = (line["failures"] or line["baseline_failures"]) and line["verdict"] in DIRECTIONS
        verdict = f"{line['verdict']} (successful seeds only)" if partial else line["verdict"]
        cells: list[Cell] = [
            f"{line['variant']} against {line['baseline']}",
            (text.number(line["ratio"]), text.interval(line["low"], line["high"])),
            verdict,
            text.probability(line["p_adjusted"]),
            text.probability(line["p"]),
            (text.number(line["effect"]), text.interval(line["effect_low"], line["effect_high"])),
            (text.number(line["improvement"]), text.interval(line["improvement_low"], line["improvement_high"])),
            text.number(line["detectable"]),
            seeds,
        ]
        rows.append((verdict.split()[0], cells))
    return Table(heads, rows)


def best_and_final(results: Results) -> Table:
    """The primary metric of each ranked variant at its best evaluation and at the last."""
    lines, rows = results.lines(results.extractor), []
    images = results.metrics.drop_duplicates(["variant", "seed", "step"])[["variant", "seed", "step", "images"]]
    best = results.runs[results.runs["status"] == "ok"].drop(columns="images")
    best = best.merge(images, left_on=["variant", "seed", "best_step"], right_on=["variant", "seed", "step"])
    for entry in results.ranking:
        if entry.kind != "ranked":
            continue
        line = lines[entry.variant, results.metric.name]
        seen = best.loc[best["variant"] == entry.variant, "images"]
        cells: list[Cell] = [
            entry.label,
            (text.number(line["best_mean"]), text.interval(line["best_low"], line["best_high"])),
            text.count(seen.median()) if len(seen) else text.NOTHING,
            (text.number(line["mean"]), text.interval(line["low"], line["high"])),
            text.number(line["median"]),
        ]
        rows.append(("", cells))
    title = results.metric.title
    heads = ["variant", f"best {title}", f"at {results.samples} seen (median)", f"final {title}"]
    return Table([*heads, f"median final {title}"], rows)


def galleries(results: Results, samples: list[SampleImage]) -> list[dict[str, Any]]:
    """The last image of each kind of a variant, of its first successful seed (else of its first with images)."""
    found = []
    for entry in results.ranking:
        mine = [image for image in samples if image.variant == entry.variant]
        if not mine:
            continue
        runs = results.runs[results.runs["variant"] == entry.variant].set_index("seed")
        seed = min((image.seed for image in mine), key=lambda seed: (runs.loc[seed, "status"] != "ok", seed))
        status = str(runs.loc[seed, "status"])
        last = {image.kind: image for image in sorted(mine, key=lambda image: image.step) if image.seed == seed}
        found.append(
            {
                "label": entry.label,
                "facts": facts(runs.iloc[0]),
                "images": [last[kind] for kind in ("grid", "strip", "classes", "neighbors") if kind in last],
                "status": "" if status == "ok" else f"seed {seed} {text.status(status)}",
            }
        )
    return found


def facts(run: pd.Series) -> str:
    """What a variant is, in one line."""
    parts = [run["title"], run["paper"], run["objective"]]
    parts += [f"{key}: {run[key]}" for key in ("latent", "conditioning") if run[key]]
    if text.known(run["batch_size"]):
        parts.append(f"batch {run['batch_size']}")
    if text.known(run["generator_parameters"]):
        counts = [text.count(run[f"{role}_parameters"]) for role in ("generator", "discriminator")]
        parts.append(f"{' + '.join(counts)} parameters")
    if run["deviations"]:
        before = " (before the overrides marked †)" if run["departures"] else ""
        parts.append(f"deviations from the paper{before}: {run['deviations']}")
    return " · ".join(part for part in parts if part)


def _published(results: Results) -> dict[str, Any]:
    """The published values as a table, with their source and the differences of the protocols."""
    found = published_table(results)
    heads = ["variant", "theirs", "FID there (Inception)", f"FID here ({found['extractor']})"]
    keys = ["variant", "study", "published", "ours"]
    if found["inception"]:
        heads.append("FID here (Inception)")
        keys.append("inception")
    rows = [("", [row[key] for key in [*keys, "seeds"]]) for row in found["rows"]]
    return {**found, "table": Table([*heads, "seeds here"], rows)}


def failures(results: Results) -> Table:
    """The seeds that failed or did not finish, with the recorded reason."""
    rows = [
        (
            "failed",
            [
                run["variant"],
                str(run["seed"]),
                text.status(run["status"]),
                text.count(run["images"]),
                run["message"] or text.NOTHING,
            ],
        )
        for run in results.runs[results.runs["status"] != "ok"].to_dict("records")
    ]
    return Table(["variant", "seed", "status", f"{results.samples} seen", "message"], rows)


def run_table(results: Results) -> Table:
    """One row per run: status, best and final value of the primary metric, time, speed, memory."""
    rows, name, own = [], results.metric.name, results.extractor
    for run in results.runs.to_dict("records"):
        values = [text.number(run.get(f"{moment}_{name}_{own}")) for moment in ("best", "final")]
        cells = [
            run["variant"],
            str(run["seed"]),
            text.status(run["status"]),
            *(values if results.measured else []),
            text.count(run["images"]),
            text.duration(run["seconds"]),
            text.count(run["images_per_second"]),
            _mebibytes(run["peak_memory_bytes"]),
        ]
        rows.append(("" if run["status"] == "ok" else "failed", cells))
    title, samples = results.metric.title, results.samples
    values = [f"best {title}", f"final {title}"] if results.measured else []
    speed = [f"{samples} seen", "training", f"{samples}/s", "peak memory"]
    return Table(["variant", "seed", "status", *values, *speed], rows)


def _mebibytes(memory: float | None) -> str:
    return f"{memory / 2**20:,.0f} MiB" if memory is not None and text.known(memory) else text.NOTHING


def protocol(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """How the results were made, from the manifest; what it does not record is left out."""
    data = manifest["data"]
    extractors = [
        f"{name}, test accuracy {facts['accuracy']:.2%}" if facts.get("accuracy") else name
        for name, facts in manifest.get("extractors", {}).items()
    ]
    budget = [f"{text.count(value)} {unit}" for unit, value in manifest.get("budget", {}).items()]
    sizes = [text.count(data.get(split)) for split in ("train", "test")]
    seconds = manifest.get("wall_seconds")
    finished = text.known(seconds) and manifest.get("finished", True)
    rows = {
        "data": f"{data_title(manifest)}: {sizes[0]} for training, {sizes[1]} for reference",
        "fingerprint of the data": data.get("fingerprint", ""),
        "preset": manifest.get("preset", ""),
        "budget per run": ", ".join(budget),
        "seeds": ", ".join(map(str, manifest.get("seeds", []))),
        "num_samples": text.count(manifest.get("n", math.nan)),
        "extractors": "; ".join(extractors),
        "device": manifest.get("device", ""),
        "runs in parallel": text.count(manifest.get("jobs", math.nan)),
        "precision": manifest.get("precision", ""),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items()),
        "git commit": manifest.get("git_commit") or "",
        "started": manifest.get("started", ""),
        "wall time": text.duration(seconds) if finished else "not finished",
        "peak memory of all processes": _mebibytes(manifest.get("peak_memory_bytes")),
        "command": manifest.get("command", ""),
    }
    return [(name, value) for name, value in rows.items() if value and value != text.NOTHING]
