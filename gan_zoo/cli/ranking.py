"""A results folder on the terminal: the ranking of a comparison, or the metrics of a single training run."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from gan_zoo import text
from gan_zoo.bench.records import damages, read_manifest
from gan_zoo.bench.results import SIMILAR, default_extractor
from gan_zoo.bench.tables import read_records
from gan_zoo.cli.table import fitted
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import data_title
from gan_zoo.report.findings import ranking_table
from gan_zoo.statistics import MINIMUM_SEEDS

if TYPE_CHECKING:
    from gan_zoo.api import Outcome

SHORT = {
    "FID": "FID [95%]",
    "JSD": "JSD [95%]",
    "Modes found": "modes",
    "High quality": "high q.",
    "Inception Score": "IS",
    "Precision": "prec.",
    "Recall": "rec.",
    "Coverage": "cov.",
    "Label accuracy": "label acc.",
    "failures": "failed",
}
RANKING = ("rank", "variant", "FID [95%]", "JSD [95%]", "modes", "KID", "label acc.", "seeds", "failed")
"""The first columns of the ranking on a terminal; the others follow as far as they fit."""


def print_ranking(folder: Path, console: Console) -> None:
    """The ranking of a results folder, with the data set, the preset and what measured it."""
    manifest, frame = read_manifest(folder), ranking_table(folder)
    known = [("preset", "preset"), ("num_samples", "num_samples"), ("", "device"), ("", "precision")]
    facts = [data_title(manifest), *(f"{name} {manifest[key]}".strip() for name, key in known if manifest.get(key))]
    console.print(", ".join([*facts, default_extractor(manifest)]), highlight=False, markup=False, soft_wrap=True)
    frame = frame.rename(columns=SHORT)
    heads = [head for head in RANKING if head in frame.columns]
    heads += [head for head in frame.columns if head not in RANKING]
    console.print(fitted({head: frame[head].astype(str).tolist() for head in heads}, console.width))
    if frame["rank"].str.endswith(SIMILAR).any():
        console.print(f"{SIMILAR} not significantly different from the best", highlight=False, soft_wrap=True)
    if frame["variant"].str.endswith("†").any():
        console.print("† with overrides of the preset, which the report lists", highlight=False, soft_wrap=True)
    if len(manifest["seeds"]) < MINIMUM_SEEDS:
        seeds = text.plural(len(manifest["seeds"]), "seed")
        console.print(f"{seeds}: no significance test", highlight=False, soft_wrap=True)


def print_run(folder: Path, console: Console) -> None:
    """Status, length and final metrics of a single training run, and those of real images."""
    results = read_records(folder)
    default, runs, metrics = results.extractor, results.runs, results.metrics
    for run in runs[runs["variant"] != FLOOR].to_dict("records"):
        why = f" ({run['message']})" if run["message"] else ""
        facts = f"{text.count(run['steps'])} steps, {text.count(run['images'])} {results.samples}"
        line = f"{run['variant']}: {run['status']}{why}, {facts} in {text.number(run['seconds'])} s of training"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    final = metrics[(metrics["fraction"] >= 1) & (metrics["extractor"] == default)]
    if final.empty:
        return
    heading = f"{default}, {final['num_samples'].iloc[0]:,} samples"
    columns = {heading: [METRICS[name].title for name in final["metric"].unique()]}
    for variant in reversed(final["variant"].unique()):
        values = final[final["variant"] == variant].set_index("metric")["value"]
        head = "real images" if variant == FLOOR else variant
        columns[head] = [text.number(values.get(name)) for name in final["metric"].unique()]
    columns["better"] = [METRICS[name].arrow for name in final["metric"].unique()]
    console.print(fitted(columns, console.width))


def print_report(folder: Path, report: Path, console: Console) -> None:
    """The ranking of a results folder, its damaged records, and the path of its report."""
    for line in damages(folder):
        console.print(f"[bold yellow]note:[/] {escape(line)}", highlight=False, soft_wrap=True)
    if read_manifest(folder).get("single"):
        print_run(folder, console)
    else:
        print_ranking(folder, console)
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)


def print_outcome(outcome: "Outcome", console: Console) -> None:
    """The result of a suite.

    Raises:
        GanZooError: a run ended in an error or timeout.
    """
    print_report(outcome.folder, outcome.report, console)
    if outcome.errors:
        raise GanZooError("\n".join(f"a run failed: {line}" for line in outcome.errors))
