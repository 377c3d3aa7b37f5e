"""The tables of a results folder, and the ranking of its variants: computed once, for report, compare and terminal."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.summary import samples, scale_of, untrained
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.options import FLOOR
from gan_zoo.statistics import (
    MINIMUM_SEEDS,
    AllPairs,
    Estimate,
    Proportion,
    Sample,
    all_pairs,
    failure_rate,
    shared_alpha,
)

_UNKNOWN = (math.nan, math.nan, math.nan)
SIMILAR = "="
"""Follows the rank of a variant that is not significantly different from the best."""


Kind = Literal["ranked", "apart", "images", "floor", "unranked"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNEQUAL = 1.5
"""A variant trained on so many times the samples of the others is not ranked with them."""


@dataclass(frozen=True, repr=False)
class Results:
    """A results folder as pandas tables, and its manifest.

    ``runs`` has one row per run, ``history`` one per recorded interval of steps, ``metrics`` one per measured value,
    ``summary`` one per variant, metric and extractor, ``contrasts`` one per planned comparison and extractor.
    ``records`` are those that the tables are made from.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    metrics: pd.DataFrame
    summary: pd.DataFrame
    contrasts: pd.DataFrame
    manifest: dict[str, Any]
    records: Sequence[RunRecord] = ()

    @property
    def metric(self) -> Metric:
        """The primary metric: variants are ranked by it."""
        return METRICS[ranked_by(self.manifest)]

    @property
    def geometric(self) -> bool:
        """Whether the mean of the primary metric over seeds is geometric."""
        return self.metric.log

    @property
    def extractor(self) -> str:
        """The default extractor of the data set: variants are ranked by its values."""
        return default_extractor(self.manifest)

    @property
    def measured(self) -> bool:
        """Whether anything was measured; the notices of the manifest say why not."""
        return bool(self.manifest.get("extractors"))

    @property
    def samples(self) -> str:
        """What the samples are: ``images`` or ``points``."""
        return str(self.manifest["data"].get("kind", "images"))

    @property
    def successful(self) -> pd.DataFrame:
        """The runs of trained variants that succeeded."""
        return self.trained[self.trained["status"] == "ok"]

    @property
    def foreign(self) -> set[str]:
        """The names of images that were made elsewhere."""
        return set(self.manifest.get("images", {}))

    @property
    def untrained(self) -> set[str]:
        """The names that are not of trained variants: real images, and those that were made elsewhere."""
        return untrained(self.manifest)

    @property
    def trained(self) -> pd.DataFrame:
        """The runs of trained variants."""
        return self.runs[~self.runs["variant"].isin(self.untrained)]

    @property
    def planned(self) -> pd.DataFrame:
        """The planned comparisons by the primary metric under the default extractor."""
        mine = (self.contrasts["metric"] == self.metric.name) & (self.contrasts["extractor"] == self.extractor)
        return self.contrasts[mine].reset_index(drop=True)

    @property
    def alpha(self) -> float:
        """Family-wise error rate of the planned comparisons, and that of the ranking."""
        return shared_alpha(self.trained["variant"].nunique())

    @cached_property
    def entries(self) -> "list[Entry]":
        """The variants in the order of `rank`."""
        return rank({"": self})

    def ranking(self) -> pd.DataFrame:
        """The variants from the best: the primary metric at the end with its 95% interval, and the failures.

        ``tied`` marks the best and those that are not significantly different from it, if it has the three seeds that
        a test needs; variants with fewer are not marked. Real images and variants without a successful seed have no
        rank.
        """
        rows = [
            {
                "rank": entry.rank,
                "variant": entry.variant,
                self.metric.name: entry.value.mean,
                "low": entry.value.low,
                "high": entry.value.high,
                "tied": entry.similar,
                "seeds": entry.value.seeds,
                "failures": entry.failures.count,
                "seconds": entry.seconds,
            }
            for entry in self.entries
        ]
        return pd.DataFrame(rows).astype({"rank": "Int64"}) if rows else pd.DataFrame()

    def __repr__(self) -> str:
        return f"Results({self._title})\n{self.ranking().to_string(index=False, float_format=text.number)}"

    def _repr_html_(self) -> str:
        """The ranking for a notebook."""
        table = self.ranking().to_html(index=False, float_format=text.number, na_rep="", border=0)
        return f"<p>{html.escape(self._title)}</p>{table}"

    @property
    def _title(self) -> str:
        runs = self.runs[self.runs["variant"] != FLOOR]
        return (
            f"{self.manifest['data']['name']}, {text.plural(len(runs), 'run')}, {self.metric.title}, {self.extractor}"
        )

    def final_values(self, variant: str) -> tuple[float, ...]:
        """The final values of the primary metric of a variant's successful seeds under the default extractor."""
        column = f"final_{self.metric.name}_{self.extractor}"
        mine = self.runs[(self.runs["variant"] == variant) & (self.runs["status"] == "ok")]
        return tuple(mine[column].dropna()) if column in mine else ()

    def final_samples(self) -> dict[str, Sample]:
        """The final values of the primary metric under the default extractor, by variant."""
        return samples(self.runs, f"final_{self.metric.name}_{self.extractor}", self.manifest)

    def lines(self, extractor: str) -> dict[tuple[str, str], dict[str, Any]]:
        """The rows of the summary under one extractor, by variant and metric."""
        lines = self.summary[self.summary["extractor"] == extractor].to_dict("records")
        return {(line["variant"], line["metric"]): {str(key): value for key, value in line.items()} for line in lines}


@dataclass(frozen=True)
class Entry:
    """One row of the ranking.

    Attributes:
        kind: ``ranked``, ``apart`` (trained on another number of samples, so in no ranking with the others), ``images``
            (made elsewhere), ``floor`` (real images), or ``unranked`` (no successful seed).
        rank: None unless ``kind`` is ``ranked``.
        budget: the samples that it was trained on, relative to the others.
        folder: the label of its results folder; empty if only one is ranked.
        value: the primary metric at the end of the budget, over the successful seeds that have a value.
        successful: seeds that trained to the end.
        failures: failed seeds of those that ended.
        similar: whether it was tested, and is the best or not significantly different from it.
        letters: two variants without a common letter are significantly different; empty if it was not tested.
        to_best: ratio to the best variant (difference, if the mean is not geometric) with its simultaneous interval;
            unknown if it was not tested.
        seconds: training time, mean over the successful seeds.
        reason: why it has no rank.
    """

    kind: Kind
    rank: int | None
    budget: float
    variant: str
    folder: str
    value: Estimate
    successful: int
    failures: Proportion
    similar: bool
    letters: str
    to_best: tuple[float, float, float]
    unfinished: int
    seconds: float
    reason: str
    overrides: str

    @property
    def label(self) -> str:
        """The variant's name, with a dagger if its settings are overridden."""
        return f"{self.variant}†" if self.overrides else self.variant

    @property
    def has_interval(self) -> bool:
        """Whether it has the seeds that an interval needs, as a test does."""
        return self.value.seeds >= MINIMUM_SEEDS and text.known(self.value.low)

    @property
    def mostly_failed(self) -> bool:
        """Whether more seeds failed than have a value."""
        return self.kind == "ranked" and self.failures.count > self.value.seeds

    @property
    def place(self) -> str:
        """The rank in tables: ``2=`` if the variant is not significantly different from the best."""
        return f"{self.rank or ''}{SIMILAR if self.similar and self.rank != 1 else ''}"


def rank(folders: Mapping[str, Results]) -> list[Entry]:
    """The variants of results folders, given by label, in the order of ``KINDS``, and within a kind from the best.

    Variants are ordered by the mean over the successful seeds; those with more failed seeds than values come after all
    others. None is ``similar`` if the first has too few seeds for a test. Those that are ``apart`` are not tested.
    """
    metric = next(iter(folders.values())).metric
    budgets = {label: _budgets(results) for label, results in folders.items()}
    compared = {
        (label, variant): sample
        for label, results in folders.items()
        for variant, sample in results.final_samples().items()
        if not _is_apart(budgets[label].get(variant, 1.0))
    }
    trained = sum(results.trained["variant"].nunique() for results in folders.values())
    tests = all_pairs(compared, **scale_of(metric.name), alpha=shared_alpha(trained))
    entries = [
        _entry(results, variant, label, tests, budgets[label].get(variant, 1.0))
        for label, results in folders.items()
        for variant in results.runs["variant"].unique()
    ]
    sign = 1 if metric.better == "lower" else -1
    entries.sort(
        key=lambda entry: (
            KINDS.index(entry.kind),
            entry.mostly_failed,
            sign * entry.value.mean if entry.value.seeds else 0.0,
        )
    )
    # Without a test of the first, or where a value without a logarithm left no ratios, nothing is said of the first.
    if entries and ((entries[0].folder, entries[0].variant) != tests.best or tests.log != metric.log):
        entries = [replace(entry, similar=False, to_best=_UNKNOWN) for entry in entries]
    return [
        replace(entry, rank=place if entry.kind == "ranked" else None) for place, entry in enumerate(entries, start=1)
    ]


def _budgets(results: Results) -> dict[str, float]:
    """The samples that each variant was trained on, relative to the amount that most variants have about equally."""
    seen = results.successful.groupby("variant")["images"].max().astype(float)
    seen = seen[seen > 0].sort_values()
    if seen.empty:
        return {}
    usual = max(seen, key=lambda amount: sum(not _is_apart(other / amount) for other in seen))
    return {str(name): amount / usual for name, amount in seen.items()}


def _is_apart(budget: float) -> bool:
    return not 1 / UNEQUAL <= budget <= UNEQUAL


def _entry(results: Results, variant: str, folder: str, tests: AllPairs[tuple[str, str]], budget: float) -> Entry:
    runs = results.runs[results.runs["variant"] == variant]
    line = results.lines(results.extractor)[variant, results.metric.name]
    value = Estimate(line["mean"], line["low"], line["high"], int(line["seeds"]), line["method"])
    successful = runs[runs["status"] == "ok"]
    kind: Kind = "unranked"
    if variant in results.untrained:
        kind = "floor" if variant == FLOOR else "images"
    elif value.seeds:
        kind = "apart" if _is_apart(budget) else "ranked"
    return Entry(
        kind=kind,
        rank=None,
        budget=budget,
        variant=variant,
        folder=folder,
        value=value,
        successful=len(successful),
        failures=failure_rate(int(line["failures"]), int(line["runs"])),
        similar=tests.similar((folder, variant)),
        letters=tests.letters.get((folder, variant), ""),
        to_best=tests.to_best.get((folder, variant), _UNKNOWN),
        unfinished=int(line["unfinished"]),
        seconds=float(successful["seconds"].mean()),
        reason="" if value.seeds else _reason(results, runs),
        overrides=line["overrides"],
    )


def _reason(results: Results, runs: pd.DataFrame) -> str:
    """Why a variant has no rank: ``3 seeds: 2 diverged, 1 unfinished``."""
    if (runs["status"] == "ok").any():
        return f"its {results.metric.title} was not measured at the end" if results.measured else "nothing was measured"
    counts = runs["status"].value_counts(sort=False)
    parts = [f"{number} {text.status(status)}" for status, number in counts.items()]
    return f"{text.plural(len(runs), 'seed')}: {', '.join(parts)}"


def default_extractor(manifest: Mapping[str, Any]) -> str:
    """The default extractor of the data set, by whose values variants are ranked: the first but ``inception``."""
    names = list(manifest.get("extractors", {}))
    return min(names, key=lambda name: name == "inception", default="")


def ranked_by(manifest: Mapping[str, Any]) -> str:
    """The metric by which variants are ranked and the best evaluation is selected."""
    return str(manifest.get("ranked_by", "fid"))
