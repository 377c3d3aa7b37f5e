"""Who is ahead, by the final FID under the data set's own extractor, and how far that can be believed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.statistics import Estimate, is_failure, overlap
from gan_zoo.bench.tables import FLOOR, Results, own_extractor, tables
from gan_zoo.metric_catalogue import METRICS
from gan_zoo.report import text

MAIN = ("fid", "is", "kid", "precision", "recall", "coverage", "label_accuracy")  # the columns of the ranking
SIGNIFICANT = 3  # fewer seeds than this say nothing about a difference


@dataclass(frozen=True)
class Entry:
    """One row of the ranking; ``rank`` is None for the floor and for a variant without a surviving seed."""

    kind: Literal["ranked", "floor", "unranked"]
    rank: int | None
    variant: str
    title: str
    fid: Estimate
    seeds: int
    failures: int
    unfinished: int
    seconds: float  # of training, the mean over surviving seeds
    reason: str  # why it has no rank
    departures: str

    @property
    def label(self) -> str:
        """The variant's name, marked with a dagger where it departs from the article."""
        return f"{self.variant}†" if self.departures else self.variant


def rank(results: Results) -> list[Entry]:
    """Ranked variants by rising FID, then the floor, then the variants that have no rank."""
    own = own_extractor(results.manifest)
    entries = [_entry(results, variant, own) for variant in results.runs["variant"].unique()]
    order = {"ranked": 0, "floor": 1, "unranked": 2}
    entries.sort(key=lambda entry: (order[entry.kind], entry.fid.mean if entry.kind == "ranked" else 0.0))
    return [
        Entry(**(vars(entry) | {"rank": place if entry.kind == "ranked" else None}))
        for place, entry in enumerate(entries, start=1)
    ]


def findings(entries: list[Entry]) -> list[str]:
    """What the ranking shows and what it does not, in sentences."""
    ranked = [entry for entry in entries if entry.kind == "ranked"]
    if not ranked:
        return ["No variant has a surviving seed: there is nothing to rank."]
    first, others = ranked[0], ranked[1:]
    lowest = text.estimate(first.fid.mean, first.fid.low, first.fid.high)
    found = [f"{first.variant} has the lowest final FID, {lowest}."]
    level = [entry.variant for entry in others if min(first.seeds, entry.seeds) > 1 and overlap(first.fid, entry.fid)]
    if level:
        found.append(f"Its 95% interval overlaps with {'that' if len(level) == 1 else 'those'} of "
                     f"{text.listed(level)}: overlapping intervals do not prove a difference.")  # fmt: skip
    fewest = min(entry.seeds for entry in ranked)
    if fewest < SIGNIFICANT:
        found.append(f"With fewer than {SIGNIFICANT} surviving seeds (here {fewest}) no significance can be claimed: "
                     "read the order as a hint.")  # fmt: skip
    failed = [f"{entry.variant} ({entry.failures})" for entry in entries if entry.failures]
    if failed:
        found.append(f"Failed seeds are counted apart and are in no mean: {text.listed(failed)}.")
    waiting = [f"{entry.variant} ({entry.unfinished})" for entry in entries if entry.unfinished]
    if waiting:
        found.append(f"Seeds that are unfinished are in no mean yet: {text.listed(waiting)}.")
    return found


def ranking_table(folder: Path) -> pd.DataFrame:
    """The ranking of a results folder as text, ready to print: one row a variant, in the order of ``rank``.

    Columns: rank, variant, FID (mean and 95% interval), the other main metrics that were measured (means), seeds,
    failures, minutes (of training, a seed).

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    results = Results(**tables(folder), manifest=read_manifest(folder))
    own = own_extractor(results.manifest)
    lines, rows = summary_lines(results, own), []
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    for entry in rank(results):
        row: dict[str, Any] = {"rank": str(entry.rank or ""), "variant": entry.label}
        row |= {METRICS["fid"].title: text.estimate(entry.fid.mean, entry.fid.low, entry.fid.high)}
        for name in (name for name in MAIN if name in measured - {"fid"}):
            row[METRICS[name].title] = text.number(lines.get((entry.variant, name), {}).get("mean"))
        minutes = text.number(entry.seconds / 60) if entry.kind == "ranked" else text.NOTHING
        rows.append(row | {"seeds": str(entry.seeds), "failures": str(entry.failures), "minutes": minutes})
    return pd.DataFrame(rows)


def summary_lines(results: Results, extractor: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The summary's rows under one extractor, by variant and metric."""
    lines = results.summary[results.summary["extractor"] == extractor].to_dict("records")
    return {(line["variant"], line["metric"]): {str(key): value for key, value in line.items()} for line in lines}


def _entry(results: Results, variant: str, own: str) -> Entry:
    runs = results.runs[results.runs["variant"] == variant]
    line = summary_lines(results, own)[variant, "fid"]
    fid = Estimate(line["mean"], line["low"], line["high"], int(line["seeds"]), line["method"])
    kind: Literal["ranked", "floor", "unranked"] = "ranked" if fid.seeds else "unranked"
    survivors = runs[runs["status"] == "ok"]
    return Entry(
        kind="floor" if variant == FLOOR else kind, rank=None, variant=variant, title=runs["title"].iloc[0], fid=fid,
        seeds=len(survivors), failures=int(line["failures"]), unfinished=int(line["unfinished"]),
        seconds=float(survivors["seconds"].mean()), reason="" if fid.seeds else _reason(runs),
        departures=line["departures"],
    )  # fmt: skip


def _reason(runs: pd.DataFrame) -> str:
    """Why a variant has no rank: ``2 of 3 seeds diverged, 1 unfinished``."""
    if (runs["status"] == "ok").any():
        return "its FID was not measured at the end"
    seeds = text.plural(len(runs), "seed")
    counts = runs["status"].value_counts(sort=False)
    parts = [f"{number} {str(status).replace('_', ' ')}" for status, number in counts.items()]
    failed = " (no surviving seed)" if runs["status"].map(is_failure).any() else ""
    return f"{seeds}: {', '.join(parts)}{failed}"
