"""The answer of a results folder in sentences: who leads, by how much, how sure, at what cost."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.report.figures.style import data_title, device_name
from gan_zoo.statistics import MINIMUM_SEEDS, estimate

_MOST_CHANGES = 3


@dataclass(frozen=True)
class Answer:
    """What a results folder shows.

    Attributes:
        headline: who leads, and by how much.
        trust: what it cost, how many runs failed, and how far the headline can be trusted.
        notes: what else a reader has to know: changes of the leader, variants that are not ranked with the others.
        leader: the first entry of the ranking; None without one.
    """

    headline: str
    trust: str
    notes: tuple[str, ...]
    leader: Entry | None = None


def answer(results: Results) -> Answer:
    """The answer, from the ranking and its tests."""
    ranked = [entry for entry in results.entries if entry.kind == "ranked"]
    notes = (*leader_changes(results), *_apart(results), *_not_in_means(results), *_noisy(results))
    if not results.measured:
        return Answer("Nothing was measured, so there is no ranking: see the notices.", _trust(results), notes)
    if not ranked:
        return Answer(_without_ranking(results), _trust(results), notes)
    return Answer(_headline(results, ranked), _trust(results), notes, ranked[0])


def _without_ranking(results: Results) -> str:
    ended = results.trained[results.trained["status"] != "unfinished"]
    if ended.empty:
        return "No run has ended: there is no ranking yet."
    if (ended["status"] == "ok").any():
        return f"No successful run has a final {results.metric.title}: there is no ranking."
    counts = ended["status"].value_counts(sort=False)
    listed = text.listed([f"{number} {text.status(status)}" for status, number in counts.items()])
    return f"No run succeeded ({listed}): there is no ranking."


def _headline(results: Results, ranked: list[Entry]) -> str:
    leader, *others = ranked
    metric, data = results.metric, data_title(results.manifest)
    extreme = "lowest" if metric.better == "lower" else "highest"
    first = f"{leader.variant} has the {extreme} {metric.title} on {data}, {value_text(results, leader)}"
    if leader.mostly_failed:
        first += ", although more of its seeds failed than succeeded"
    if not others:
        return f"{first}; no other variant is ranked." if results.trained["variant"].nunique() > 1 else f"{first}."
    tested = [entry for entry in others if entry.letters]
    if not leader.similar or not tested:
        return f"{first}, before {others[0].variant} with {value_text(results, others[0])}; {_untested(ranked)}."
    return _compared(results, first, tested, [entry.variant for entry in others if not entry.letters])


def _compared(results: Results, first: str, tested: list[Entry], untested: list[str]) -> str:
    """The headline where the leader was tested against these others, in their order."""
    metric = results.metric
    gap = f"that of {tested[0].variant}, the next{' tested' if untested else ''}, {ratio_text(results, tested[0])}"
    similar = [entry.variant for entry in tested if entry.similar]
    different = [entry.variant for entry in tested if not entry.similar]
    left = f" Not tested: {text.listed(untested)}." if untested else ""
    if not different:
        return f"No significant winner: {first}; {gap}.{left}"
    if not similar:
        return f"{first}, significantly {metric.better} than all {'tested ' if untested else ''}others; {gap}.{left}"
    opposite = "higher" if metric.better == "lower" else "lower"
    verdict = (
        f"Not significantly different: {text.listed(similar)}; significantly {opposite}: {text.listed(different)}."
    )
    return f"{first}; {gap}. {verdict}{left}"


def value_text(results: Results, entry: Entry, title: str = "seeds: ") -> str:
    """The primary metric of an entry with its interval, or with its seeds, after a title, if they are few."""
    mean, spread = text.number(entry.value.mean), spread_text(results, entry)
    if not entry.has_interval and spread:
        return f"{mean} ({title}{spread})"
    return f"{mean} {spread}".strip()


def spread_text(results: Results, entry: Entry) -> str:
    """``[48.1, 75.8]``, or ``79.2, 84.5`` for seeds too few for an interval; empty for one seed."""
    if entry.has_interval:
        return text.interval(entry.value.low, entry.value.high)
    values = results.final_values(entry.variant)
    return ", ".join(map(text.number, values)) if len(values) > 1 else ""


def ratio_text(results: Results, entry: Entry) -> str:
    """How far an entry is from the best: ``is 1.31 [1.05, 1.63] times as high``, or a difference."""
    found = text.estimate(*entry.to_best)
    return f"is {found} times as high" if results.geometric else f"differs by {found}"


def _untested(ranked: list[Entry]) -> str:
    """Why the leader was not tested against the others."""
    seeds = sorted({entry.value.seeds for entry in ranked if entry.value.seeds < MINIMUM_SEEDS})
    if seeds:
        counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} or {seeds[-1]}"
        return f"{counts} {'seed' if seeds == [1] else 'seeds'}: no significance test"
    failing = [entry.variant for entry in ranked if entry.mostly_failed]
    if failing:
        return f"no significance test, as most seeds of {text.listed(failing)} failed"
    return "no significance test, as a value is not positive"


def _trust(results: Results) -> str:
    """Cost, failures, preset and seeds in one sentence."""
    manifest, runs = results.manifest, results.trained
    parts = []
    seconds = results.successful["seconds"].dropna()
    if len(seconds):
        least, most = text.duration(seconds.min()), text.duration(seconds.max())
        span = least if least == most else f"{least} to {most}"
        parts.append(f"a run trains {span} on the {device_name(results)}")
    ended = runs[runs["status"] != "unfinished"]
    failed = int((ended["status"] != "ok").sum())
    if len(ended):
        parts.append(f"{failed or 'none'} of {text.plural(len(ended), 'run')} failed")
    budget = [f"{text.count(amount)} {unit}" for unit, amount in manifest.get("budget", {}).items()]
    seeds = text.plural(len(manifest.get("seeds", [])), "seed")
    protocol = [f"preset {manifest['preset']}" if manifest.get("preset") else "", seeds, *budget]
    count = manifest.get("num_samples")
    protocol.append(f"num_samples {text.count(count)}" if count else "")
    sentence = f"{'; '.join([*parts, ', '.join(filter(None, protocol))])}."
    return sentence[0].upper() + sentence[1:]


def leader_changes(results: Results) -> Iterator[str]:
    """Which variant has the best mean at which evaluation, if it is not the same at all of them."""
    metric, extractor = results.metric, results.extractor
    values = results.metrics[(results.metrics["metric"] == metric.name) & (results.metrics["extractor"] == extractor)]
    ranked = [entry.variant for entry in results.entries if entry.kind == "ranked" and not entry.mostly_failed]
    successful = results.successful[["variant", "seed"]]
    values = values[values["variant"].isin(ranked)].merge(successful, on=["variant", "seed"])
    leaders: list[tuple[str, float]] = []
    for _, rows in values.groupby("fraction"):
        means = {str(name): _mean(mine, log=metric.log) for name, mine in rows.groupby("variant")}
        if means.keys() != set(ranked) or not all(map(math.isfinite, means.values())):
            continue
        leader = (min if metric.better == "lower" else max)(means, key=lambda name: means[name])
        if not leaders or leaders[-1][0] != leader:
            leaders.append((leader, float(rows["images"].astype(float).median())))
    if len(leaders) > _MOST_CHANGES:
        name, images = leaders[-1]
        since = f"{name} has it from {text.count(images)} {results.samples} on"
        yield f"The best mean changes {len(leaders) - 1} times; {since}."
    elif len(leaders) > 1:
        (first, _), *others = leaders
        changes = [f"{name} from {text.count(images)} {results.samples} on" for name, images in others]
        yield f"By the means, {first} leads at first, {text.listed(changes)}."


def _mean(rows: pd.DataFrame, *, log: bool) -> float:
    return estimate(rows["value"].tolist(), log=log).mean


def _apart(results: Results) -> Iterator[str]:
    for entry in results.entries:
        if entry.kind == "apart":
            seen = f"{text.number(entry.budget)} times the {results.samples} of the others"
            yield f"{entry.variant} was trained on {seen}, so it is not ranked with them."


def _not_in_means(results: Results) -> Iterator[str]:
    """Which seeds are in no mean."""
    entries = results.entries
    failed = [f"{entry.variant} ({text.share(entry.failures)})" for entry in entries if entry.failures.count]
    measured = [entry for entry in entries if entry.kind in ("ranked", "apart")]
    silent = {entry.variant: entry.successful - entry.value.seeds for entry in measured}
    groups = {
        "Failed seeds": failed,
        "Successful seeds whose value is not finite": [f"{name} ({count})" for name, count in silent.items() if count],
        "Unfinished seeds": [f"{entry.variant} ({entry.unfinished})" for entry in entries if entry.unfinished],
    }
    for title, names in groups.items():
        if names:
            yield f"{title}, not in the means: {text.listed(names)}."


def _noisy(results: Results) -> Iterator[str]:
    """Seeds of one variant that took very different times."""
    seconds = results.successful.groupby("variant", sort=False)["seconds"].agg(["min", "max"])
    noisy = seconds[seconds["max"] > 2 * seconds["min"]]
    if len(noisy):
        ranges = [f"{name} {text.number(row['min'])} to {text.number(row['max'])} s" for name, row in noisy.iterrows()]
        yield f"Timings are noisy: seeds of one variant took {text.listed(ranges)}."
