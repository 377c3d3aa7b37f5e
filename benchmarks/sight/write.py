"""The figures of `measures.py` as CSV, JSON, pictures and Markdown."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from timing.table import grid

from gan_zoo import text
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from sight.faults import NONE
from sight.picture import draw_bias, draw_sensitivity
from sight.sensitivity import judged

SENSITIVITY, BIAS, REPORT = "sensitivity", "fid_n", "measures.md"
MARKS = {"worse": " ●", "better": " ▲", "not seen": ""}


def save_sensitivity(out: Path, facts: dict[str, Any], rows: pd.DataFrame) -> Path:
    """Write sensitivity.csv, .json and .png, and the report over all that lies in ``out``; the report's path."""
    _write(out, SENSITIVITY, facts, rows)
    draw_sensitivity(out / f"{SENSITIVITY}.png", facts, judged(rows))
    return _report(out)


def save_bias(out: Path, facts: dict[str, Any], rows: pd.DataFrame) -> Path:
    """Write fid_n.csv, .json and .png, and the report over all that lies in ``out``; the report's path."""
    _write(out, BIAS, facts, rows)
    draw_bias(out / f"{BIAS}.png", facts, rows)
    return _report(out)


def _write(out: Path, name: str, facts: dict[str, Any], rows: pd.DataFrame) -> None:
    atomic_write(out / f"{name}.csv", rows.to_csv(index=False, lineterminator="\n", float_format="%.8g"))
    atomic_write(out / f"{name}.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")


def _report(out: Path) -> Path:
    parts = ["# What the measures of images see"]
    for name, said in ((SENSITIVITY, _sensitivity), (BIAS, _bias)):
        if (out / f"{name}.json").is_file():
            parts.append(said(*_read(out, name)))
    atomic_write(out / REPORT, "\n\n".join(parts) + "\n")
    return out / REPORT


def _read(out: Path, name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """What `_write` left. Raises GanZooError where it cannot be read."""
    try:
        facts = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
        # Strings stay strings: the unit of no fault is empty, not missing.
        return facts, pd.read_csv(out / f"{name}.csv", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise GanZooError(
            f"cannot read {out / name}.json and .csv ({error}); remove them and run measures.py again"
        ) from None


def _sensitivity(facts: dict[str, Any], rows: pd.DataFrame) -> str:
    found = judged(rows)
    names = [name for name in METRICS if name in set(found["metric"])]
    lines = []
    for (fault, strength, unit), mine in found.groupby(["fault", "strength", "unit"], sort=False):
        by_name = mine.set_index("metric")
        cells = [text.number(by_name.loc[name, "mean"]) + MARKS[by_name.loc[name, "verdict"]] for name in names]
        lines.append(["no fault" if fault == NONE.name else f"{fault}, {strength:g} {unit}", *cells])
    spread = found[found["fault"] == NONE.name].set_index("metric")
    ends = [f"{text.number(spread.loc[name, 'spread_low'])} to {text.number(spread.loc[name, 'spread_high'])}"
            for name in names]  # fmt: skip
    return "\n\n".join([
        "## Faults of a known kind",
        f"`{facts['command']}`. {facts['data']}, features of {facts['extractor']}, N = {facts['n']:,}, means over "
        f"{facts['draws']} draws from the {facts['held']:,} test images that are not in the reference (draws share "
        "images, so their spread is a little too small). ● worse: the mean lies outside the range in which 95% of "
        "single draws without a fault are expected, on the side that is worse for the measure (for Memorization, away "
        "from ½). ▲ better: outside on the other side, so that the measure takes the fault for an improvement. No "
        "mark: not seen. A copied image is a training image as it is; a repeated one stands in the sample that many "
        "times.",
        grid(("fault", *(f"{METRICS[name].title} {METRICS[name].arrow}" for name in names)),
             [*lines[:1], ["95% of draws without a fault", *ends], *lines[1:]]),
        *_summary(found, names),
        f"![Measures under faults]({SENSITIVITY}.png)",
    ])  # fmt: skip


def _summary(found: pd.DataFrame, names: list[str]) -> list[str]:
    """A line a measure: the faults it sees at each strength, at some, takes for better, and at no strength."""
    faults = [fault for fault in found["fault"].unique() if fault != NONE.name]
    lines = []
    for name in names:
        mine = found[found["metric"] == name]
        kinds: dict[str, list[str]] = {"every": [], "some": [], "better": [], "never": []}
        for fault in faults:
            verdicts = list(mine.loc[mine["fault"] == fault, "verdict"])
            if "better" in verdicts:
                kinds["better"].append(fault)
            if "worse" in verdicts:
                kinds["every" if set(verdicts) == {"worse"} else "some"].append(fault)
            elif "better" not in verdicts:
                kinds["never"].append(fault)
        lines.append([METRICS[name].title, *(", ".join(kind) or text.NOTHING for kind in kinds.values())])
    head = ("measure", "sees at every strength", "only at some", "takes for better at some", "does not see")
    return ["What each sees:", grid(head, lines)]


def _bias(facts: dict[str, Any], rows: pd.DataFrame) -> str:
    counts = facts["counts"]
    lines = []
    for source, mine in rows.groupby("source", sort=False):
        means = mine.groupby("n")["fid"].agg(["mean", "std"])
        limit, slope = (facts["limits"][source][name] for name in ("limit", "slope"))
        cells = [f"{text.number(means.loc[n, 'mean'])} ± {text.number(means.loc[n, 'std'])}" for n in counts]
        lines.append([source, *cells, *(text.estimate(one["mean"], one["low"], one["high"]) for one in (limit, slope))])
    head = ("images", *(f"N = {n:,}" for n in counts), "N → ∞", "bias times N")
    return "\n\n".join([
        "## FID against N",
        f"`{facts['command']}`. {facts['data']}, features of {facts['extractor']}; `{facts['generator']}`: "
        f"{facts['training']}; real: training images, none in two draws. Mean ± standard deviation over "
        f"{facts['draws']} draws, each against as many test images. N → ∞: a line in 1/N fitted to each draw (Chong "
        "and Forsyth 2020, arXiv 1911.07023), mean and 95% interval (Student's t) over the draws. The test split is "
        "one and the same: what the intervals leave out is how another test split would differ.",
        grid(head, lines),
        f"![FID against N]({BIAS}.png)",
    ])  # fmt: skip
