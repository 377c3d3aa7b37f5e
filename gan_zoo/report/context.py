"""The report of a results folder: tables, figures, sample images, report.md and a self-contained report.html."""

import base64
import re
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gan_zoo import text
from gan_zoo.bench.artifacts import unreadable
from gan_zoo.bench.results import Entry, Results
from gan_zoo.bench.tables import write_tables
from gan_zoo.io import atomic_write, check_links
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report import tables
from gan_zoo.report.figures import write_figures
from gan_zoo.report.figures.curves import default_first
from gan_zoo.report.figures.samples import SampleImage, write_samples
from gan_zoo.report.figures.style import data_title
from gan_zoo.report.findings import findings, methods
from gan_zoo.report.published import published
from gan_zoo.report.time_to_target import time_table


def write_report(folder: Path) -> Path:
    """Write the report of a results folder from its records; returns the path of report.html.

    Raises:
        GanZooError: the folder is missing, is no results folder, or has a damaged manifest.
        StorageError: the folder cannot be written to.
    """
    folder = Path(folder)
    check_links(folder)
    results = write_tables(folder)
    figures = write_figures(results, folder)
    samples = write_samples(folder, results.manifest, results.records)
    lost = unreadable(folder, results.manifest, results.records)
    page = context(results, samples, lost) | {"figures": list(figures.items())}
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
    # PNG files as data URIs, so that the page needs no other file.
    environment.filters["inline"] = lambda path: f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    environment.filters["relative"] = lambda path: path.relative_to(folder).as_posix()
    environment.filters["md"] = text.markdown
    return environment


def tidy(markdown: str) -> str:
    """Markdown without runs of empty lines."""
    return re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n"


def context(results: Results, samples: list[SampleImage], lost: list[str]) -> dict[str, Any]:
    """Everything that a template needs, as text or as plain values."""
    manifest = results.manifest
    title = data_title(manifest)
    started = str(manifest.get("started", ""))[:10]
    facts = [title, f"{manifest.get('preset', '')} preset", manifest.get("precision"), manifest.get("device"), started]
    reached = time_table(results)
    notices = list(manifest.get("notices", []))
    missing = len(manifest["runs"]) - len(results.runs)
    if missing > 0:
        of = text.plural(len(manifest["runs"]), "run")
        notices.append(f"{missing} of {of} not started: the suite is running, or can be resumed.")
    if lost:
        notices.append(f"{text.plural(len(lost), 'recorded file')} unreadable, the first is {lost[0]}.")
    return {
        "heading": str(manifest.get("title") or f"GAN variants on {title}"),
        "facts": [fact for fact in facts if fact],
        "note": manifest["data"].get("note", ""),
        "results": results,
        "ranking": tables.metric_table(results, results.extractor, tables.main_metrics(), ranks=True),
        "caption": tables.caption(results, results.extractor),
        "findings": findings(results),
        "overrides": overrides(results.entries),
        "comparisons": tables.comparison_table(results),
        "best": tables.best_and_final(results),
        "reached": reached,
        "galleries": galleries(results, samples),
        "extractors": [
            (name, tables.metric_table(results, name, METRICS), tables.caption(results, name))
            for name in default_first(results.metrics["extractor"].unique(), results)
        ],
        "glossary": tables.glossary(set(results.metrics["metric"])),
        "published": published(results),
        "failures": tables.failure_table(results),
        "runs": tables.run_table(results),
        "methods": methods(results, bool(reached.rows)),
        "protocol": protocol(manifest),
        "notices": notices,
    }


def overrides(entries: list[Entry]) -> list[tuple[str, str]]:
    """The overridden settings: first those that all marked variants share, then the others of each."""
    settings = {entry.label: entry.overrides.split("; ") for entry in entries if entry.overrides}
    common: list[str] = []
    if len(settings) > 1:
        first, *others = settings.values()
        common = [setting for setting in first if all(setting in other for other in others)]
    found = {"all marked variants": common}
    found |= {label: [setting for setting in mine if setting not in common] for label, mine in settings.items()}
    return [(label, "; ".join(mine)) for label, mine in found.items() if mine]


def galleries(results: Results, samples: list[SampleImage]) -> list[dict[str, Any]]:
    """The last image of each kind of a variant, of its first successful seed (else of its first with images)."""
    found = []
    for entry in results.entries:
        runs = results.runs[results.runs["variant"] == entry.variant].set_index("seed")
        failed = runs["status"] != "ok"
        mine = [image for image in samples if image.variant == entry.variant]
        if not mine:
            continue
        seed = min((image.seed for image in mine), key=lambda seed: (failed[seed], seed))
        last = {image.kind: image for image in sorted(mine, key=lambda image: image.step) if image.seed == seed}
        found.append(
            {
                "label": entry.label,
                "facts": describe(runs.iloc[0]),
                "images": [last[kind] for kind in ("grid", "strip", "classes", "neighbors") if kind in last],
                "status": f"seed {seed} {text.status(runs.loc[seed, 'status'])}" if failed[seed] else "",
            }
        )
    return found


def describe(run: pd.Series) -> str:
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
    budget = [f"{text.count(amount)} {unit}" for unit, amount in manifest.get("budget", {}).items()]
    seconds = manifest.get("wall_seconds")
    finished = text.known(seconds) and manifest.get("finished", True)
    train, test = (text.count(data.get(split)) for split in ("train", "test"))
    rows = {
        "data": f"{data_title(manifest)}: {train} for training, {test} for reference",
        "fingerprint of the data": data.get("fingerprint"),
        "preset": manifest.get("preset"),
        "budget per run": ", ".join(budget),
        "seeds": ", ".join(map(str, manifest.get("seeds", []))),
        "num_samples": text.count(manifest.get("num_samples")),
        "extractors": "; ".join(extractors),
        "device": manifest.get("device"),
        "runs in parallel": text.count(manifest.get("jobs")),
        "precision": manifest.get("precision"),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items()),
        "git commit": manifest.get("git_commit"),
        "started": manifest.get("started"),
        "wall time": text.duration(seconds) if finished else "not finished",
        "peak memory of all processes": tables.mebibytes(manifest.get("peak_memory_bytes")),
        "command": manifest.get("command"),
    }
    return [(name, value) for name, value in rows.items() if value and value != text.NOTHING]
