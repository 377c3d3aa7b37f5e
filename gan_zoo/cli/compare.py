"""The command that compares results folders; slow imports are inside functions, because help must print at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli.options import split

if TYPE_CHECKING:
    from gan_zoo.bench.compare import Comparison

Columns = dict[str, list[str]]
_TEXT = ("variant (folder)", "variant", "verdict", "later", "earlier", "seeds", "failed")
_METHOD = (
    "Welch's test on the final values of the successful seeds (on their logarithms for a ratio), and Fisher's "
    "exact test for more failures than before, each adjusted by Holm's method over the rows of this table; "
    "{level}. Both tests and the ranking share an error rate of 5%. The interval is not adjusted. "
    "Detectable: minimum detectable ratio or difference (80% power)."
)


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
    from gan_zoo.bench import compare as comparing
    from gan_zoo.text import visible

    found = comparing.compare(folders, split(allow or ""))
    if out is not None:
        _write(found, out)
    _print(found)
    failures = {"worse than before": found.regressions, "missing": list(found.missing)}
    if fail_on_regression and any(failures.values()):
        for how, names in failures.items():
            if names:
                print(visible(f"regression: {how}: {', '.join(names)}"), file=sys.stderr)
        raise typer.Exit(1)


def _facts(found: "Comparison") -> str:
    """What all values share, in one line."""
    protocol, metric = found.protocol, found.metric
    extractor = f"extractor {protocol.extractor[0]}"
    num_samples = f"num_samples {protocol.num_samples:,}"
    measured = [protocol.data[0], protocol.side, f"{protocol.split} split", extractor, num_samples, protocol.precision]
    return f"{', '.join(measured)}: final {metric.title}, {metric.better} is better"


def _ranking(found: "Comparison") -> tuple[Columns, str]:
    """The ranking as text, column by column, and the meaning of its mark, empty if no variant has it."""
    from gan_zoo import text
    from gan_zoo.bench.results import SIMILAR

    rows = found.ranking.to_dict("records")
    marks = [SIMILAR if row["not_different"] and row["rank"] != 1 else "" for row in rows]
    columns = {
        "rank": [f"{text.count(row['rank'])}{mark}" for row, mark in zip(rows, marks, strict=True)],
        "variant (folder)": [row["name"] for row in rows],
        f"{found.metric.title} [95%]": [text.estimate(row["mean"], row["low"], row["high"]) for row in rows],
        "seeds": [text.count(row["seeds"]) for row in rows],
        "failed": [text.count(row["failures"]) for row in rows],
    }
    return columns, f"{SIMILAR} not significantly different from the best" if any(marks) else ""


def _contrasts(found: "Comparison") -> tuple[Columns, str]:
    """Later against earlier as text, column by column, and the significance level of the p-values."""
    from gan_zoo import text
    from gan_zoo.bench.compare import FAILED

    rows = found.contrasts.to_dict("records")
    measure = "ratio" if found.metric.log else "difference"
    p_values = [row["p_failures" if row["because"] == FAILED else "p_adjusted"] for row in rows]
    columns = {
        "variant": [row["variant"] for row in rows],
        "verdict": [f"{row['verdict']} ({row['because']})" if row["because"] else row["verdict"] for row in rows],
        f"{measure} [95%]": [text.estimate(row["ratio"], row["low"], row["high"]) for row in rows],
        "p (Holm)": [text.probability(p) for p in p_values],
        "later": [row["later"] for row in rows],
        "earlier": [row["earlier"] for row in rows],
        "seeds": [f"{row['seeds_later']} and {row['seeds_earlier']}" for row in rows],
        "failed": [f"{row['failures_later']} and {row['failures_earlier']}" for row in rows],
        "detectable": [text.number(row["detectable"]) for row in rows],
    }
    level = f"significant: p (Holm) at most {100 * found.alpha:.3g}%"
    if any(row["because"] == FAILED for row in rows):
        level += "; (failures): Fisher's test, or no successful seed left"
    return columns, level


def _print(found: "Comparison") -> None:
    from gan_zoo.cli.printing import print_line, print_table

    print_line(_facts(found))
    ranking, mark = _ranking(found)
    print_table(ranking)
    if mark:
        print_line(mark)
    if len(found.contrasts):
        contrasts, level = _contrasts(found)
        print_line("Later against earlier:")
        print_table(contrasts)
        print_line(level)
    for note in found.notes:
        print_line(f"note: {note}")


def _write(found: "Comparison", out: Path) -> None:
    """Write both tables as CSV, and both with the notes as Markdown."""
    from gan_zoo.io import atomic_write, write_csv
    from gan_zoo.text import markdown, markdown_table

    def table(columns: Columns) -> str:
        return markdown_table(list(columns), zip(*columns.values(), strict=True), _TEXT)

    for name, frame in (("compare", found.ranking), ("contrasts", found.contrasts)):
        write_csv(out / f"{name}.csv", frame)
    ranking, mark = _ranking(found)
    parts = ["# Comparison of results", f"{markdown(_facts(found))}.", table(ranking)]
    if mark:
        parts.append(f"{mark}.")
    if len(found.contrasts):
        contrasts, level = _contrasts(found)
        parts += ["## Later against earlier", table(contrasts), _METHOD.format(level=level)]
    if found.notes:
        parts += ["## Notes", "\n".join(f"- {markdown(note)}" for note in found.notes)]
    atomic_write(out / "compare.md", "\n\n".join(parts) + "\n")
