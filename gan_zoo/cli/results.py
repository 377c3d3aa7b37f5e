"""A results folder on the terminal: the ranking of a comparison, or the metrics of a single training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_zoo import text
from gan_zoo.bench.artifacts import unreadable
from gan_zoo.bench.folder import damages, read_folder
from gan_zoo.bench.results import SIMILAR, default_extractor, ranked_by
from gan_zoo.bench.tables import read_results
from gan_zoo.cli.printing import print_line, print_note, print_paragraph, print_table
from gan_zoo.metrics.registry import METRICS, is_own
from gan_zoo.options import FLOOR
from gan_zoo.report.answer import answer
from gan_zoo.report.figures.style import data_title, machine_title
from gan_zoo.report.tables import ranking_table
from gan_zoo.statistics import MINIMUM_SEEDS

SHORT = {
    "Modes found": "modes",
    "High quality": "high q.",
    "Inception Score": "IS",
    "Precision": "prec.",
    "Recall": "rec.",
    "Coverage": "cov.",
    "Label accuracy": "label acc.",
    "failures": "failed",
}
RANKING = ("rank", "variant", "", "modes", "FID", "KID", "label acc.", "seeds", "failed")
"""The first columns of the ranking on a terminal, the empty one being the primary metric and then those of plugins; the
others follow as far as they fit."""


def print_report(folder: Path, report: Path) -> None:
    """The ranking of a results folder, its damaged records, and the path of its report."""
    manifest, records = read_folder(folder)
    for line in damages(folder):
        print_note(line)
    if lost := unreadable(folder, manifest, records):
        print_note(
            f"{text.plural(len(lost), 'recorded file')} unreadable, the first is {lost[0]}: the report lacks them"
        )
    if manifest.get("single"):
        print_run(folder)
        grids = [row["file"] for record in records for row in record.samples if row["kind"] == "grid"]
        if grids and (folder / grids[-1]).is_file():
            print_line(f"samples: {folder / grids[-1]}")
    else:
        print_ranking(folder)
    print_line(f"report: {report}")


def print_ranking(folder: Path) -> None:
    """The answer of a results folder and its ranking, with the data set, the preset and what measured it."""
    results = read_results(folder)
    manifest, frame = results.manifest, ranking_table(results)
    named = [f"{key} {manifest[key]}" for key in ("preset", "num_samples") if manifest.get(key)]
    facts = [data_title(manifest), *named, machine_title(manifest), manifest.get("precision")]
    print_line(", ".join(filter(None, [*facts, default_extractor(manifest)])))
    if frame.empty:
        print_line("no run has begun")
        return
    found = answer(results)
    print_paragraph(f"{found.headline} {found.trust}")
    primary = METRICS[ranked_by(manifest)].title
    interval = f"{primary} [95%]"
    frame = frame.rename(columns={**SHORT, primary: interval})
    titles = [metric.title for name, metric in METRICS.items() if not is_own(name) and metric.title != primary]
    place = RANKING.index("")
    first = [*RANKING[:place], interval, *titles, *RANKING[place + 1 :]]
    heads = sorted(frame.columns, key=lambda head: first.index(head) if head in first else len(first))
    print_table({head: frame[head].astype(str).tolist() for head in heads})
    if frame["rank"].str.endswith(SIMILAR).any():
        print_line(f"{SIMILAR} not significantly different from the best")
    if frame["variant"].str.endswith("†").any():
        print_line("† with overrides of the preset, which the report lists")
    if len(manifest["seeds"]) < MINIMUM_SEEDS:
        print_line(f"{text.plural(len(manifest['seeds']), 'seed')}: no significance test")


def print_run(folder: Path) -> None:
    """Status, length and final metrics of a single training run, and those of real images."""
    results = read_results(folder)
    runs, metrics = results.runs, results.metrics
    for run in runs[runs["variant"] != FLOOR].to_dict("records"):
        why = f" ({run['message']})" if run["message"] else ""
        facts = f"{text.count(run['steps'])} steps, {text.count(run['images'])} {results.samples}"
        print_line(f"{run['variant']}: {run['status']}{why}, {facts} in {text.number(run['seconds'])} s of training")
    final = metrics[(metrics["fraction"] >= 1) & (metrics["extractor"] == results.extractor)]
    if final.empty:
        return
    names = sorted(final["metric"].unique(), key=lambda name: name != results.metric.name)
    measured = f"{results.extractor}, {final['num_samples'].iloc[0]:,} samples"
    if (reference := final["reference"].iloc[0]) == "whole set":
        measured += f", reference: {reference}"
    columns = {measured: [METRICS[name].title for name in names]}
    for variant in reversed(final["variant"].unique()):
        values = final[final["variant"] == variant].set_index("metric")["value"]
        columns["real images" if variant == FLOOR else variant] = [text.number(values.get(name)) for name in names]
    columns["better"] = [METRICS[name].arrow for name in names]
    print_table(columns)


def print_evaluation(rows: Sequence[Mapping[str, Any]], data: str) -> None:
    """What `evaluate` measured: a table for each extractor, a row for each metric."""
    facts = ("samples", "extractor", "num_samples", "reference")
    for extractor in dict.fromkeys(row["extractor"] for row in rows):
        mine = [row for row in rows if row["extractor"] == extractor]
        first = mine[0]
        reference = f"{first['reference']} split of {data}" if first["reference"] == "test" else data
        print_line(f"num_samples {first['num_samples']:,}, extractor {extractor}, reference: {reference}")
        names = [name for name in first if name not in facts and any(row[name] is not None for row in mine)]
        columns = {"": [METRICS[name].title for name in names]}
        for row in mine:
            title = "real images" if row["samples"] == FLOOR else row["samples"]
            columns[title] = [text.number(row[name]) for name in names]
        print_table({**columns, "better": [METRICS[name].arrow for name in names]})
