"""The figures of `trust.py` as Markdown."""

import json
from pathlib import Path
from typing import Any

from timing.table import grid

from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write

COVERAGE, AA, REPORT = "coverage.json", "aa.json", "trust.md"
QUESTIONS = {"contrasts": "a contrast with the first name", "ranking": "a name that is not tied with the best",
             "either": "either of them"}  # fmt: skip


def save(out: Path, name: str, found: dict[str, Any]) -> Path:
    """Write one file of figures, and the report over those that lie there; the report's path."""
    atomic_write(out / name, json.dumps(found, indent=1, allow_nan=False) + "\n")
    parts = ["# How far the statistics can be believed"]
    parts += [write(read(out / file)) for file, write in ((COVERAGE, covered), (AA, alike)) if (out / file).is_file()]
    atomic_write(out / REPORT, "\n\n".join(parts) + "\n")
    return out / REPORT


def read(path: Path) -> dict[str, Any]:
    """A file of figures. Raises GanZooError where it cannot be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GanZooError(f"cannot read {path} ({error}); remove it and run trust.py again") from None
    return found


def covered(found: dict[str, Any]) -> str:
    """Coverage of each method."""
    rows = found["considered"]
    seeds = sorted({row["seeds"] for row in rows})
    parts = [
        f"## Coverage of {found['confidence']:.0%} intervals, by simulation",
        f"`{found['command']}`. Share of draws whose interval holds what the method aims at; bold: the suite's method. "
        "Apart: a seed that collapsed is known to have, as its status tells, and is counted in the failure rate.",
    ]
    for name, said in found["distributions"].items():
        mine = {(row["method"], row["seeds"]): row for row in rows if row["distribution"] == name}
        lines = []
        for method in dict.fromkeys(method for method, _ in mine):
            row = mine[method, seeds[0]]
            title = f"**{method}**" if row["chosen"] else method
            shares = [f"{mine[method, count]['coverage']:.1%}" for count in seeds]
            lines.append([title, f"{row['target']}, {row['truth']:.3g}", *shares, f"{row['draws']:,}"])
        head = ("method", "aims at", *(f"{count} seeds" for count in seeds), "draws")
        parts += [f"**{name.capitalize()}**: {said}.", grid(head, lines)]
    parts += [
        "## Coverage of the probability of improvement",
        "Of normal runs; where every run of one side beats every one of the other, Brunner and Munzel's variance is "
        "zero and there is no interval, which counts as one that holds nothing.",
        _improvement(found["improvement"]),
    ]
    return "\n\n".join(parts)


def alike(found: dict[str, Any]) -> str:
    """The A/A test and the power."""
    where = f"{found['data']}, N = {found['n']:,}, {found['extractor']}" if "n" in found else found["data"]
    lines = [
        [said, f"{mine['declared']:,} of {mine['of']:,}", f"{mine['declared'] / mine['of']:.1%}",
         f"{mine['low']:.1%} to {mine['high']:.1%}", f"{found['unsplit'][name]:.1%}"]
        for name, said in QUESTIONS.items() for mine in [found[name]]
    ]  # fmt: skip
    head = ("declared", "families", "share", "95% interval", "share with the whole alpha each")
    return "\n\n".join([
        "## A/A: differences declared where there is none",
        f"`{found['command']}`. {found['seeds']} recorded seeds of `{found['variant']}` ({where}; {found['failures']} "
        f"failed), geometric mean FID {found['geometric_mean']:.3g}, deviation of the logarithm "
        f"{found['log_deviation']:.3f}. Families of {found['names']} names with {found['seeds_a_name']} distinct seeds "
        f"each; contrasts and ranking together are promised to declare anything in at most {found['alpha']:.0%}, each "
        f"has {found['alpha_each']:.1%}. Interval: {found['interval']}",
        grid(head, lines),
        "## Power: planted differences",
        "The second name's FIDs are multiplied by so many deviations of the logarithm. Share of families that declare "
        "it worse than the first; beside it the same on simulated lognormal seeds, the noncentral t (equal variances, "
        "Holm's first step), and the share of rankings that leave it untied with the best.",
        _power(found["power"]),
    ])  # fmt: skip


def _improvement(rows: list[dict[str, Any]]) -> str:
    seeds = sorted({row["seeds"] for row in rows})
    mine = {(row["method"], row["probability"], row["seeds"]): row for row in rows}
    lines = []
    for method, true in dict.fromkeys((method, true) for method, true, _ in mine):
        title = f"**{method}**" if mine[method, true, seeds[0]]["chosen"] else method
        lines.append([title, f"{true:.0%}", *(f"{mine[method, true, count]['coverage']:.1%}" for count in seeds)])
    return grid(("method", "true probability", *(f"{count} against {count}" for count in seeds)), lines)


def _power(rows: list[dict[str, Any]]) -> str:
    lines = [
        [str(row["names"]), str(row["seeds"]), f"{row['difference']:g}",
         *(f"{row[key]:.1%}" for key in ("measured", "normal", "theory", "ranking"))]
        for row in rows
    ]  # fmt: skip
    return grid(("names", "seeds", "difference", "declared", "on lognormal seeds", "theory", "untied"), lines)
