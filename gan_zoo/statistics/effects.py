"""Effect sizes: Hedges' g, the probability of improvement, and the minimum detectable difference."""

import math

import numpy as np
from scipy import optimize, special, stats

from gan_zoo.statistics.intervals import CONFIDENCE

POWER = 0.8
LARGEST = 1e4  # |t| up to which scipy's noncentral t is a number
_QUANTILES = 200
TAILS = (1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2


def hedges_g(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Hedges' g of first - second and its 95% interval: the difference in pooled deviations, corrected for bias.

    All NaN if neither side has any spread; the interval is NaN above some thousands of deviations. Equal variances are
    assumed.

    Source: Hedges, "Distribution theory for Glass's estimator of effect size", Journal of Educational Statistics 6,
    1981, equations 6 and 7; the interval inverts the noncentral t, as in Steiger and Fouladi, "Noncentrality interval
    estimation", 1997.
    """
    freedom = len(first) + len(second) - 2
    pooled = math.sqrt((np.sum((first - first.mean()) ** 2) + np.sum((second - second.mean()) ** 2)) / freedom)
    if not pooled > 0:
        return math.nan, math.nan, math.nan
    scale = math.sqrt(1 / len(first) + 1 / len(second))
    t = float(first.mean() - second.mean()) / (pooled * scale)
    bias = float(special.poch((freedom - 1) / 2, 0.5)) / math.sqrt(freedom / 2)
    low, high = (bias * scale * _noncentrality(t, freedom, tail) for tail in TAILS)
    return bias * scale * t, low, high


def improvement(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Probability that a run of first has a higher value than a run of second, and its 95% interval.

    A failed run is -infinity: it loses to every successful one. Ties count half. NaN if a side has no run.
    """
    if not (len(first) and len(second)):
        return math.nan, math.nan, math.nan
    wins = float(stats.mannwhitneyu(first, second, method="asymptotic").statistic)
    share = wins / (len(first) * len(second))
    return share, *newcombe_interval(share, len(first), len(second))


def newcombe_interval(share: float, first: int, second: int) -> tuple[float, float]:
    """95% interval of a probability of improvement, the share of ``first`` * ``second`` pairs of runs.

    Source: Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2",
    Statistics in Medicine 25, 2006, method 5: the roots of |A - a| = z sqrt(V(A)), which also exist at complete
    separation.
    """
    z = float(stats.norm.ppf(TAILS[0]))

    def outside(true: float) -> float:
        return (share - true) ** 2 - z**2 * _variance(true, first, second)

    tiny = 1e-12  # 0 and 1 are roots as well if all pairs were lost or won
    low = float(optimize.brentq(outside, tiny, min(share, 1 - tiny))) if share > tiny else 0.0
    high = float(optimize.brentq(outside, max(share, tiny), 1 - tiny)) if share < 1 - tiny else 1.0
    return low, high


def minimum_detectable(first: np.ndarray, second: np.ndarray, alpha: float) -> float:
    """The smallest true difference that Welch's test at ``alpha`` finds with 80% power; NaN without a spread.

    The sample deviations are taken as the true ones. Given the variances of a new run, its difference is normal and the
    critical value follows from Welch's test; power is the mean over both variances, each scaled chi-squared, at
    ``_QUANTILES`` quantiles. The noncentral t at an estimated number of degrees of freedom ignores that the variances
    of few seeds are uncertain.

    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34, 1947, with Satterthwaite's degrees of
    freedom.
    """
    sides = (first, second)
    spread = math.hypot(*(side.std(ddof=1) / math.sqrt(len(side)) for side in sides))
    if not spread > 0:
        return math.nan
    shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    one, other = np.ix_(
        *(side.std(ddof=1) ** 2 / len(side) * stats.chi2.ppf(shares, len(side) - 1) / (len(side) - 1) for side in sides)
    )
    freedom = (one + other) ** 2 / (one**2 / (len(first) - 1) + other**2 / (len(second) - 1))
    critical = stats.t.isf(alpha / 2, freedom) * np.sqrt(one + other)

    def missing(shift: float) -> float:
        return float(stats.norm.sf((critical - shift) / spread).mean()) - POWER  # the other side is negligible

    return float(optimize.brentq(missing, 0.0, float(critical.max()) + 10 * spread))


def _variance(true: float, first: int, second: int) -> float:
    """Variance of the share of pairs won (Hanley and McNeil, Radiology 143, 1982), with the mean size for both."""
    extra = (first + second) / 2 - 1
    spread = 1 + extra * ((1 - true) / (2 - true) + true / (1 + true))
    return true * (1 - true) * spread / (first * second)


def _noncentrality(t: float, freedom: int, tail: float) -> float:
    """The noncentrality at which a value of at most ``t`` has probability ``tail``."""
    if abs(t) > LARGEST:
        return math.nan
    if t < 0:  # scipy's distribution function is NaN far below zero
        return -_noncentrality(-t, freedom, 1 - tail)
    # t = (z + shift) / s: the root is between the 1% quantiles of z and s.
    edge = float(stats.norm.isf(0.01))
    low, high = (t * math.sqrt(stats.chi2.ppf(share, freedom) / freedom) for share in (0.01, 0.99))
    return float(optimize.brentq(lambda shift: stats.nct.cdf(t, freedom, shift) - tail, low - edge, high + edge))
