"""What the ranking and the planned comparisons show, in sentences; and the ranking as a table of text."""

from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.results import SIMILAR, Entry, Results
from gan_zoo.bench.tables import read_records
from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import MINIMUM_SEEDS

MAIN = (
    *("fid", "is", "kid", "precision", "recall", "coverage", "label_accuracy"),
    *("jsd", "modes_found", "high_quality", "d_gap"),
)
"""The metrics of the ranking table, in the order of its columns."""
DIRECTIONS = ("better", "worse")
VERDICTS = (*DIRECTIONS, "not significantly different")


def findings(results: Results) -> list[str]:
    """What the results show and what they do not, in sentences."""
    if not results.measured:
        found = ["Nothing was measured, so there is no ranking: see the notices."]
        return [*found, *_excluded(results.ranking), *comparison_findings(results)]
    ranked = [entry for entry in results.ranking if entry.kind == "ranked"]
    if not ranked:
        return ["No variant has a successful seed: there is no ranking.", *comparison_findings(results)]
    first, others = ranked[0], ranked[1:]
    best, metric = text.estimate(first.value.mean, first.value.low, first.value.high), results.metric
    among = " of the variants with at most half of their seeds failed" if any(e.mostly_failed for e in others) else ""
    lowest = "lowest" if metric.better == "lower" else "highest"
    found = [f"{first.variant} has the {lowest} final {metric.title}{among}, {best}."]
    if others and first.value.seeds >= MINIMUM_SEEDS:
        similar = text.listed([entry.variant for entry in others if entry.similar])
        found.append(
            f"Not significantly different from it, marked {SIMILAR}: {similar}."
            if similar
            else "All other variants are significantly different from it."
        )
    few = [entry.variant for entry in ranked if entry.value.seeds < MINIMUM_SEEDS]
    if few:
        whose = "no variant was tested" if len(few) == len(ranked) else f"not tested: {text.listed(few)}"
        found.append(f"Fewer than {MINIMUM_SEEDS} successful seeds: {whose}.")
    return [*found, *_excluded(results.ranking), *_unequal(results), *comparison_findings(results)]


def _excluded(entries: list[Entry]) -> list[str]:
    """Which seeds are in no mean."""
    failed = [f"{entry.variant} ({text.share(entry.failures)})" for entry in entries if entry.failures.count]
    silent = [
        f"{entry.variant} ({entry.successful - entry.value.seeds})"
        for entry in entries
        if entry.kind == "ranked" and entry.successful > entry.value.seeds
    ]
    unfinished = [f"{entry.variant} ({entry.unfinished})" for entry in entries if entry.unfinished]
    groups = {
        "Failed seeds": failed,
        "Successful seeds whose value is not finite": silent,
        "Unfinished seeds": unfinished,
    }
    return [f"{title}, not in the means: {text.listed(names)}." for title, names in groups.items() if names]


def equal_samples(results: Results) -> bool:
    """Whether all variants have seen about as many samples, which equal steps do not ensure."""
    seen = _seen(results)
    return seen.empty or seen.max() <= 1.5 * seen.min()


def _seen(results: Results) -> pd.Series:
    """Samples that a successful run of each variant has seen."""
    return results.successful.groupby("variant", sort=False)["images"].max().astype(float)


def _unequal(results: Results) -> list[str]:
    """Unequal numbers of samples seen, and noisy timings."""
    found = []
    if not equal_samples(results):
        seen = _seen(results)
        more = [f"{name} {text.count(count)}" for name, count in seen.items() if count > 1.5 * seen.min()]
        title = results.samples.capitalize()
        found.append(f"{title} seen are not equal: {text.listed(more)}; others about {text.count(seen.min())}.")
    seconds = results.successful.groupby("variant", sort=False)["seconds"].agg(["min", "max"])
    noisy = seconds[seconds["max"] > 2 * seconds["min"]]
    if len(noisy):
        ranges = [f"{name} {text.number(row['min'])} to {text.number(row['max'])} s" for name, row in noisy.iterrows()]
        found.append(f"Timings are noisy: seeds of one variant took {text.listed(ranges)}.")
    return found


def comparison_findings(results: Results) -> list[str]:
    """What the planned comparisons show, in sentences."""
    lines = results.planned
    tested = lines[lines["verdict"] != "too few seeds"]
    found = []
    if len(lines) > len(tested):
        left = text.plural(len(lines) - len(tested), "planned comparison")
        found.append(f"{left} not tested: fewer than {MINIMUM_SEEDS} successful seeds.")
    for baseline, mine in tested.groupby("baseline", sort=False):
        parts = [
            f"{verdict}: {text.listed(list(mine.loc[mine['verdict'] == verdict, 'variant']))}"
            for verdict in VERDICTS
            if (mine["verdict"] == verdict).any()
        ]
        found.append(f"Compared with {baseline}, {'; '.join(parts)}.")
    smallest = tested["detectable"].dropna()
    if len(smallest):
        low, high = text.number(smallest.min()), text.number(smallest.max())
        span = low if low == high else f"{low} to {high}"
        word = "ratio" if results.geometric else "difference"
        found.append(f"Minimum detectable {word} (80% power) of the planned comparisons: {span}.")
    return found


def ranking_table(folder: Path) -> pd.DataFrame:
    """The ranking of a results folder as text: one row per variant, in the order of the ranking.

    Columns: rank, variant, the primary metric (mean and 95% interval), the other measured metrics of ``MAIN`` (means),
    seeds, failures, minutes (of training, per seed).

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    results = read_records(folder)
    lines = results.lines(results.extractor)
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    rows = []
    for entry in results.ranking:
        row: dict[str, Any] = {"rank": entry.place, "variant": entry.label}
        row |= {results.metric.title: text.estimate(entry.value.mean, entry.value.low, entry.value.high)}
        for name in (name for name in MAIN if name in measured - {results.metric.name}):
            row[METRICS[name].title] = text.number(lines.get((entry.variant, name), {}).get("mean"))
        minutes = text.number(entry.seconds / 60) if entry.kind == "ranked" else text.NOTHING
        rows.append(row | {"seeds": str(entry.value.seeds), "failures": str(entry.failures.count), "minutes": minutes})
    return pd.DataFrame(rows)
