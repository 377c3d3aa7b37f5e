"""Significance tests over seeds: Welch's test of two variants, Games and Howell's of all pairs, Holm's adjustment."""

import math
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

from gan_zoo.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS, Sample, has_logarithm, scaled, shared_alpha

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Welch:
    """The difference of two means with its 95% interval, two-sided p, standard error and degrees of freedom."""

    difference: float
    low: float
    high: float
    p: float
    error: float
    freedom: float


def welch(first: np.ndarray, second: np.ndarray) -> Welch:
    """Welch's t-test of first - second (unequal variances), of at least two values each.

    If neither side has any spread, the interval has no width and p is that of the exact Mann-Whitney test, which is at
    least 0.008 for five seeds against five.

    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34, 1947.
    """
    difference = float(first.mean() - second.mean())
    if np.ptp(first) == np.ptp(second) == 0:
        p = float(stats.mannwhitneyu(first, second, method="exact").pvalue)
        return Welch(difference, difference, difference, p, 0.0, math.nan)
    with warnings.catch_warnings():
        # One side without a spread is valid: the test is then that of the mean of the other side.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = stats.ttest_ind(first, second, equal_var=False)
        low, high = found.confidence_interval(CONFIDENCE)
    error = math.sqrt(sum(side.var(ddof=1) / len(side) for side in (first, second)))
    return Welch(difference, float(low), float(high), float(found.pvalue), error, float(found.df))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: p(i) * (m - i) in rising order, never falling, at most 1.

    A NaN stays NaN and does not count in m. Source: Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6, 1979.
    """
    values = np.asarray(ps, dtype=np.float64)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    values[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return [float(value) for value in values]


def not_different_from_best(
    samples: Mapping[Name, Sample], *, log: bool, lower_is_better: bool, alpha: float | None = None
) -> set[Name]:
    """The best variant and all that are not significantly different from it (Games-Howell test of all pairs).

    The best has the best geometric mean (arithmetic if ``log`` is False, or if a value is not positive). A variant with
    fewer than ``MINIMUM_SEEDS`` values is not tested and not in the set, nor is one with more failures than values,
    unless there are no others. ``alpha``, the family-wise error rate, is by default `shared_alpha` of the number of
    samples.

    Source: Games and Howell, "Pairwise multiple comparison procedures with unequal n's and/or variances", Journal of
    Educational Statistics 1, 1976.
    """
    alpha = shared_alpha(len(samples)) if alpha is None else alpha
    samples = {name: sample for name, sample in samples.items() if not sample.mostly_failed} or samples
    log = log and has_logarithm(samples.values())
    values = {name: scaled(sample, log=log) for name, sample in samples.items()}
    tested = {name: mine for name, mine in values.items() if len(mine) >= MINIMUM_SEEDS}
    if not tested:
        return set()
    best = (min if lower_is_better else max)(tested, key=lambda name: float(tested[name].mean()))
    return {
        name
        for name, mine in tested.items()
        if name == best or _games_howell(mine, tested[best], len(tested), alpha) > alpha
    }


def _games_howell(first: np.ndarray, second: np.ndarray, groups: int, alpha: float) -> float:
    """p of one of all pairs of ``groups``: Welch's t times sqrt(2) against the studentized range.

    It is scipy's ``tukey_hsd(equal_var=False)`` for the pairs with the best alone, which is ten times as fast.
    """
    test = welch(first, second)
    if test.p > alpha:  # the studentized range only raises p
        return test.p
    if not test.error > 0:
        # Seeds without any spread are not normal: Bonferroni over the pairs instead of the studentized range.
        return test.p * math.comb(groups, 2)
    q = math.sqrt(2) * abs(test.difference) / test.error
    return float(stats.studentized_range.sf(q, groups, test.freedom))
