"""Significance tests over seeds: Welch's test of two variants, Games and Howell's of all pairs, Holm's adjustment."""

import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from string import ascii_letters
from typing import Generic, TypeVar

import numpy as np
from scipy import stats
from scipy.interpolate import PchipInterpolator

from gan_zoo.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS, Sample, exp, has_logarithm, scaled, shared_alpha

Name = TypeVar("Name", bound=Hashable)
_MOST_EXACT = 16
_MORE_LETTERS = 0x4E00


@dataclass(frozen=True)
class Welch:
    """The difference of two means with its interval, two-sided p, standard error and degrees of freedom."""

    difference: float
    low: float
    high: float
    p: float
    error: float
    freedom: float


def welch(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> Welch:
    """Welch's t-test of first - second (unequal variances), of at least two values each.

    If neither side has any spread, the interval is unknown (without width if they are equal), and p is that of the
    exact Mann-Whitney test, which is at least 0.008 for five seeds against five.

    Source: Welch, "The generalization of 'Student's' problem", Biometrika 34, 1947.
    """
    difference = float(first.mean() - second.mean())
    if np.ptp(first) == np.ptp(second) == 0:
        p = float(stats.mannwhitneyu(first, second, method="exact").pvalue)
        unknown = math.nan if difference else 0.0
        return Welch(difference, unknown, unknown, p, 0.0, math.nan)
    with warnings.catch_warnings():
        # One side without a spread is valid: the test is then that of the mean of the other side.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = stats.ttest_ind(first, second, equal_var=False)
        low, high = found.confidence_interval(confidence)
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


@dataclass(frozen=True)
class AllPairs(Generic[Name]):
    """The Games-Howell test of all pairs of variants.

    Attributes:
        best: the tested variant with the best mean; None if none was tested.
        letters: the compact letter display, e.g. ``ab``: two variants without a common letter are significantly
            different, all others are not. A variant that was not tested has no letters.
        to_best: mean, low and high of the ratio of each tested variant to the best (on the log scale, else of the
            difference), with simultaneous intervals that exclude 1 (or 0) exactly where the test finds a difference.
        log: whether the test is of the logarithms, so that there are ratios.
    """

    best: Name | None
    letters: Mapping[Name, str]
    to_best: Mapping[Name, tuple[float, float, float]]
    log: bool

    def similar(self, name: Name) -> bool:
        """Whether a variant is the best, or was tested and is not significantly different from it."""
        return self.best is not None and bool({*self.letters.get(name, "")} & {*self.letters[self.best]})


def all_pairs(
    samples: Mapping[Name, Sample], *, log: bool, lower_is_better: bool, alpha: float | None = None
) -> AllPairs[Name]:
    """Games and Howell's test of all pairs, as a compact letter display and as ratios to the best.

    The best has the best geometric mean (arithmetic if ``log`` is False, or if a value is not positive). A variant with
    fewer than ``MINIMUM_SEEDS`` values is not tested, nor is one with more failures than values, unless there are no
    others. ``alpha``, the family-wise error rate, is by default `shared_alpha` of the number of samples.

    Source: Games and Howell, "Pairwise multiple comparison procedures with unequal n's and/or variances", Journal of
    Educational Statistics 1, 1976; the letters: Piepho, "An algorithm for a letter-based representation of all-pairwise
    comparisons", Journal of Computational and Graphical Statistics 13, 2004.
    """
    alpha = shared_alpha(len(samples)) if alpha is None else alpha
    samples = {name: sample for name, sample in samples.items() if not sample.mostly_failed} or samples
    log = log and has_logarithm(samples.values())
    values = {name: scaled(sample, log=log) for name, sample in samples.items()}
    tested = {name: mine for name, mine in values.items() if len(mine) >= MINIMUM_SEEDS}
    order = sorted(tested, key=lambda name: float(tested[name].mean()), reverse=not lower_is_better)
    if not order:
        return AllPairs(None, {}, {}, log)
    pairs = {pair: welch(tested[pair[0]], tested[pair[1]]) for pair in combinations(order, 2)}
    # Degrees of freedom that differ in rounding alone are one point of the interpolation.
    needed = [test for pair, test in pairs.items() if test.error > 0 and (pair[0] == order[0] or test.p <= alpha)]
    critical = _critical_values(alpha, len(order), tuple(sorted({round(test.freedom, 6) for test in needed})))
    different = [pair for pair, test in pairs.items() if _is_different(test, alpha, len(pairs), critical)]
    to_best = {name: _to_best(pairs[order[0], name], critical) for name in order[1:]}
    to_best[order[0]] = (0.0, 0.0, 0.0)
    if log:
        to_best = {name: (exp(mean), exp(low), exp(high)) for name, (mean, low, high) in to_best.items()}
    return AllPairs(order[0], _letters(order, different), to_best, log)


def _letters(order: Sequence[Name], different: Iterable[tuple[Name, Name]]) -> dict[Name, str]:
    """The compact letter display of names in their order, of which the pairs in ``different`` share no letter."""
    groups = [frozenset(order)]
    for first, second in different:
        split = []
        for group in groups:
            split += [group - {first}, group - {second}] if {first, second} <= group else [group]
        unique = list(dict.fromkeys(split))
        groups = [group for group in unique if not any(group < other for other in unique)]
    places = {name: place for place, name in enumerate(order)}
    groups.sort(key=lambda group: sorted(places[name] for name in group))
    # Names of more than 52 groups are characters as well, so that each is one character.
    labels = [*ascii_letters, *(chr(_MORE_LETTERS + place) for place in range(len(groups)))]
    return {
        name: "".join(letter for letter, group in zip(labels, groups, strict=False) if name in group) for name in order
    }


@lru_cache
def _critical_values(alpha: float, groups: int, freedoms: tuple[float, ...]) -> Callable[[float], float]:
    """The critical value of Welch's t for each number of degrees of freedom: the studentized range over sqrt(2).

    One takes 40 ms: those of many pairs are interpolated.
    """
    points = np.array(freedoms)
    if len(points) > _MOST_EXACT:
        points = np.geomspace(points[0], points[-1], _MOST_EXACT)
    values = stats.studentized_range.isf(alpha, groups, points) / math.sqrt(2)
    if len(points) < 2:
        return lambda _: float(values[0])
    between = PchipInterpolator(np.log(points), values)
    return lambda freedom: float(between(math.log(freedom)))


def _is_different(test: Welch, alpha: float, pairs: int, critical: Callable[[float], float]) -> bool:
    """Whether a pair is significantly different; it is scipy's ``tukey_hsd(equal_var=False)``."""
    if test.p > alpha:  # the studentized range only raises p
        return False
    if not test.error > 0:
        # Seeds without any spread are not normal: Bonferroni over the pairs instead of the studentized range.
        return test.p * pairs <= alpha
    return abs(test.difference) / test.error >= critical(test.freedom)


def _to_best(test: Welch, critical: Callable[[float], float]) -> tuple[float, float, float]:
    """The difference to the best, from the test of the best against it; the ends are unknown without any spread."""
    if not test.error > 0:
        unknown = math.nan if test.difference else 0.0
        return -test.difference, unknown, unknown
    half = critical(test.freedom) * test.error
    return -test.difference, -test.difference - half, -test.difference + half
