"""Statistics over seeds: an interval of the mean, and what counts as a failure.

Five seeds are the usual case, so the intervals are parametric: at n = 5 a bootstrap of the mean covers 84% where it
promises 95%. A seed that failed is counted apart: no interval of a mean covers a mixture of two populations.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

FAILURES = ("diverged", "collapsed", "out_of_memory", "error", "timeout")
CONFIDENCE = 0.95
GEOMETRIC = ("fid", "jsd")
"""Metrics whose mean over seeds is geometric, as is their interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its interval; ``low`` and ``high`` are NaN below two seeds.

    ``method`` is ``t``, ``t on log``, ``one seed`` or ``no surviving seed``.
    """

    mean: float
    low: float
    high: float
    seeds: int
    method: str


def is_failure(status: str) -> bool:
    """Whether a run of this status trained and failed. An unfinished run has not failed: it has no result yet."""
    return status in FAILURES


def t_interval(values: Iterable[float], *, confidence: float = CONFIDENCE) -> Estimate:
    """Arithmetic mean with Student's t interval, mean +- t(n - 1) s / sqrt(n).

    Values that are not finite are left out. Source: Student, "The probable error of a mean", Biometrika 6, 1908.
    """
    kept = finite(values)
    if len(kept) < 2:
        return Estimate(float(kept.mean()) if len(kept) else math.nan, math.nan, math.nan, len(kept), _too_few(kept))
    mean = float(kept.mean())
    # Written out, for scipy's own interval is NaN where all seeds agree and the deviation is zero.
    half = float(stats.t.ppf((1 + confidence) / 2, len(kept) - 1) * stats.sem(kept))
    return Estimate(mean, mean - half, mean + half, len(kept), "t")


def log_t_interval(values: Iterable[float], *, confidence: float = CONFIDENCE) -> Estimate:
    """Geometric mean with Student's t interval taken on the logarithm, for positive values with a long upper tail.

    Where a finite value is not positive the logarithm does not exist, and the plain interval is given, as ``method``
    tells. Source: Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" 1, chapter 14 (lognormal);
    the interval is that of the geometric mean, which is the lognormal's median.
    """
    kept = finite(values)
    if len(kept) < 2 or (kept <= 0).any():
        return t_interval(kept, confidence=confidence)
    log = t_interval(np.log(kept), confidence=confidence)
    return Estimate(math.exp(log.mean), math.exp(log.low), math.exp(log.high), log.seeds, "t on log")


def estimate(metric: str, values: Sequence[float], *, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Estimate:
    """The estimate that the suite reports of a metric: ``log_t_interval`` for ``fid`` and ``jsd``, else ``t_interval``.

    Both are positive, and over seeds have a long upper tail: a seed that misses modes is several times as far away.

    The interval is cut at ``bounds``, outside which the metric cannot lie; that costs no coverage.
    """
    found = log_t_interval(values) if metric in GEOMETRIC else t_interval(values)
    low, high = np.clip([found.low, found.high], *bounds)
    return Estimate(found.mean, float(low), float(high), found.seeds, found.method)


def prediction_interval(values: Iterable[float], *, log: bool, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Where ONE new seed falls with this confidence: mean +- t(n - 1) s sqrt(1 + 1/n), on the logarithm if ``log``.

    NaN below two seeds. As in ``log_t_interval`` the plain scale is taken where a finite value is not positive, and
    values that are not finite are left out. Source: Hahn and Meeker, "Statistical Intervals", 1991, section 4.7.
    """
    kept = finite(values)
    if len(kept) < 2:
        return math.nan, math.nan
    log = log and bool((kept > 0).all())
    scale = np.log(kept) if log else kept
    half = stats.t.ppf((1 + confidence) / 2, len(kept) - 1) * np.std(scale, ddof=1) * math.sqrt(1 + 1 / len(kept))
    low, high = scale.mean() - half, scale.mean() + half
    return (math.exp(low), math.exp(high)) if log else (float(low), float(high))


def overlap(first: Estimate, second: Estimate) -> bool:
    """Whether two intervals overlap; an estimate without an interval overlaps with every other."""
    if any(math.isnan(end) for end in (first.low, first.high, second.low, second.high)):
        return True
    return first.low <= second.high and second.low <= first.high


def finite(values: Iterable[float]) -> np.ndarray:
    """The finite ones of these values, in float64."""
    array = np.asarray(list(values), dtype=np.float64)
    return array[np.isfinite(array)]


def _too_few(kept: np.ndarray) -> str:
    return "one seed" if len(kept) else "no surviving seed"
