"""The report of a results folder: tables, figures, sample images, report.md and a self-contained report.html."""

import base64
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gan_zoo import text
from gan_zoo.bench.records import read_manifest, read_runs
from gan_zoo.bench.results import Entry, Results
from gan_zoo.bench.tables import write_tables
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures import write_figures
from gan_zoo.report.figures.curves import default_first
from gan_zoo.report.figures.samples import SampleImage, write_samples
from gan_zoo.report.figures.style import data_title
from gan_zoo.report.findings import MAIN, findings
from gan_zoo.report.methods import methods
from gan_zoo.report.published import published_table
from gan_zoo.report.tables import (
    best_and_final,
    caption,
    comparison_table,
    failures,
    glossary,
    mebibytes,
    metric_table,
    published,
    run_table,
    time_table,
)


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
    records = [record for record in read_runs(folder) if record.begin]
    samples, unreadable = write_samples(folder, results.manifest, records)
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
    manifest = results.manifest
    title = data_title(manifest)
    facts = [title, f"{manifest.get('preset', '')} preset", manifest.get("precision"), manifest.get("device")]
    measured = set(results.metrics["metric"])
    extractors = default_first(results.metrics["extractor"].unique(), results)
    reached = time_table(results)
    study = published_table(results)
    return {
        "heading": str(manifest.get("title") or f"GAN variants on {title}"),
        "facts": [*filter(None, [*facts, str(manifest.get("started", ""))[:10]])],
        "note": manifest["data"].get("note", ""),
        "metric": results.metric,
        "measured": results.measured,
        "samples": results.samples,
        "extractor": results.extractor,
        "ranking": metric_table(results, results.extractor, [name for name in MAIN if name in METRICS], ranks=True),
        "caption": caption(results, results.extractor),
        "findings": findings(results),
        "overrides": overrides(results.ranking),
        "comparisons": comparison_table(results),
        "best": best_and_final(results),
        "reached": reached,
        "galleries": galleries(results, samples),
        "extractors": [
            (name, metric_table(results, name, list(METRICS)), caption(results, name)) for name in extractors
        ],
        "glossary": glossary(measured),
        "published": {**study, "table": published(study)},
        "failures": failures(results),
        "runs": run_table(results),
        "methods": methods(results, bool(reached.rows)),
        "protocol": protocol(manifest),
        "notices": [*manifest.get("notices", []), *_notices(results, unreadable)],
    }


def _notices(results: Results, unreadable: list[str]) -> list[str]:
    runs, notices = len(results.manifest["runs"]), []
    if runs > len(results.runs):
        missing = f"{runs - len(results.runs)} of {text.plural(runs, 'run')}"
        notices.append(f"{missing} not started: the suite is running, or can be resumed.")
    if unreadable:
        notices.append(f"{text.plural(len(unreadable), 'sample image')} unreadable, the first is {unreadable[0]}.")
    return notices


def overrides(entries: list[Entry]) -> list[tuple[str, str]]:
    """The overridden settings: first those that all marked variants share, then the others of each."""
    found = {entry.label: entry.overrides.split("; ") for entry in entries if entry.overrides}
    first = next(iter(found.values())) if len(found) > 1 else []
    common = [part for part in first if all(part in parts for parts in found.values())]
    rest = {label: [part for part in parts if part not in common] for label, parts in found.items()}
    named = [(label, "; ".join(parts)) for label, parts in rest.items() if parts]
    return [("all marked variants", "; ".join(common)), *named] if common else named


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
        before = " (before the overrides marked †)" if run["overrides"] else ""
        parts.append(f"deviations from the paper{before}: {run['deviations']}")
    return " · ".join(part for part in parts if part)


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
        "num_samples": text.count(manifest.get("num_samples", math.nan)),
        "extractors": "; ".join(extractors),
        "device": manifest.get("device", ""),
        "runs in parallel": text.count(manifest.get("jobs", math.nan)),
        "precision": manifest.get("precision", ""),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items()),
        "git commit": manifest.get("git_commit") or "",
        "started": manifest.get("started", ""),
        "wall time": text.duration(seconds) if finished else "not finished",
        "peak memory of all processes": mebibytes(manifest.get("peak_memory_bytes")),
        "command": manifest.get("command", ""),
    }
    return [(name, value) for name, value in rows.items() if value and value != text.NOTHING]
