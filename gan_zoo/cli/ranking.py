"""A results folder's ranking on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from gan_zoo.bench.records import damages, read_manifest
from gan_zoo.bench.tables import own_extractor
from gan_zoo.cli.table import fitted
from gan_zoo.errors import GanZooError
from gan_zoo.pipeline import Outcome
from gan_zoo.report import ranking_table
from gan_zoo.report.style import data_title

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
"""The first columns of the ranking on a terminal; the others follow while they fit."""


def print_ranking(folder: Path, console: Console) -> None:
    """The ranking of a results folder, with the data set, N and budget that it is of."""
    manifest, frame = read_manifest(folder), ranking_table(folder)
    known = [("preset", "preset"), ("N =", "n"), ("", "device"), ("", "precision")]
    data_set = f"{data_title(manifest)} ({manifest['data']['name']})"
    facts = [data_set, *(f"{name} {manifest[key]}".strip() for name, key in known if manifest.get(key))]
    console.print(", ".join([*facts, own_extractor(manifest)]), highlight=False, markup=False, soft_wrap=True)
    frame = frame.rename(columns=SHORT)
    heads = [head for head in RANKING if head in frame.columns]
    heads += [head for head in frame.columns if head not in RANKING]
    console.print(fitted({head: frame[head].astype(str).tolist() for head in heads}, console.width))
    if frame["variant"].str.endswith("†").any():
        console.print("† departs from the article: see the report", highlight=False, soft_wrap=True)


def print_report(folder: Path, report: Path, console: Console) -> None:
    """The ranking of a results folder, what of its records is damaged, and where its report is."""
    for line in damages(folder):
        console.print(f"[bold yellow]NOTE[/] {escape(line)}", highlight=False, soft_wrap=True)
    print_ranking(folder, console)
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)


def print_outcome(outcome: Outcome, console: Console) -> None:
    """What a suite came to.

    Raises:
        GanZooError: a run ended in an error or timeout.
    """
    print_report(outcome.folder, outcome.report, console)
    if outcome.errors:
        raise GanZooError("\n".join(f"a run failed: {line}" for line in outcome.errors))
