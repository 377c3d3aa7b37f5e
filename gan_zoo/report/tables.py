"""The tables of a report, as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.bench.tables import read_results
from gan_zoo.io import csv_text
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures.style import data_title, floor_title

_TEXT = ("variant", "comparison", "verdict", "status", "message", "theirs", "metric", "range", "meaning", "limitations")
"""The heads of columns of text; the others are numbers."""
FORMATS = ("latex", "markdown", "csv")
"""The formats of `ranking_as`."""
Cell = str | tuple[str, str]
"""Text, or a value and its interval."""


@dataclass(frozen=True)
class Table:
    """A table of text; a row is its CSS classes and its cells."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]

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


def metric_table(results: Results, extractor: str, names: Iterable[str], *, ranks: bool = False) -> Table:
    """Final values under one extractor: a column per measured metric, a row per variant; with rank and time."""
    lines, entries = results.lines(extractor), results.entries
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    columns: dict[str, list[Cell]] = {"rank": [entry.place for entry in entries]} if ranks else {}
    notes = {"ranked": "", "floor": f"(floor: {floor_title(results)})", "images": "(images, not trained here)"}
    columns["variant"] = [(entry.label, notes.get(entry.kind, f"({entry.reason})")) for entry in entries]
    for name in sorted(names, key=lambda name: name != results.metric.name):
        if name in measured:
            values = [estimate(lines.get((entry.variant, name), {})) for entry in entries]
            columns[f"{METRICS[name].title} {METRICS[name].arrow}"] = values
    columns["seeds"] = [text.NOTHING if entry.kind == "images" else str(entry.value.seeds) for entry in entries]
    columns["failures"] = [
        text.NOTHING
        if entry.kind in ("floor", "images")
        else (text.share(entry.failures), text.percent(entry.failures.low, entry.failures.high))
        for entry in entries
    ]
    if ranks:
        columns["time per seed"] = [text.duration(e.seconds if e.kind == "ranked" else None) for e in entries]
    return Table.of(columns, [f"{entry.kind} {'failed' if entry.failures.count else ''}" for entry in entries])


def ranking_as(results: Results, form: str) -> str:
    """The ranking with the intervals of all its metrics, in one of ``FORMATS``.

    CSV has full precision, and a column each for a mean and both ends of its interval.
    """
    if form == "csv":
        return csv_text(_ranking_values(results))
    table = metric_table(results, results.extractor, main_metrics(), ranks=True)
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
        seconds = entry.seconds if entry.kind == "ranked" else None
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
    return f"num_samples {counts}, {source}, {weights} weights, seeds {seeds}. Mean and 95% interval over seeds."


def comparison_table(results: Results) -> Table:
    """One row per planned comparison: the difference, the test, the effect, and the minimum detectable difference."""
    lines = results.planned.to_dict("records")
    verdicts = []
    seeds = []
    for line in lines:
        failed = line["failures"] or line["baseline_failures"]
        partial = failed and line["verdict"] in ("better", "worse")
        verdicts.append(f"{line['verdict']} (successful seeds only)" if partial else line["verdict"])
        counts = ((line["seeds"], line["failures"]), (line["baseline_seeds"], line["baseline_failures"]))
        seeds.append(" and ".join(f"{ok}{f' ({failed} failed)' if failed else ''}" for ok, failed in counts))
    columns: dict[str, list[Any]] = {
        "comparison": [f"{line['variant']} against {line['baseline']}" for line in lines],
        "ratio" if results.geometric else "difference": [estimate(line, "ratio") for line in lines],
        "verdict": verdicts,
        "p, adjusted": [text.probability(line["p_adjusted"]) for line in lines],
        "p": [text.probability(line["p"]) for line in lines],
        "effect": [estimate(line, "effect", "effect_") for line in lines],
        "P(better)": [estimate(line, "improvement", "improvement_") for line in lines],
        "detectable": [text.number(line["detectable"]) for line in lines],
        "seeds": seeds,
    }
    return Table.of(columns, [verdict.split()[0] for verdict in verdicts])


def best_and_final(results: Results) -> Table:
    """The primary metric of each ranked variant at its best evaluation and at the last."""
    entries = [entry for entry in results.entries if entry.kind == "ranked"]
    lines = [results.lines(results.extractor)[entry.variant, results.metric.name] for entry in entries]
    images = results.metrics.drop_duplicates(["variant", "seed", "step"])[["variant", "seed", "step", "images"]]
    best = results.successful.drop(columns="images")
    best = best.merge(images, left_on=["variant", "seed", "best_step"], right_on=["variant", "seed", "step"])
    seen = best.groupby("variant")["images"].median()
    title = results.metric.title
    return Table.of(
        {
            "variant": [entry.label for entry in entries],
            f"best {title}": [estimate(line, "best_mean", "best_") for line in lines],
            f"at {results.samples} seen (median)": [text.count(seen.get(entry.variant)) for entry in entries],
            f"final {title}": [estimate(line) for line in lines],
            f"median final {title}": [text.number(line["median"]) for line in lines],
        }
    )


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


def failure_table(results: Results) -> Table:
    """The seeds that failed or did not finish, with the recorded reason."""
    runs = results.runs[results.runs["status"] != "ok"]
    columns = {
        "variant": runs["variant"],
        "seed": runs["seed"].map(str),
        "status": runs["status"].map(text.status),
        f"{results.samples} seen": runs["images"].map(text.count),
        "message": runs["message"].replace("", text.NOTHING),
    }
    return Table.of(columns, ["failed"] * len(runs))


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


def ranking_table(folder: Path) -> pd.DataFrame:
    """The ranking of a results folder as text: one row per variant, in the order of the ranking.

    Columns: rank, variant, the primary metric (mean and 95% interval), the other measured metrics of the table
    (means), seeds, failures, minutes (of training, per seed).

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    results = read_results(folder)
    lines = results.lines(results.extractor)
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    entries = results.entries
    columns = {
        "rank": [entry.place for entry in entries],
        "variant": [f"{entry.label}{' (not trained)' * (entry.kind == 'images')}" for entry in entries],
        results.metric.title: [text.estimate(e.value.mean, e.value.low, e.value.high) for e in entries],
    }
    for name in main_metrics():
        if name in measured and name != results.metric.name:
            means = [lines.get((entry.variant, name), {}).get("mean") for entry in entries]
            columns[METRICS[name].title] = list(map(text.number, means))
    columns["seeds"] = [text.NOTHING if entry.kind == "images" else str(entry.value.seeds) for entry in entries]
    columns["failures"] = [text.NOTHING if entry.kind == "images" else str(entry.failures.count) for entry in entries]
    columns["minutes"] = [text.number(e.seconds / 60 if e.kind == "ranked" else None) for e in entries]
    return pd.DataFrame(columns, dtype=str)
