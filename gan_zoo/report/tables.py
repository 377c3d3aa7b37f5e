"""The tables of a report, as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.io import csv_text
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.answer import value_text
from gan_zoo.report.figures.style import data_title, floor_title
from gan_zoo.report.settings import Setting
from gan_zoo.statistics import MINIMUM_SEEDS

_TEXT = (
    *("variant", "comparison", "verdict", "status", "message", "theirs", "metric", "range", "meaning", "limitations"),
    *("setting", "variants", "paper", "default", "this run", "title", "loss", "latent", "labels"),
)
"""The heads of columns of text; the others are numbers."""
CUT = "*"
"""Marks the end of an interval that is cut at a bound of the metric."""
PLACED = ("ranked", "apart")
"""The kinds of entries that were trained and measured."""
FORMATS = ("latex", "markdown", "csv")
"""The formats of `ranking_as`."""
Cell = str | tuple[str, str]
"""Text, or a value and its interval."""


@dataclass(frozen=True)
class Table:
    """A table of text; a row is its CSS classes and its cells, ``variants`` the variant of each row, if it has one."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    variants: Sequence[str] = ()

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[Cell]], classes: Iterable[str] = ()) -> "Table":
        """The table with these columns by head; its rows have no CSS classes unless given."""
        rows = list(zip(*columns.values(), strict=True))
        return cls(list(columns), list(zip(classes or [""] * len(rows), rows, strict=True)))

    @property
    def lines(self) -> list[list[str]]:
        """The cells of each row as text."""
        return [[cell if isinstance(cell, str) else " ".join(cell).strip() for cell in cells] for _, cells in self.rows]

    def markdown(self) -> str:
        """The table in Markdown."""
        return text.markdown_table(self.heads, self.lines, _TEXT)

    def latex(self) -> str:
        """The table as a tabular of LaTeX with the rules of the package booktabs."""
        sides = "".join("l" if head in _TEXT else "r" for head in self.heads)
        heads, *rows = (" & ".join(map(text.latex, line)) + r" \\" for line in (self.heads, *self.lines))
        body = [r"\toprule", heads, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join([rf"\begin{{tabular}}{{{sides}}}", *body, r"\end{tabular}"])


def main_metrics() -> list[str]:
    """The metrics of the ranking table, in the order of its columns."""
    return [name for name, metric in METRICS.items() if metric.in_ranking]


def estimate(line: Mapping[Any, Any], value: str = "mean", prefix: str = "") -> Cell:
    """A value of a row of a table with its interval, in the columns ``{prefix}low`` and ``{prefix}high``."""
    return text.number(line.get(value)), text.interval(line.get(f"{prefix}low"), line.get(f"{prefix}high"))


def metric_table(
    results: Results, extractor: str, names: Iterable[str], labels: Mapping[str, str], *, ranks: bool = False
) -> Table:
    """Final values under one extractor: a column per measured metric, a row per variant; with rank and time.

    With fewer seeds than a test needs the seeds themselves are in place of an interval.
    """
    lines, entries = results.lines(extractor), results.entries
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    columns: dict[str, list[Cell]] = {"rank": [entry.place for entry in entries]} if ranks else {}
    columns["variant"] = [(labels.get(entry.variant, entry.variant), note(results, entry)) for entry in entries]
    for name in sorted(names, key=lambda name: name != results.metric.name):
        if name in measured:
            values = [_final(results, lines.get((entry.variant, name), {}), name, extractor) for entry in entries]
            columns[f"{METRICS[name].title} {METRICS[name].arrow}"] = values
    columns["seeds"] = [text.NOTHING if entry.kind == "images" else str(entry.value.seeds) for entry in entries]
    columns["failures"] = [
        text.NOTHING
        if entry.kind in ("floor", "images")
        else (text.share(entry.failures), text.percent(entry.failures.low, entry.failures.high))
        for entry in entries
    ]
    if ranks:
        columns["time per seed"] = [text.duration(e.seconds if e.kind in PLACED else None) for e in entries]
    classes = [f"{entry.kind} {'failed' if entry.failures.count else ''}".strip() for entry in entries]
    return replace(Table.of(columns, classes), variants=[entry.variant for entry in entries])


def note(results: Results, entry: Entry) -> str:
    """What is written below the name of a variant: why it has no rank."""
    notes = {
        "apart": f"{text.number(entry.budget)} times the {results.samples}",
        "images": "images, not trained here",
        "floor": f"floor: {floor_title(results)}",
    }
    return notes.get(entry.kind, entry.reason)


def _final(results: Results, line: Mapping[Any, Any], name: str, extractor: str) -> Cell:
    """A mean with its interval, whose ends at a bound of the metric are marked; or with its seeds, if they are few."""
    mean = text.number(line.get("mean"))
    if not text.known(line.get("mean")) or line["seeds"] == 1:
        return mean
    if line["seeds"] < MINIMUM_SEEDS:
        runs = results.runs[(results.runs["variant"] == line["variant"]) & (results.runs["status"] == "ok")]
        return mean, ", ".join(map(text.number, runs[f"final_{name}_{extractor}"].dropna()))
    least, most = METRICS[name].limits(results.manifest["data"].get("classes"))
    if not text.known(line["low"]):
        return mean
    ends = [
        f"{text.number(end)}{CUT if bound is not None and end == bound else ''}"
        for end, bound in ((line["low"], least), (line["high"], most))
    ]
    return mean, f"[{', '.join(ends)}]"


def ranking_as(results: Results, form: str) -> str:
    """The ranking with the intervals of all its metrics, in one of ``FORMATS``.

    CSV has full precision, and a column each for a mean and both ends of its interval.
    """
    if form == "csv":
        return csv_text(_ranking_values(results))
    labels = {entry.variant: entry.label for entry in results.entries}
    table = metric_table(results, results.extractor, main_metrics(), labels, ranks=True)
    about = f"{data_title(results.manifest)}: {caption(results, results.extractor)}"
    if form == "markdown":
        return f"{table.markdown()}\n\n{text.markdown(about)}\n"
    return f"% {text.visible(about)}\n{table.latex()}\n"


def _ranking_values(results: Results) -> pd.DataFrame:
    lines = results.lines(results.extractor)
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    rows = []
    for entry in results.entries:
        row: dict[str, Any] = {"rank": entry.place, "variant": entry.variant, "overrides": entry.overrides}
        for name in main_metrics():
            line = lines.get((entry.variant, name), {})
            ends = {name: "mean", f"{name}_low": "low", f"{name}_high": "high"}
            row |= {column: line.get(key) for column, key in ends.items() if name in measured}
        seconds = entry.seconds if entry.kind in PLACED else None
        row["kind"] = entry.kind
        rows.append({**row, "seeds": entry.value.seeds, "failures": entry.failures.count, "seconds": seconds})
    return pd.DataFrame(rows)


def caption(results: Results, extractor: str) -> str:
    """How the values of a table were measured: num_samples, extractor, reference, weights, seeds."""
    rows = results.metrics[results.metrics["extractor"] == extractor]
    if rows.empty:
        return "Nothing was measured: see the notices."
    counts = text.listed([text.count(count) for count in sorted(rows["num_samples"].dropna().unique())])
    references = text.listed(sorted(set(rows["reference"])))
    measured = rows.loc[~rows["variant"].isin(results.untrained), "weights"]
    weights = text.listed(sorted(set(measured) - {""})) or text.NOTHING
    seeds = ", ".join(map(str, sorted(rows.loc[~rows["variant"].isin(results.foreign), "seed"].unique())))
    points = results.samples == "points"
    split = " split" if references == "test" else ""
    source = f"reference: {references}" if points else f"features of {extractor}, reference: {references}{split}"
    spread = f"95% interval over seeds ({CUT} at the bound of the metric), or the seeds if fewer than {MINIMUM_SEEDS}"
    return f"num_samples {counts}, {source}, {weights} weights, seeds {seeds}. Mean and {spread}."


def comparison_table(results: Results) -> Table:
    """One row per planned comparison: the difference, the test, the effect, and the minimum detectable difference."""
    lines = results.planned.to_dict("records")
    verdicts = []
    seeds = []
    for line in lines:
        failed = line["failures"] or line["baseline_failures"]
        partial = failed and line["verdict"] in ("better", "worse")
        conditions = ["successful seeds only"] if partial else []
        conditions += [
            f"{name} has {text.number(times)} times the {results.samples}" for name, times in _apart(results, line)
        ]
        verdicts.append(f"{line['verdict']} ({'; '.join(conditions)})" if conditions else line["verdict"])
        counts = ((line["seeds"], line["failures"]), (line["baseline_seeds"], line["baseline_failures"]))
        seeds.append(" and ".join(f"{ok}{f' ({failed} failed)' if failed else ''}" for ok, failed in counts))
    columns: dict[str, list[Any]] = {
        "comparison": [f"{line['variant']} against {line['baseline']}" for line in lines],
        "ratio" if results.geometric else "difference": [estimate(line, "ratio") for line in lines],
        "verdict": verdicts,
        "p, adjusted": [text.probability(line["p_adjusted"]) for line in lines],
        "p": [text.probability(line["p"]) for line in lines],
        "effect, 95% unadjusted": [estimate(line, "effect", "effect_") for line in lines],
        "P(better), 95% unadjusted": [estimate(line, "improvement", "improvement_") for line in lines],
        "detectable": [text.number(line["detectable"]) for line in lines],
        "seeds": seeds,
    }
    return Table.of(columns, [verdict.split()[0] for verdict in verdicts])


def _apart(results: Results, line: Mapping[Any, Any]) -> list[tuple[str, float]]:
    """Which sides of a comparison were trained on another number of samples, and how many times that of the others."""
    pair = (line["variant"], line["baseline"])
    return [
        (entry.variant, entry.budget) for entry in results.entries if entry.kind == "apart" and entry.variant in pair
    ]


def glossary(measured: set[str]) -> Table:
    """Range, meaning and limitations of the metrics that were measured."""
    metrics = [metric for name, metric in METRICS.items() if name in measured]
    return Table.of(
        {
            "metric": [f"{metric.title} {metric.arrow}" for metric in metrics],
            "range": [metric.range for metric in metrics],
            "meaning": [f"{metric.meaning} ({metric.source})" for metric in metrics],
            "limitations": [metric.limitations for metric in metrics],
        }
    )


def settings_table(found: Iterable[Setting]) -> Table:
    """The settings that differ from the paper, the default, or between variants."""
    mine = list(found)
    return Table.of(
        {
            "setting": [setting.name for setting in mine],
            "variants": [setting.variant for setting in mine],
            "paper": [_plain(setting.paper) for setting in mine],
            "default": [_plain(setting.default) for setting in mine],
            "this run": [f"{_this_run(setting)} {setting.mark}".strip() for setting in mine],
        }
    )


def _this_run(setting: Setting) -> str:
    is_default = setting.default and setting.this_run == setting.default
    return "as default" if is_default else _plain(setting.this_run)


def _plain(words: str) -> str:
    """Text without the marks of code; a dash if it is empty."""
    return words.replace("`", "") or text.NOTHING


def description_table(results: Results) -> Table:
    """What each trained variant is."""
    runs = results.trained.drop_duplicates("variant")
    columns = {
        "variant": runs["variant"],
        "title": runs["title"],
        "paper": runs["paper"],
        "loss": runs["objective"],
        "latent": runs["latent"],
        "labels": runs["conditioning"],
        "batch": runs["batch_size"].map(text.count),
        "G parameters": runs["generator_parameters"].map(text.count),
        "D parameters": runs["discriminator_parameters"].map(text.count),
    }
    return Table.of({head: [value or text.NOTHING for value in values] for head, values in columns.items()})


def run_table(results: Results) -> Table:
    """One row per run: status, best and final value of the primary metric, time, speed, memory."""
    runs, samples = results.runs, results.samples
    columns = {
        "variant": runs["variant"],
        "seed": runs["seed"].map(str).where(~runs["variant"].isin(results.foreign), text.NOTHING),
        "status": runs["status"].map(text.status),
    }
    for moment in ("best", "final") if results.measured else ():
        values = runs.get(f"{moment}_{results.metric.name}_{results.extractor}", pd.Series(None, runs.index, object))
        columns[f"{moment} {results.metric.title}"] = values.map(text.number)
    columns |= {
        f"{samples} seen": runs["images"].map(text.count),
        "training": runs["seconds"].map(text.duration),
        f"{samples}/s": runs["images_per_second"].map(text.count),
        "peak memory": runs["peak_memory_bytes"].map(mebibytes),
    }
    return Table.of(columns, ["" if status == "ok" else "failed" for status in runs["status"]])


def mebibytes(memory: float | None) -> str:
    """``381 MiB``"""
    return f"{memory / 2**20:,.0f} MiB" if memory is not None and text.known(memory) else text.NOTHING


def ranking_table(results: Results) -> pd.DataFrame:
    """The ranking as text: one row per variant, in the order of the ranking.

    Columns: rank, variant, the primary metric (mean and 95% interval, or seeds if they are few), the other measured
    metrics of the table (means), seeds, failures, minutes (of training, per seed).
    """
    lines = results.lines(results.extractor)
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    entries = results.entries
    columns = {
        "rank": [entry.place for entry in entries],
        "variant": [f"{entry.label}{' (not trained)' * (entry.kind == 'images')}" for entry in entries],
        results.metric.title: [value_text(results, entry, title="") for entry in entries],
    }
    for name in main_metrics():
        if name in measured and name != results.metric.name:
            means = [lines.get((entry.variant, name), {}).get("mean") for entry in entries]
            columns[METRICS[name].title] = list(map(text.number, means))
    columns["seeds"] = [text.NOTHING if entry.kind == "images" else str(entry.value.seeds) for entry in entries]
    columns["failures"] = [text.NOTHING if entry.kind == "images" else str(entry.failures.count) for entry in entries]
    columns["minutes"] = [text.number(e.seconds / 60 if e.kind in PLACED else None) for e in entries]
    return pd.DataFrame(columns, dtype=str)
