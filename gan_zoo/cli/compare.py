"""The verb that puts results folders side by side; what is slow to import waits, for help must answer at once."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gan_zoo.bench.compare import Comparison

EPILOG = "Example: gan-zoo compare results/mnist-quick runs/mine --allow versions --fail-on-regression"
Columns = dict[str, list[str]]


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
            help="What may differ, with commas between: precision, versions (of torch and the like), budget.",
            show_default=False,
        ),
    ] = None,
    fail_on_regression: Annotated[
        bool,
        typer.Option("--fail-on-regression", help="Exit with status 1 where a variant is worse than it was, or gone."),
    ] = False,
) -> None:
    """Rank the variants of several results folders together.

    A variant that is in two folders is tested, the later run against the earlier one.

    Folders that were measured unlike (other data, split, image side, extractor or N) are refused, with what differs.
    """
    from rich.console import Console

    from gan_zoo.bench import compare as comparing

    names = [name.strip() for name in (allow or "").split(",") if name.strip()]
    found = comparing.compare(folders, names)
    if out is not None:
        _write(found, out)
    _print(found, Console())
    if fail_on_regression and (found.regressions or found.missing):
        for how, names in (("worse than before", found.regressions), ("not there any more", [*found.missing])):
            if names:
                print(f"regression: {how}: {', '.join(names)}", file=sys.stderr)
        raise typer.Exit(1)


def _facts(found: "Comparison") -> str:
    """What all figures share, in one line."""
    protocol, metric = found.protocol, found.metric
    extractor = f"extractor {protocol.extractor[0]}"
    measured = [protocol.data[0], protocol.side, f"{protocol.split} split", extractor, f"N = {protocol.n:,}"]
    return f"{', '.join([*measured, protocol.precision])}: final {metric.title}, {metric.better} is better"


def _ranking(found: "Comparison") -> Columns:
    """The ranking as text, column by column."""
    from gan_zoo import text
    from gan_zoo.report.findings import TIED

    heads = ("rank", "variant (folder)", f"{found.metric.title} [95%]", "seeds", "failed")
    rows: list[tuple[str, ...]] = []
    for row in found.ranking.to_dict("records"):
        value = text.estimate(row["mean"], row["low"], row["high"])
        counts = (text.count(row["seeds"]), text.count(row["failures"]))
        mark = TIED if row["tied"] and row["rank"] != 1 else ""
        rows.append((f"{text.count(row['rank'])}{mark}", row["name"], value, *counts))
    return _columns(heads, rows)


def _contrasts(found: "Comparison") -> Columns:
    """Later against earlier as text, column by column."""
    from gan_zoo import text
    from gan_zoo.bench.compare import FAILED
    from gan_zoo.statistics import GEOMETRIC

    measure = "ratio" if found.metric.name in GEOMETRIC else "difference"
    heads = ("variant", "verdict", f"{measure} [95%]", "p (Holm)", "later", "earlier", "seeds", "failed", "detectable")
    rows: list[tuple[str, ...]] = []
    for row in found.contrasts.to_dict("records"):
        because = f" ({row['because']})" if row["because"] else ""
        counts = (f"{row[f'{fact}_later']} and {row[f'{fact}_earlier']}" for fact in ("seeds", "failures"))
        p = row["p_failures" if row["because"] == FAILED else "p_adjusted"]
        rows.append((row["variant"], f"{row['verdict']}{because}", text.estimate(row["ratio"], row["low"], row["high"]),
                     text.probability(p), row["later"], row["earlier"], *counts,
                     text.number(row["detectable"])))  # fmt: skip
    return _columns(heads, rows)


def _ties(found: "Comparison") -> str:
    """What the mark of the ranking says; empty where no variant has it."""
    from gan_zoo.report.findings import TIED

    tied = found.ranking["tied"] & (found.ranking["rank"] != 1)
    return f"{TIED} tied with the best: no difference from it was shown" if tied.any() else ""


def _threshold(found: "Comparison") -> str:
    """What the p values are held against."""
    from gan_zoo.bench.compare import FAILED

    said = f"p (Holm) is held against {100 * found.alpha:.3g}%"
    if FAILED in found.contrasts["because"].to_numpy():
        said += "; beside (failures) it is that of Fisher's test, and to lose all survivors needs none"
    return said


def _columns(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Columns:
    return {head: [str(row[place]) for row in rows] for place, head in enumerate(heads)}


def _print(found: "Comparison", console: Any) -> None:
    from gan_zoo.cli.table import fitted

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    say(_facts(found))
    console.print(fitted(_ranking(found), console.width))
    if ties := _ties(found):
        say(ties)
    if len(found.contrasts):
        say("Later against earlier:")
        console.print(fitted(_contrasts(found), console.width))
        say(_threshold(found))
    for note in found.notes:
        say(f"note: {note}")


def _write(found: "Comparison", out: Path) -> None:
    """Write both tables as CSV, and both with the notes as markdown."""
    from gan_zoo.io import atomic_write

    for name, frame in (("compare", found.ranking), ("contrasts", found.contrasts)):
        atomic_write(out / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    parts = ["# Results side by side", f"{_facts(found)}.", _grid(_ranking(found))]
    if ties := _ties(found):
        parts.append(f"{ties}.")
    if len(found.contrasts):
        reading = (
            "Welch's test on the final values of surviving seeds (on their logarithms for a ratio), and Fisher's exact "
            f"test for more failures than before, each adjusted by Holm over the rows of this table. "
            f"{_threshold(found)}. Both tests and the ties of the ranking share an error rate of 5%. The interval is "
            "that of one row, not adjusted. *Detectable* is the smallest true ratio (or difference) that these seeds "
            "would have shown with 80% power."
        )
        parts += ["## Later against earlier", _grid(_contrasts(found)), reading]
    if found.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in found.notes)]
    atomic_write(out / "compare.md", "\n\n".join(parts) + "\n")


def _grid(columns: Mapping[str, list[str]]) -> str:
    """A markdown table."""
    lines = [list(columns), ["---"] * len(columns), *(list(row) for row in zip(*columns.values(), strict=True))]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
