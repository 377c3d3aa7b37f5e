"""When a generator of images counts as collapsed: measured rules, so that a failure is not a matter of taste.

Each rule looks at the end of training alone. Few classes mean one image, or noise: a classifier names a class whatever
it sees, so that a generator which has not drawn anything recognizable yet is called collapsed as well. A poor variant
that draws many classes is not: its FID says how poor it is.
"""

import re
from collections.abc import Sequence
from typing import Any

FEW_MODES = 1 / 4
"""Of the classes that real images show, no more than this share are found in generated ones."""
HALF_THE_MODES = 1 / 2
"""Fewer than this share are found, and the generated images cover nothing as well."""
NOTHING_COVERED = 0.001
"""Recall below which generated images cover nothing: fewer than one real image in a thousand."""
SATURATED = 0.98
"""Mean D(real) - D(fake) over the last tenth of training from which the discriminator has won, as probabilities."""
_LAST = 0.9
_MIN_CLASSES = 4  # classes in the reference; with fewer, a quarter of them is none

Row = dict[str, Any]


def collapse(metrics: Sequence[Row], history: Sequence[Row], *, probability: bool) -> str:
    """Why a run counts as collapsed, in words with its numbers; empty if it does not.

    A run has collapsed where one of these holds at its last evaluation:

    1. at most a quarter as many classes as in the reference hold 1% of the images each;
    2. fewer than half as many do, and recall is below 0.001;
    3. D(real) - D(fake) was above 0.98 in the mean over the last tenth of training, and recall is below 0.001: the
       discriminator is sure of every image, so that the generator learns nothing more, and it covers nothing.

    Rules 1 and 2 do not apply if the reference shows fewer than four classes.

    Args:
        metrics: the rows of the last evaluation, one an extractor.
        history: all rows of history, in order.
        probability: whether D(real) and D(fake) are probabilities; rule 3 needs that.
    """
    gap = _gap(history) if probability else 0.0
    for row in metrics:
        values = row["values"]
        nothing = values.get("recall") is not None and values["recall"] < NOTHING_COVERED
        real = row.get("real_modes", 0)
        if "modes" in values and real >= _MIN_CLASSES:
            found = f"modes {values['modes']:.0f} of {real:.0f}"
            if values["modes"] <= real * FEW_MODES:
                return found
            if values["modes"] < real * HALF_THE_MODES and nothing:
                return f"{found}, recall {values['recall']:.3f}"
        if gap > SATURATED and nothing:
            return f"D(real) - D(fake) = {gap:.3f} at the end, recall {values['recall']:.3f}"
    return ""


def rule(message: str) -> str:
    """The rule that a message of `collapse` reports, with its values and thresholds; empty if it is no such message.

    Example: ``2 of the reference's 10 modes: at most a quarter``.
    """
    if found := re.fullmatch(r"modes (\d+) of (\d+)", message):
        return f"{found[1]} of the reference's {found[2]} modes: at most a quarter"
    if found := re.fullmatch(r"modes (\d+) of (\d+), recall ([\d.]+)", message):
        few = f"{found[1]} of the reference's {found[2]} modes: fewer than half"
        return f"{few}, and recall {found[3]}, below {NOTHING_COVERED}"
    if found := re.fullmatch(r"D\(real\) - D\(fake\) = ([\d.]+) at the end, recall ([\d.]+)", message):
        gap = f"D(real) - D(fake) {found[1]} over the last tenth of training, above {SATURATED}"
        return f"{gap}, and recall {found[2]}, below {NOTHING_COVERED}"
    return ""


def _gap(history: Sequence[Row]) -> float:
    """Mean of D(real) - D(fake) over the last tenth of the images; 0 if nothing was recorded."""
    known = [
        row for row in history if row["values"].get("D(real)") is not None and row["values"].get("D(fake)") is not None
    ]
    last = [row["values"] for row in known if row["images"] > _LAST * known[-1]["images"]]
    return sum(row["D(real)"] - row["D(fake)"] for row in last) / len(last) if last else 0.0
