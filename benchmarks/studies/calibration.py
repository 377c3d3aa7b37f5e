"""Coverage of the intervals over seeds, by simulation, of every method that was considered.

Example: python -m benchmarks.studies.calibration

Writes coverage.csv, coverage.json and coverage.md to --out. False positives and power: `false_positives`.
"""

import argparse
import math
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.common import run_command, save, table
from gan_zoo.statistics import CONFIDENCE
from gan_zoo.statistics.effects import newcombe_interval

SEEDS = (5, 10, 20)
DRAWS = {"closed": 10_000, "bootstrap": 2_000}
RESAMPLES = 999
CENTER, SPREAD, WIDE = 40.0, 0.15, 1.0
COLLAPSED, WORSE = 0.1, 5.0
"""Probability that a seed of the mixture collapses, and the factor by which it is then worse."""
SHIFTS = (0.0, 1.0, 2.0, 3.0)
"""Of normal values, in standard deviations; the probability of improvement is 50% to 98%."""
MEAN, GEOMETRIC_MEAN = "arithmetic mean", "geometric mean"

Ends = tuple[np.ndarray, np.ndarray]


class Distribution(NamedTuple):
    """A metric over seeds: ``draw(rng, shape)`` returns values and which of them failed; means of the population."""

    draw: Callable[[np.random.Generator, tuple[int, int]], Ends]
    truth: dict[str, float]
    successful: dict[str, float]


class Method(NamedTuple):
    """An interval of ``target`` from values (draws, seeds), NaN for a seed that is left out; ``kind`` is of DRAWS."""

    target: str
    interval: Callable[[np.ndarray], Ends]
    kind: str = "closed"
    without_failures: bool = False


def populations() -> dict[str, Distribution]:
    """Normal, lognormal, and a lognormal of which some seeds collapse."""

    def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Ends:
        return rng.normal(CENTER, SPREAD * CENTER, shape), np.zeros(shape, dtype=bool)

    def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Ends:
        return rng.lognormal(math.log(CENTER), WIDE, shape), np.zeros(shape, dtype=bool)

    def mixture(rng: np.random.Generator, shape: tuple[int, int]) -> Ends:
        failed = rng.random(shape) < COLLAPSED
        return rng.lognormal(math.log(CENTER), SPREAD, shape) * np.where(failed, WORSE, 1.0), failed

    bell, wide = center(stats.norm(CENTER, SPREAD * CENTER)), center(stats.lognorm(WIDE, scale=CENTER))
    good = center(stats.lognorm(SPREAD, scale=CENTER))
    mixed = {
        MEAN: good[MEAN] * (1 + COLLAPSED * (WORSE - 1)),
        GEOMETRIC_MEAN: good[GEOMETRIC_MEAN] * WORSE**COLLAPSED,
    }
    return {
        "normal": Distribution(normal, bell, bell),
        "lognormal": Distribution(lognormal, wide, wide),
        "mixture": Distribution(mixture, mixed, good),
    }


def center(known: Any) -> dict[str, float]:
    """Arithmetic and geometric mean of a scipy distribution of positive values."""
    # One seed in a thousand million is below; a normal's lower tail is not positive.
    geometric = math.exp(known.expect(np.log, lb=known.ppf(1e-9), epsabs=1e-10))
    return {MEAN: float(known.mean()), GEOMETRIC_MEAN: geometric}


def student(values: np.ndarray) -> Ends:
    """Student's t interval of the mean of each row without NaN: ``gan_zoo.statistics.t_interval`` of many draws."""
    with warnings.catch_warnings():
        # A row with fewer than two values has no interval.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_1samp(values, 0.0, axis=1, nan_policy="omit").confidence_interval(CONFIDENCE)
    return found.low, found.high


def log_t(values: np.ndarray) -> Ends:
    """Student's t interval on the logarithm of positive values: ``gan_zoo.statistics.log_t_interval`` of many draws."""
    low, high = student(np.log(values))
    return np.exp(low), np.exp(high)


def bootstrap(values: np.ndarray, method: str) -> Ends:
    """scipy's bootstrap of the arithmetic mean (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993)."""
    settings = {"n_resamples": RESAMPLES, "confidence_level": CONFIDENCE, "method": method, "batch": 50}
    found = stats.bootstrap((values,), np.mean, axis=1, vectorized=True, rng=np.random.default_rng(1), **settings)
    return found.confidence_interval.low, found.confidence_interval.high


METHODS = {
    "t on log, failures apart": Method(GEOMETRIC_MEAN, log_t, without_failures=True),
    "t on log, failures among the values": Method(GEOMETRIC_MEAN, log_t),
    "Student's t, failures apart": Method(MEAN, student, without_failures=True),
    "Student's t": Method(MEAN, student),
    "percentile bootstrap": Method(MEAN, lambda values: bootstrap(values, "percentile"), "bootstrap"),
    "BCa bootstrap": Method(MEAN, lambda values: bootstrap(values, "BCa"), "bootstrap"),
}
"""The first one is ``gan_zoo.statistics.log_t_interval``, which the report uses."""


def covered(name: str, known: Distribution, seeds: int) -> list[dict[str, Any]]:
    """One row a method: the share of draws whose interval contains the target; a draw without an interval does not."""
    values, failed = known.draw(np.random.default_rng(0), (max(DRAWS.values()), seeds))
    rows = []
    for title, (target, interval, kind, without_failures) in METHODS.items():
        truth = (known.successful if without_failures else known.truth)[target]
        ends = interval(np.where(failed & without_failures, np.nan, values)[: DRAWS[kind]])
        rows.append(_coverage_row((name, title, target), truth, seeds, ends))
    return rows


def improvement_covered() -> list[dict[str, Any]]:
    """Coverage of Newcombe's interval of the probability of improvement: one row a number of seeds and shift."""
    rows = []
    rng = np.random.default_rng(0)
    names = ("normal", "Newcombe, method 5", "probability of improvement")
    for seeds in SEEDS:
        for shift in SHIFTS:
            shape = (DRAWS["closed"], seeds)
            ends = newcombe(rng.normal(shift, size=shape), rng.normal(size=shape))
            rows.append(_coverage_row(names, float(stats.norm.cdf(shift / math.sqrt(2))), seeds, ends))
    return rows


def _coverage_row(names: tuple[str, str, str], truth: float, seeds: int, ends: Ends) -> dict[str, Any]:
    low, high = ends
    share = float(np.mean((low <= truth) & (truth <= high)))
    facts = dict(zip(("distribution", "method", "target"), names, strict=True))
    return {**facts, "truth": truth, "seeds": seeds, "coverage": share, "draws": len(low)}


def newcombe(first: np.ndarray, second: np.ndarray) -> Ends:
    """``newcombe_interval`` of the probability that first is above second, from (draws, seeds) each."""
    shares = (first[:, :, None] > second[:, None, :]).mean(axis=(1, 2))
    interval = cache(lambda share: newcombe_interval(share, first.shape[1], second.shape[1]))
    low, high = np.array([interval(share) for share in shares]).T
    return low, high


OPTIONS = {"--out": (Path("results/trust"), "folder to write to")}


def run(options: argparse.Namespace) -> Path:
    """Simulate and write; returns the path of the table."""
    known = populations().items()
    rows = [row for name, one in known for seeds in SEEDS for row in covered(name, one, seeds)]
    frame = pd.DataFrame(rows + improvement_covered())
    wide = frame.pivot_table("coverage", ["distribution", "method", "target", "truth"], "seeds", sort=False)
    facts = {"command": options.command, "confidence": CONFIDENCE, "rng": 0, "resamples": RESAMPLES}
    report = f"# Coverage of 95% intervals, by seeds\n\n`{options.command}`\n\n{table(wide.reset_index())}\n"
    return save(options.out, "coverage", facts, frame, report)


main = partial(run_command, __doc__, "studies.calibration", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
