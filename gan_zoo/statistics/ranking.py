"""Which variants the seeds cannot tell from the best."""

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from gan_zoo.statistics.samples import MINIMUM_SEEDS, Sample, has_logarithm, scaled, shared_alpha
from gan_zoo.statistics.significance import welch


def tied_with_best(
    samples: Mapping[str, Sample], *, log: bool, lower_is_better: bool, alpha: float | None = None
) -> set[str]:
    """The best and all that are not shown to be worse, by Games and Howell's test of all pairs (unequal variances).

    The best has the best geometric mean (arithmetic where ``log`` is False, or where a value is not positive). Below
    ``MINIMUM_SEEDS`` surviving seeds nothing can be told apart: such a variant is tied, and is the best only where
    there is no other. A variant without a surviving seed is not tied: it has no result; nor is one of which more seeds
    failed than survived, unless there are no others. ``alpha``, the probability that any of several variants that are
    all alike is left out, is by default ``shared_alpha`` of the number of samples.

    Source: Games and Howell, "Pairwise multiple comparison procedures with unequal n's and/or variances", Journal of
    Educational Statistics 1, 1976.
    """
    alpha = shared_alpha(len(samples)) if alpha is None else alpha
    sound = {name: sample for name, sample in samples.items() if not sample.failing}
    samples = sound or samples
    log = log and has_logarithm(samples.values())
    values = {name: scaled(sample, log=log) for name, sample in samples.items()}
    told = {name: mine for name, mine in values.items() if len(mine) >= MINIMUM_SEEDS}
    tied = {name for name, mine in values.items() if len(mine)} - set(told)
    if not told:
        return tied
    best = (min if lower_is_better else max)(told, key=lambda name: float(told[name].mean()))
    return tied | {name for name, mine in told.items() if name == best or _alike(mine, told[best], len(told), alpha)}


def _alike(first: np.ndarray, second: np.ndarray, groups: int, alpha: float) -> bool:
    """Whether one pair out of all pairs of so many groups is not told apart at ``alpha``.

    Welch's t times sqrt(2) is held against the studentized range.
    """
    test = welch(first, second)
    if test.p > alpha:  # the studentized range, which is slow, only raises p
        return True
    if not test.error > 0:
        # Nothing is normal about seeds that all agree: Bonferroni over the pairs in place of the studentized range.
        return test.p * math.comb(groups, 2) > alpha
    q = math.sqrt(2) * abs(test.difference) / test.error
    return float(stats.studentized_range.sf(q, groups, test.freedom)) > alpha
