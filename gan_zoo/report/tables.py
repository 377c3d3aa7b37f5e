"""The tables of a report, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gan_zoo import text
from gan_zoo.bench.results import Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import floor_title
from gan_zoo.report.findings import DIRECTIONS
from gan_zoo.report.time_to_target import reach_table

RunRecord = str | tuple[str, str]  # text, or a value and its interval
TEXT = ("variant", "comparison", "verdict", "status", "message", "theirs", "metric", "range", "meaning", "limitations")
"""The heads of columns of text; the others are numbers."""


@dataclass(frozen=True)
class Table:
    """A table of text; a row is its CSS classes and its cells."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[RunRecord]]]

    def markdown(self) -> str:
        """The table in Markdown."""
        rows = [[cell if isinstance(cell, str) else " ".join(cell).strip() for cell in cells] for _, cells in self.rows]
        return text.markdown_table(self.heads, rows, TEXT)


def metric_table(results: Results, extractor: str, names: list[str], *, ranks: bool = False) -> Table:
    """Final values under one extractor: a column per measured metric, a row per variant; with rank and time."""
    lines, rows = results.lines(extractor), []
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    names = [name for name in names if name in measured]
    for entry in results.ranking:
        found = [lines.get((entry.variant, name), {}) for name in names]
        note = f"(floor: {floor_title(results)})" if entry.kind == "floor" else f"({entry.reason})"
        cells: list[RunRecord] = [(entry.label, "" if entry.kind == "ranked" else note)]
        cells += [(text.number(line.get("mean")), text.interval(line.get("low"), line.get("high"))) for line in found]
        failed = (text.share(entry.failures), text.percent(entry.failures.low, entry.failures.high))
        cells += [str(entry.value.seeds), text.NOTHING if entry.kind == "floor" else failed]
        if ranks:
            cells = [entry.place, *cells, text.duration(entry.seconds) if entry.kind == "ranked" else text.NOTHING]
        rows.append((f"{entry.kind} {'failed' if entry.failures.count else ''}", cells))
    titles = [f"{METRICS[name].title} {METRICS[name].arrow}" for name in names]
    heads = ["variant", *titles, "seeds", "failures"]
    return Table(["rank", *heads, "time per seed"] if ranks else heads, rows)


def caption(results: Results, extractor: str) -> str:
    """How the values of a table were measured: num_samples, extractor, reference, weights, seeds."""
    rows = results.metrics[results.metrics["extractor"] == extractor]
    if rows.empty:
        return "Nothing was measured: see the notices."
    counts = text.listed([text.count(n) for n in sorted(rows["num_samples"].dropna().unique())])
    references = text.listed(sorted(set(rows["reference"])))
    weights = text.listed(sorted(set(rows.loc[rows["variant"] != FLOOR, "weights"]) - {""})) or text.NOTHING
    seeds = ", ".join(str(seed) for seed in sorted(rows["seed"].unique()))
    points = results.samples == "points"
    source = f"reference: {references}" if points else f"features of {extractor}, reference: {references} split"
    return f"num_samples {counts}, {source}, {weights} weights, seeds {seeds}. Mean and 95% interval over seeds."


def comparison_table(results: Results) -> Table:
    """One row per planned comparison: the difference, the test, the effect, and the minimum detectable difference."""
    measure = "ratio" if results.geometric else "difference"
    heads = ["comparison", measure, "verdict", "p, adjusted", "p", "effect", "P(better)", "detectable", "seeds"]
    rows = []
    for line in results.planned.to_dict("records"):
        counts = ((line["seeds"], line["failures"]), (line["baseline_seeds"], line["baseline_failures"]))
        seeds = " and ".join(f"{seeds}{f' ({failed} failed)' if failed else ''}" for seeds, failed in counts)
        partial = (line["failures"] or line["baseline_failures"]) and line["verdict"] in DIRECTIONS
        verdict = f"{line['verdict']} (successful seeds only)" if partial else line["verdict"]
        cells: list[RunRecord] = [
            f"{line['variant']} against {line['baseline']}",
            (text.number(line["ratio"]), text.interval(line["low"], line["high"])),
            verdict,
            text.probability(line["p_adjusted"]),
            text.probability(line["p"]),
            (text.number(line["effect"]), text.interval(line["effect_low"], line["effect_high"])),
            (text.number(line["improvement"]), text.interval(line["improvement_low"], line["improvement_high"])),
            text.number(line["detectable"]),
            seeds,
        ]
        rows.append((verdict.split()[0], cells))
    return Table(heads, rows)


def best_and_final(results: Results) -> Table:
    """The primary metric of each ranked variant at its best evaluation and at the last."""
    lines, rows = results.lines(results.extractor), []
    images = results.metrics.drop_duplicates(["variant", "seed", "step"])[["variant", "seed", "step", "images"]]
    best = results.runs[results.runs["status"] == "ok"].drop(columns="images")
    best = best.merge(images, left_on=["variant", "seed", "best_step"], right_on=["variant", "seed", "step"])
    for entry in results.ranking:
        if entry.kind != "ranked":
            continue
        line = lines[entry.variant, results.metric.name]
        seen = best.loc[best["variant"] == entry.variant, "images"]
        cells: list[RunRecord] = [
            entry.label,
            (text.number(line["best_mean"]), text.interval(line["best_low"], line["best_high"])),
            text.count(seen.median()) if len(seen) else text.NOTHING,
            (text.number(line["mean"]), text.interval(line["low"], line["high"])),
            text.number(line["median"]),
        ]
        rows.append(("", cells))
    title = results.metric.title
    heads = ["variant", f"best {title}", f"at {results.samples} seen (median)", f"final {title}"]
    return Table([*heads, f"median final {title}"], rows)


def time_table(results: Results) -> Table:
    """The rows of `reach_table`."""
    heads = [results.metric.title, "variant", "reached by", "training", f"{results.samples} seen"]
    keys = ["target", "variant", "reached", "seconds", "images"]
    return Table(heads, [("", [row[key] for key in keys]) for row in reach_table(results)])


def glossary(measured: set[str]) -> Table:
    """Range, meaning and limitations of the metrics that were measured."""
    rows: list[tuple[str, Sequence[RunRecord]]] = []
    for name, metric in METRICS.items():
        if name in measured:
            meaning = f"{metric.meaning} ({metric.source})"
            rows.append(("", [f"{metric.title} {metric.arrow}", metric.range, meaning, metric.limitations]))
    return Table(["metric", "range", "meaning", "limitations"], rows)


def failures(results: Results) -> Table:
    """The seeds that failed or did not finish, with the recorded reason."""
    rows = [
        (
            "failed",
            [
                run["variant"],
                str(run["seed"]),
                text.status(run["status"]),
                text.count(run["images"]),
                run["message"] or text.NOTHING,
            ],
        )
        for run in results.runs[results.runs["status"] != "ok"].to_dict("records")
    ]
    return Table(["variant", "seed", "status", f"{results.samples} seen", "message"], rows)


def run_table(results: Results) -> Table:
    """One row per run: status, best and final value of the primary metric, time, speed, memory."""
    rows = []
    for run in results.runs.to_dict("records"):
        column = f"{results.metric.name}_{results.extractor}"
        values = [text.number(run.get(f"{moment}_{column}")) for moment in ("best", "final")]
        cells = [
            run["variant"],
            str(run["seed"]),
            text.status(run["status"]),
            *(values if results.measured else []),
            text.count(run["images"]),
            text.duration(run["seconds"]),
            text.count(run["images_per_second"]),
            mebibytes(run["peak_memory_bytes"]),
        ]
        rows.append(("" if run["status"] == "ok" else "failed", cells))
    title, samples = results.metric.title, results.samples
    values = [f"best {title}", f"final {title}"] if results.measured else []
    speed = [f"{samples} seen", "training", f"{samples}/s", "peak memory"]
    return Table(["variant", "seed", "status", *values, *speed], rows)


def mebibytes(memory: float | None) -> str:
    return f"{memory / 2**20:,.0f} MiB" if memory is not None and text.known(memory) else text.NOTHING


def published(found: dict[str, Any]) -> Table:
    """The rows of `published_table`."""
    heads = ["variant", "theirs", "FID there (Inception)", f"FID here ({found['extractor']})"]
    keys = ["variant", "study", "published", "ours"]
    if found["inception"]:
        heads.append("FID here (Inception)")
        keys.append("inception")
    rows = [("", [row[key] for key in [*keys, "seeds"]]) for row in found["rows"]]
    return Table([*heads, "seeds here"], rows)
