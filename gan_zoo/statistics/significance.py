"""Welch's test of two means, and the difference that it could have found."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from gan_zoo.statistics.intervals import CONFIDENCE

POWER = 0.8
_QUANTILES = 200


@dataclass(frozen=True)
class Welch:
    """The difference of two means with its 95% interval, two-sided p, its standard error and degrees of freedom."""

    difference: float
    low: float
    high: float
    p: float
    error: float
    freedom: float


def welch(first: np.ndarray, second: np.ndarray) -> Welch:
    """Welch's t-test of first - second, values of at least two seeds each: no equal variances are assumed.

    Where no seed differs from its fellows on either side there is no spread to judge by: the interval has no width and
    p is that of the exact Mann-Whitney test, which five seeds against five cannot bring below 0.008.

    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34, 1947.
    """
    difference = float(first.mean() - second.mean())
    if np.ptp(first) == np.ptp(second) == 0:
        p = float(stats.mannwhitneyu(first, second, method="exact").pvalue)
        return Welch(difference, difference, difference, p, 0.0, math.nan)
    with warnings.catch_warnings():
        # One side without a spread is sound here: the test is then that of the other side's mean.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = stats.ttest_ind(first, second, equal_var=False)
        low, high = found.confidence_interval(CONFIDENCE)
    error = math.sqrt(sum(side.var(ddof=1) / len(side) for side in (first, second)))
    return Welch(difference, float(low), float(high), float(found.pvalue), error, float(found.df))


def detectable(first: np.ndarray, second: np.ndarray, alpha: float, *, power: float = POWER) -> float:
    """The smallest true difference that Welch's test at ``alpha`` finds with this power; NaN without a spread.

    The deviations of the two sides are taken for the true ones. Given the variances that a new run would show, its
    difference is normal, and the bar that it must pass follows from Welch's test; power is the mean over both
    variances, each scaled chi-squared, at ``_QUANTILES`` quantiles. So the power that few seeds lose through what they
    do not know of the variances is counted, which the noncentral t at an estimated number of degrees of freedom leaves
    out.

    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34, 1947, with Satterthwaite's degrees of
    freedom.
    """
    sizes, deviations = (len(first), len(second)), (first.std(ddof=1), second.std(ddof=1))
    spread = math.hypot(*(deviation / math.sqrt(size) for deviation, size in zip(deviations, sizes, strict=True)))
    if not spread > 0:
        return math.nan
    shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    one, other = (deviation**2 / size * stats.chi2.ppf(shares, size - 1) / (size - 1)
                  for deviation, size in zip(deviations, sizes, strict=True))  # fmt: skip
    one, other = one[:, None], other[None, :]
    freedom = (one + other) ** 2 / (one**2 / (sizes[0] - 1) + other**2 / (sizes[1] - 1))
    bar = stats.t.isf(alpha / 2, freedom) * np.sqrt(one + other)

    def missing(shift: float) -> float:
        return float(stats.norm.sf((bar - shift) / spread).mean()) - power  # the other side is found hardly ever

    return float(optimize.brentq(missing, 0.0, float(bar.max()) + 10 * spread))
