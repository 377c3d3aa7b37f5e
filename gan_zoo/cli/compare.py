"""The command that compares results folders; slow imports are inside functions, because help must print at once."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gan_zoo.bench.compare import Comparison

EPILOG = "Example: gan-zoo compare results/mnist-quick runs/mine --allow versions --fail-on-regression"
Columns = dict[str, list[str]]
_TEXT = ("variant (folder)", "variant", "verdict", "later", "earlier", "seeds", "failed")


def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="A B ...", help="Folders that `gan-zoo bench` wrote, the earlier run first.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for compare.csv, contrasts.csv and compare.md.", show_default=False),
    ] = None,
    allow: Annotated[
        str | None,
        typer.Option(
            help="Accept a difference in any of these, separated by commas: precision, versions, budget.",
            show_default=False,
        ),
    ] = None,
    fail_on_regression: Annotated[
        bool,
        typer.Option("--fail-on-regression", help="Exit with status 1 if a variant is worse than before, or missing."),
    ] = False,
) -> None:
    """Rank the variants of several results folders together.

    A variant that is in two folders is tested, the later run against the earlier one.

    Folders that differ in data, split, image size, extractor or num_samples are refused, with the differences.
    """
    from rich.console import Console

    from gan_zoo.bench import compare as comparing

    names = [name.strip() for name in (allow or "").split(",") if name.strip()]
    found = comparing.compare(folders, names)
    if out is not None:
        _write(found, out)
    _print(found, Console())
    if fail_on_regression and (found.regressions or found.missing):
        for how, names in (("worse than before", found.regressions), ("missing", [*found.missing])):
            if names:
                print(f"regression: {how}: {', '.join(names)}", file=sys.stderr)
        raise typer.Exit(1)


def _facts(found: "Comparison") -> str:
    """What all values share, in one line."""
    protocol, metric = found.protocol, found.metric
    extractor = f"extractor {protocol.extractor[0]}"
    num_samples = f"num_samples {protocol.num_samples:,}"
    measured = [protocol.data[0], protocol.side, f"{protocol.split} split", extractor, num_samples, protocol.precision]
    return f"{', '.join(measured)}: final {metric.title}, {metric.better} is better"


def _ranking(found: "Comparison") -> Columns:
    """The ranking as text, column by column."""
    from gan_zoo import text
    from gan_zoo.bench.results import SIMILAR

    heads = ("rank", "variant (folder)", f"{found.metric.title} [95%]", "seeds", "failed")
    rows = []
    for row in found.ranking.to_dict("records"):
        mark = SIMILAR if row["tied"] and row["rank"] != 1 else ""
        counts = (text.count(row["seeds"]), text.count(row["failures"]))
        value = text.estimate(row["mean"], row["low"], row["high"])
        rows.append((f"{text.count(row['rank'])}{mark}", row["name"], value, *counts))
    return _columns(heads, rows)


def _contrasts(found: "Comparison") -> Columns:
    """Later against earlier as text, column by column."""
    from gan_zoo import text
    from gan_zoo.bench.compare import FAILED

    measure = "ratio" if found.metric.log else "difference"
    heads = ("variant", "verdict", f"{measure} [95%]", "p (Holm)", "later", "earlier", "seeds", "failed", "detectable")
    rows = []
    for row in found.contrasts.to_dict("records"):
        verdict = f"{row['verdict']} ({row['because']})" if row["because"] else row["verdict"]
        p = text.probability(row["p_failures" if row["because"] == FAILED else "p_adjusted"])
        ratio = text.estimate(row["ratio"], row["low"], row["high"])
        counts = [f"{row[f'{fact}_later']} and {row[f'{fact}_earlier']}" for fact in ("seeds", "failures")]
        detectable = text.number(row["detectable"])
        rows.append((row["variant"], verdict, ratio, p, row["later"], row["earlier"], *counts, detectable))
    return _columns(heads, rows)


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    return {head: [row[place] for row in rows] for place, head in enumerate(heads)}


def _mark(found: "Comparison") -> str:
    """The meaning of the mark in the ranking; empty if no variant has it."""
    from gan_zoo.bench.results import SIMILAR

    marked = found.ranking["tied"] & (found.ranking["rank"] != 1)
    return f"{SIMILAR} not significantly different from the best" if marked.any() else ""


def _level(found: "Comparison") -> str:
    """The significance level of the p-values."""
    from gan_zoo.bench.compare import FAILED

    level = f"significant: p (Holm) at most {100 * found.alpha:.3g}%"
    if FAILED in found.contrasts["because"].to_numpy():
        level += "; (failures): Fisher's test, or no successful seed left"
    return level


def _print(found: "Comparison", console: Any) -> None:
    from gan_zoo.cli.table import fitted

    def output(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    output(_facts(found))
    console.print(fitted(_ranking(found), console.width))
    if mark := _mark(found):
        output(mark)
    if len(found.contrasts):
        output("Later against earlier:")
        console.print(fitted(_contrasts(found), console.width))
        output(_level(found))
    for note in found.notes:
        output(f"note: {note}")


def _write(found: "Comparison", out: Path) -> None:
    """Write both tables as CSV, and both with the notes as Markdown."""
    from gan_zoo.io import atomic_write
    from gan_zoo.text import markdown_table

    def table(columns: Columns) -> str:
        return markdown_table(list(columns), zip(*columns.values(), strict=True), _TEXT)

    for name, frame in (("compare", found.ranking), ("contrasts", found.contrasts)):
        atomic_write(out / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    parts = ["# Comparison of results", f"{_facts(found)}.", table(_ranking(found))]
    if mark := _mark(found):
        parts.append(f"{mark}.")
    if len(found.contrasts):
        method = (
            "Welch's test on the final values of the successful seeds (on their logarithms for a ratio), and Fisher's "
            "exact test for more failures than before, each adjusted by Holm's method over the rows of this table; "
            f"{_level(found)}. Both tests and the ranking share an error rate of 5%. The interval is not adjusted. "
            "Detectable: minimum detectable ratio or difference (80% power)."
        )
        parts += ["## Later against earlier", table(_contrasts(found)), method]
    if found.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in found.notes)]
    atomic_write(out / "compare.md", "\n\n".join(parts) + "\n")
