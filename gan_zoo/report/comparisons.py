"""The comparisons that a suite declares, in words and as rows of a table."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import Results, own_extractor
from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import ALPHA, GEOMETRIC, MINIMUM_SEEDS, shared_alpha

POWER = "80%"
DIRECTIONS = ("better", "worse")


def declared(results: Results) -> pd.DataFrame:
    """The declared contrasts under the data's own extractor."""
    return results.contrasts[results.contrasts["extractor"] == own_extractor(results.manifest)]


def error_rate(results: Results) -> float:
    """The error rate of the contrasts, and that of the ranking's ties: what `shared_alpha` gives for this run."""
    return shared_alpha(results.runs.loc[results.runs["variant"] != FLOOR, "variant"].nunique())


def rows(results: Results) -> list[dict[str, Any]]:
    """One row a contrast, as text: the difference, the test, the effect, and what could have been detected."""
    return [_row(line) for line in declared(results).to_dict("records")]


def _row(line: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "pair": f"{line['variant']} against {line['baseline']}",
        "ratio": (text.number(line["ratio"]), text.interval(line["low"], line["high"])),
        "p": text.probability(line["p"]), "adjusted": text.probability(line["p_adjusted"]),
        "effect": (text.number(line["effect"]), text.interval(line["effect_low"], line["effect_high"])),
        "improvement": (text.number(line["improvement"]),
                        text.interval(line["improvement_low"], line["improvement_high"])),
        "detectable": text.number(line["detectable"]), "seeds": _seeds(line), "verdict": _verdict(line),
    }  # fmt: skip


def _seeds(line: Mapping[Any, Any]) -> str:
    """``5 and 4 (1 failed)``."""
    counts = ((line["seeds"], line["failures"]), (line["baseline_seeds"], line["baseline_failures"]))
    return " and ".join(f"{seeds}{f' ({failed} failed)' if failed else ''}" for seeds, failed in counts)


def _verdict(line: Mapping[Any, Any]) -> str:
    """The verdict; a direction is one of surviving seeds alone where any failed."""
    failed = line["failures"] or line["baseline_failures"]
    return f"{line['verdict']} if it survives" if failed and line["verdict"] in DIRECTIONS else str(line["verdict"])


def explanation(results: Results) -> str:
    """How to read the table of contrasts; empty where nothing was compared."""
    lines = declared(results)
    if lines.empty:
        return ""
    metric = METRICS[lines["metric"].iloc[0]]
    geometric = metric.name in GEOMETRIC
    of = "log " if geometric else ""
    difference = f"Ratio of geometric mean {metric.title}" if geometric else f"Difference of mean {metric.title}"
    better = "Below 1" if geometric else ("Below 0" if metric.better == "lower" else "Above 0")
    tests = int((lines["verdict"] != "too few seeds").sum())
    smallest = "factor" if geometric else "difference"
    family = text.plural(tests, "comparison")
    bar = error_rate(results)
    half = " (half of 5%; the ties of the ranking have the other half)" if bar < ALPHA else ""
    if not tests:
        return f"Nothing was tested: a comparison needs {MINIMUM_SEEDS} surviving seeds on both sides."
    return (
        f"{difference}, first over second, with Welch's 95% interval. {better}: the first is better. p: "
        f"Welch's test on {of}{metric.title} over surviving seeds; adjusted: Holm over the {family} that the suite "
        f"declares, to be held against {bar:.1%}{half}: about 5% at most of reports on variants that are all alike "
        "declare any difference, here or in the ranking. Effect: Hedges' g, in seed deviations, positive where the "
        "first is better. P(better): the probability that a run of the first beats one of the second, where a failed "
        f"run loses to every surviving one. Detectable: the smallest {smallest} that these seeds would have shown in "
        f"{POWER} of such runs: no verdict speaks of smaller ones."
    )


def sentences(results: Results) -> list[str]:
    """What the contrasts show, in sentences."""
    lines = declared(results)
    tested = lines[lines["verdict"] != "too few seeds"]
    left, found = len(lines) - len(tested), []
    if left:
        found.append(f"{text.plural(left, 'comparison')} not tested: fewer than {MINIMUM_SEEDS} surviving seeds.")
    if tested.empty:
        return found
    name = METRICS[tested["metric"].iloc[0]].title
    for baseline, mine in tested.groupby("baseline", sort=False):
        parts = [
            f"{verdict}: {text.listed(list(some['variant']))}"
            for verdict in ("better", "worse", "no difference shown")
            if len(some := mine[mine["verdict"] == verdict])
        ]
        over = f"Holm over {text.plural(len(tested), 'comparison')}"
        found.append(f"Against {baseline} (Welch on {name} of surviving seeds, {over}), {'; '.join(parts)}.")
    weakest = tested["detectable"].dropna()
    if len(weakest):
        word = "ratio" if tested["metric"].iloc[0] in GEOMETRIC else "difference"
        found.append(f"Smallest {word} that these seeds would have shown in {POWER} of such runs: "
                     f"{_range(weakest)}, by comparison.")  # fmt: skip
    return found


def _range(values: pd.Series) -> str:
    low, high = text.number(values.min()), text.number(values.max())
    return low if low == high else f"{low} to {high}"
