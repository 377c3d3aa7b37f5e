"""Values of a metric over seeds: intervals of a mean, of a new seed and of a failure rate.

Five seeds are usual, so the intervals are parametric: at n = 5 a bootstrap of the mean covers 84% instead of 95%.
Failed seeds are counted separately: no interval of a mean covers a mixture of two populations.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

FAILURES = ("diverged", "collapsed", "out_of_memory", "error", "timeout")
CONFIDENCE = 0.95
MINIMUM_SEEDS = 3
"""Fewer successful seeds are not tested: two have one degree of freedom, and one has no spread at all."""
ALPHA = 0.05
"""Family-wise error rate of a report: how often it shows any difference between variants that are all equal."""
EQUAL = 1e-9  # relative: seeds that agree to rounding have no spread


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its interval; ``low`` and ``high`` are NaN below two seeds.

    ``method`` is ``t``, ``t on log``, ``one seed`` or ``no successful seed``.
    """

    mean: float
    low: float
    high: float
    seeds: int
    method: str


@dataclass(frozen=True)
class Proportion:
    """``count`` of ``of`` with its interval; shares are in [0, 1], and NaN if ``of`` is 0."""

    share: float
    low: float
    high: float
    count: int
    of: int


@dataclass(frozen=True)
class Sample:
    """A metric over the seeds of one variant: ``values`` of the successful seeds, and the number of ``failures``."""

    values: tuple[float, ...]
    failures: int = 0

    @property
    def mostly_failed(self) -> bool:
        """Whether more seeds failed than have a value: the variant is ranked after all others."""
        return self.failures > len(finite(self.values))


def is_failure(status: str) -> bool:
    """Whether a run of this status failed. An unfinished run has not failed: it has no result yet."""
    return status in FAILURES


def finite(values: Iterable[float]) -> np.ndarray:
    """The finite values, as float64."""
    array = np.asarray(list(values), dtype=np.float64)
    return array[np.isfinite(array)]


def t_interval(values: Iterable[float]) -> Estimate:
    """Arithmetic mean with Student's t interval, mean +- t(n - 1) s / sqrt(n).

    Values that are not finite are ignored. Source: Student, "The probable error of a mean", Biometrika 6, 1908.
    """
    array = finite(values)
    if not len(array):
        return Estimate(math.nan, math.nan, math.nan, 0, "no successful seed")
    mean = float(array.mean())
    if len(array) == 1:
        return Estimate(mean, math.nan, math.nan, 1, "one seed")
    # scipy's own interval is NaN if all seeds are equal.
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1) * stats.sem(array))
    return Estimate(mean, mean - half, mean + half, len(array), "t")


def log_t_interval(values: Iterable[float]) -> Estimate:
    """Geometric mean with Student's t interval on the logarithm, for positive values with a long upper tail.

    If a finite value is not positive, this is `t_interval`; ``method`` says which. Source: Johnson, Kotz and
    Balakrishnan, "Continuous Univariate Distributions" 1, chapter 14 (lognormal); the interval is that of the geometric
    mean, which is the median of the lognormal.
    """
    array = finite(values)
    if len(array) < 2 or (array <= 0).any():
        return t_interval(array)
    log = t_interval(np.log(array))
    return Estimate(math.exp(log.mean), math.exp(log.low), math.exp(log.high), log.seeds, "t on log")


def estimate(values: Sequence[float], *, log: bool, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Estimate:
    """The estimate of a metric in the tables: `log_t_interval` if its mean is geometric, else `t_interval`.

    The interval is clipped to ``bounds``, the range of the metric, which costs no coverage.
    """
    found = log_t_interval(values) if log else t_interval(values)
    low, high = np.clip([found.low, found.high], *bounds)
    return Estimate(found.mean, float(low), float(high), found.seeds, found.method)


def prediction_interval(values: Iterable[float], *, log: bool, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of ONE new seed: mean +- t(n - 1) s sqrt(1 + 1/n), on the logarithm if ``log`` and all are positive.

    NaN below two seeds. Values that are not finite are ignored. Source: Hahn and Meeker, "Statistical Intervals", 1991,
    section 4.7.
    """
    array = finite(values)
    if len(array) < 2:
        return math.nan, math.nan
    log = log and bool((array > 0).all())
    scale = np.log(array) if log else array
    half = stats.t.ppf((1 + confidence) / 2, len(array) - 1) * np.std(scale, ddof=1) * math.sqrt(1 + 1 / len(array))
    low, high = scale.mean() - half, scale.mean() + half
    return (math.exp(low), math.exp(high)) if log else (float(low), float(high))


def failure_rate(failures: int, runs: int) -> Proportion:
    """Share of runs that failed, with the exact binomial interval.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    if runs == 0:
        return Proportion(math.nan, math.nan, math.nan, 0, 0)
    low, high = stats.binomtest(failures, runs).proportion_ci(CONFIDENCE, method="exact")
    return Proportion(failures / runs, float(low), float(high), failures, runs)


def shared_alpha(variants: int) -> float:
    """The error rate of the planned comparisons, and that of the ranking: both together keep to ``ALPHA``.

    Each has half of it (Bonferroni). With two variants both are one question and one test, at ``ALPHA``.
    """
    return ALPHA if variants <= 2 else ALPHA / 2


def has_logarithm(samples: Iterable[Sample]) -> bool:
    """Whether all finite values are positive."""
    return all((finite(sample.values) > 0).all() for sample in samples)


def scaled(sample: Sample, *, log: bool) -> np.ndarray:
    """The finite values, float64, or their logarithms; values that agree to rounding are made equal."""
    values = finite(sample.values)
    if len(values) and np.ptp(values) <= EQUAL * np.abs(values).max():
        values = np.full_like(values, values[0])
    return np.log(values) if log else values


def exp(value: float) -> float:
    """exp, infinite if it overflows."""
    with np.errstate(over="ignore"):
        return float(np.exp(value))
