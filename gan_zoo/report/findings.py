"""Who is ahead, by the run's leading measure under the data set's own extractor, and how far that can be believed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.summary import FLOOR, samples
from gan_zoo.bench.tables import Results, own_extractor, ranked_by, tables
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.report.comparisons import error_rate
from gan_zoo.report.style import samples_of
from gan_zoo.statistics import (
    GEOMETRIC,
    MINIMUM_SEEDS,
    Estimate,
    Proportion,
    failure_rate,
    is_failure,
    tied_with_best,
)

MAIN = ("fid", "is", "kid", "precision", "recall", "coverage", "label_accuracy",
        "jsd", "modes_found", "high_quality", "d_gap")  # the columns of the ranking  # fmt: skip
TIED = "="
"""Stands behind the rank of a variant that is tied with the best."""


@dataclass(frozen=True)
class Entry:
    """One row of the ranking; ``rank`` is None for the floor and for a variant without a surviving seed."""

    kind: Literal["ranked", "floor", "unranked"]
    rank: int | None
    variant: str
    title: str
    value: Estimate  # of the measure that ranks
    seeds: int  # that have a value
    survivors: int  # that trained to the end
    failures: Proportion  # of the seeds that ended
    tied: bool  # with the best: no difference from it was shown
    unfinished: int
    seconds: float  # of training, the mean over surviving seeds
    reason: str  # why it has no rank
    departures: str

    @property
    def label(self) -> str:
        """The variant's name, marked with a dagger where it departs from the article."""
        return f"{self.variant}†" if self.departures else self.variant

    @property
    def failing(self) -> bool:
        """Whether more than half of its seeds failed."""
        return self.kind == "ranked" and self.failures.share > 0.5

    @property
    def place(self) -> str:
        """The rank as tables show it: ``2=`` where the variant is tied with the best."""
        return f"{self.rank or ''}{TIED if self.tied and self.rank != 1 else ''}"


def rank(results: Results) -> list[Entry]:
    """Ranked variants, the best first, then the floor, then the variants that have no rank.

    Variants are ordered by the mean over surviving seeds; those of which more than half of the seeds failed come after
    all others, however good their survivors are.
    """
    own, sign = own_extractor(results.manifest), 1 if leading(results).better == "lower" else -1
    tied = _tied(results, own)
    entries = [_entry(results, variant, own, variant in tied) for variant in results.runs["variant"].unique()]
    order = {"ranked": 0, "floor": 1, "unranked": 2}
    entries.sort(key=lambda entry: (
        order[entry.kind], entry.failing, sign * entry.value.mean if entry.kind == "ranked" else 0.0,
    ))  # fmt: skip
    return [
        Entry(**(vars(entry) | {"rank": place if entry.kind == "ranked" else None}))
        for place, entry in enumerate(entries, start=1)
    ]


def leading(results: Results) -> Metric:
    """The measure that ranks."""
    return METRICS[ranked_by(results.manifest)]


def nothing_measured(results: Results) -> bool:
    """Whether the run had nothing to measure with; its notices say why."""
    return not results.manifest.get("extractors")


def findings(results: Results, entries: list[Entry]) -> list[str]:
    """What the ranking shows and what it does not, in sentences."""
    if nothing_measured(results):
        return [
            "Nothing was measured, so there is no ranking: the notices say why. Judge by the samples.",
            *_apart(entries),
        ]
    ranked = [entry for entry in entries if entry.kind == "ranked"]
    if not ranked:
        return ["No variant has a surviving seed: there is nothing to rank."]
    first, others = ranked[0], ranked[1:]
    best, metric = text.estimate(first.value.mean, first.value.low, first.value.high), leading(results)
    among = " of the variants of which no more than half failed" if any(entry.failing for entry in others) else ""
    lowest = "lowest" if metric.better == "lower" else "highest"
    found = [f"{first.variant} has the {lowest} final {metric.title}{among}, {best}."]
    few = [entry.variant for entry in ranked if entry.seeds < MINIMUM_SEEDS]
    if others and first.seeds >= MINIMUM_SEEDS:
        found.append(_ties(others, error_rate(results)))
    if few:
        whose = "any variant" if len(few) == len(ranked) else text.listed(few)
        found.append(f"With fewer than {MINIMUM_SEEDS} surviving seeds no significance can be claimed of {whose}: read "
                     "the order as a hint.")  # fmt: skip
    return found + _apart(entries) + unequal(results)


def _ties(others: list[Entry], bar: float) -> str:
    """Who is tied with the best, in a sentence."""
    tied = [entry.variant for entry in others if entry.tied]
    by = f"(all pairs, Games-Howell, {bar:.1%} for the whole ranking)"
    if not tied:
        return f"No other variant is tied with it {by}."
    are = "is tied with the best" if len(tied) == 1 else "are tied with the best"
    names = text.listed(tied)
    return f"{names} {are}, marked {TIED}: no difference was shown {by}, which does not prove that there is none."


def _tied(results: Results, own: str) -> set[str]:
    """The variants that are tied with the best, by the leading measure."""
    metric = leading(results)
    found = samples(results.runs, f"final_{metric.name}_{own}")
    return tied_with_best(found, log=metric.name in GEOMETRIC, lower_is_better=metric.better == "lower")


def _survivors(results: Results) -> pd.DataFrame:
    return results.runs[(results.runs["variant"] != FLOOR) & (results.runs["status"] == "ok")]


def _seen(results: Results) -> pd.Series:
    """Samples that a surviving run of each variant has seen."""
    return _survivors(results).groupby("variant", sort=False)["images"].max().astype(float)


def equal_samples(results: Results) -> bool:
    """Whether all variants have seen about as many samples, which an equal number of rounds does not ensure."""
    seen = _seen(results)
    return seen.empty or seen.max() <= 1.5 * seen.min()


def unequal(results: Results) -> list[str]:
    """What a reader of curves and times must know: samples seen that differ, and seconds that are not clean."""
    trained, seen, found = _survivors(results), _seen(results), []
    if not equal_samples(results):
        more = [f"{name} {text.count(count)}" for name, count in seen.items() if count > 1.5 * seen.min()]
        found.append(f"{samples_of(results.manifest).capitalize()} seen are not equal: {text.listed(more)}, the others "
                     f"{text.count(seen.min())} or little more.")  # fmt: skip
    seconds = trained.groupby("variant", sort=False)["seconds"].agg(["min", "max"])
    noisy = seconds[seconds["max"] > 2 * seconds["min"]]
    if len(noisy):
        ranges = [f"{name} {text.number(row['min'])} to {text.number(row['max'])} s" for name, row in noisy.iterrows()]
        found.append(f"Seconds are not clean, as seeds of one variant took more than twice as long as others: "
                     f"{text.listed(ranges)}. Read times, and what is cheap, with that in mind.")  # fmt: skip
    return found


def _apart(entries: list[Entry]) -> list[str]:
    """Which seeds are in no mean."""
    found = []
    failed = [f"{entry.variant} ({text.share(entry.failures)})" for entry in entries if entry.failures.count]
    if failed:
        found.append(f"Failed seeds are in no mean, and are counted: {text.listed(failed)}. A variant of which more "
                     "than half failed is ranked after all others.")  # fmt: skip
    silent = [f"{entry.variant} ({entry.survivors - entry.seeds})" for entry in entries
              if entry.kind == "ranked" and entry.survivors > entry.seeds]  # fmt: skip
    if silent:
        found.append(f"Seeds that survived but whose value was not finite are in no mean: {text.listed(silent)}.")
    waiting = [f"{entry.variant} ({entry.unfinished})" for entry in entries if entry.unfinished]
    if waiting:
        found.append(f"Seeds that are unfinished are in no mean yet: {text.listed(waiting)}.")
    return found


def ranking_table(folder: Path) -> pd.DataFrame:
    """The ranking of a results folder as text, ready to print: one row a variant, in the order of ``rank``.

    Columns: rank, variant, the measure that ranks (mean and 95% interval), the other main metrics that were measured
    (means), seeds, failures, minutes (of training, a seed).

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    results = Results(**tables(folder), manifest=read_manifest(folder))
    own, metric = own_extractor(results.manifest), leading(results)
    lines, rows = summary_lines(results, own), []
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    for entry in rank(results):
        row: dict[str, Any] = {"rank": entry.place, "variant": entry.label}
        row |= {metric.title: text.estimate(entry.value.mean, entry.value.low, entry.value.high)}
        for name in (name for name in MAIN if name in measured - {metric.name}):
            row[METRICS[name].title] = text.number(lines.get((entry.variant, name), {}).get("mean"))
        minutes = text.number(entry.seconds / 60) if entry.kind == "ranked" else text.NOTHING
        rows.append(row | {"seeds": str(entry.seeds), "failures": str(entry.failures.count), "minutes": minutes})
    return pd.DataFrame(rows)


def summary_lines(results: Results, extractor: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The summary's rows under one extractor, by variant and metric."""
    lines = results.summary[results.summary["extractor"] == extractor].to_dict("records")
    return {(line["variant"], line["metric"]): {str(key): value for key, value in line.items()} for line in lines}


def _entry(results: Results, variant: str, own: str, tied: bool) -> Entry:
    runs = results.runs[results.runs["variant"] == variant]
    line = summary_lines(results, own)[variant, ranked_by(results.manifest)]
    value = Estimate(line["mean"], line["low"], line["high"], int(line["seeds"]), line["method"])
    kind: Literal["ranked", "floor", "unranked"] = "ranked" if value.seeds else "unranked"
    survivors = runs[runs["status"] == "ok"]
    return Entry(
        kind="floor" if variant == FLOOR else kind, rank=None, variant=variant, title=runs["title"].iloc[0],
        value=value, seeds=value.seeds, survivors=len(survivors), tied=tied,
        failures=failure_rate(int(line["failures"]), int(line["runs"])), unfinished=int(line["unfinished"]),
        seconds=float(survivors["seconds"].mean()), reason="" if value.seeds else _reason(results, runs),
        departures=line["departures"],
    )  # fmt: skip


def _reason(results: Results, runs: pd.DataFrame) -> str:
    """Why a variant has no rank: ``2 of 3 seeds diverged, 1 unfinished``."""
    if (runs["status"] == "ok").any():
        if nothing_measured(results):
            return "nothing was measured"
        return f"its {leading(results).title} was not measured at the end"
    seeds = text.plural(len(runs), "seed")
    counts = runs["status"].value_counts(sort=False)
    parts = [f"{number} {str(status).replace('_', ' ')}" for status, number in counts.items()]
    failed = " (no surviving seed)" if runs["status"].map(is_failure).any() else ""
    return f"{seeds}: {', '.join(parts)}{failed}"
