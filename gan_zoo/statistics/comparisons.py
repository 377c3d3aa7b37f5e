"""Declared contrasts: which variant differs from which, how far, and how small a difference could have been found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gan_zoo.errors import GanZooError
from gan_zoo.statistics.effects import hedges_g, improvement
from gan_zoo.statistics.intervals import finite
from gan_zoo.statistics.samples import MINIMUM_SEEDS, Sample, has_logarithm, scaled, shared_alpha
from gan_zoo.statistics.significance import detectable, welch

Verdict = Literal["better", "worse", "no difference shown", "too few seeds"]


@dataclass(frozen=True)
class Contrast:
    """One comparison of ``first`` with the baseline ``second``; what is undefined is NaN.

    ``ratio`` is the geometric mean of first over that of second on the log scale, else the difference of means;
    ``low`` and ``high`` are its 95% interval, not adjusted for the other contrasts. ``p`` is Welch's and
    ``p_adjusted`` Holm's. ``effect`` is Hedges' g of the values (or their logarithms) and ``improvement`` the
    probability that a run of first beats a run of second, failed runs included; both are larger where first is better.
    ``detectable`` is the smallest true ratio (above 1) or difference (above 0) that this spread and these seeds would
    show with 80% power at Holm's first step. ``seeds`` and ``failures`` are those of first and second.
    """

    first: str
    second: str
    ratio: float
    low: float
    high: float
    p: float
    p_adjusted: float
    effect: float
    effect_low: float
    effect_high: float
    improvement: float
    improvement_low: float
    improvement_high: float
    detectable: float
    seeds: tuple[int, int]
    failures: tuple[int, int]
    verdict: Verdict


def contrasts(
    samples: Mapping[str, Sample],
    pairs: Sequence[tuple[str, str]],
    *,
    log: bool,
    lower_is_better: bool,
    alpha: float | None = None,
) -> list[Contrast]:
    """Welch's test of each pair (first, baseline), Holm over those with ``MINIMUM_SEEDS`` surviving seeds a side.

    A pair with fewer seeds has the verdict ``too few seeds`` and does not count in Holm's family. Where ``log`` is
    asked for and a value of the pair is not positive there is no ratio: ratio, low, high and detectable are NaN, and
    test and effect are those of the plain values. Values that are not finite are left out. ``alpha``, the error rate of
    the whole family, is by default ``shared_alpha`` of the number of samples: give all variants that are ranked.

    Raises:
        GanZooError: a pair names a variant that has no sample.
    """
    alpha = shared_alpha(len(samples)) if alpha is None else alpha
    for name in (name for pair in pairs for name in pair):
        if name not in samples:
            raise GanZooError(f"no runs of {name!r} to compare; there are runs of {', '.join(samples) or 'nothing'}")
    tested = sum(_testable(samples[first], samples[second]) for first, second in pairs)
    found = [
        _contrast(pair, samples, log=log, lower_is_better=lower_is_better, alpha=alpha / max(tested, 1))
        for pair in pairs
    ]
    adjusted = holm([one.p for one in found])
    return [_judged(one, p, alpha) for one, p in zip(found, adjusted, strict=True)]


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: p(i) * (m - i) in rising order, never falling, at most 1.

    A NaN stays NaN and does not count in m. scipy adjusts for false discoveries alone. Source: Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    values = np.asarray(ps, dtype=np.float64)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    values[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return [float(value) for value in values]


def _testable(*samples: Sample) -> bool:
    return all(len(finite(sample.values)) >= MINIMUM_SEEDS for sample in samples)


def _contrast(
    pair: tuple[str, str], samples: Mapping[str, Sample], *, log: bool, lower_is_better: bool, alpha: float
) -> Contrast:
    both = [samples[name] for name in pair]
    ratios = log and has_logarithm(both)
    first, second = (scaled(sample, log=ratios) for sample in both)
    sign = -1.0 if lower_is_better else 1.0
    runs = [np.append(sign * values, [-math.inf] * sample.failures)
            for values, sample in zip((first, second), both, strict=True)]  # fmt: skip
    won, won_low, won_high = improvement(*runs)
    nan = math.nan
    untested = Contrast(
        first=pair[0], second=pair[1], ratio=nan, low=nan, high=nan, p=nan, p_adjusted=nan, effect=nan, effect_low=nan,
        effect_high=nan, improvement=won, improvement_low=won_low, improvement_high=won_high, detectable=nan,
        seeds=(len(first), len(second)), failures=(both[0].failures, both[1].failures), verdict="too few seeds",
    )  # fmt: skip
    if not _testable(*both):
        return untested
    test = welch(first, second)
    effect, effect_low, effect_high = hedges_g(sign * first, sign * second)
    size = (test.difference, test.low, test.high, detectable(first, second, alpha))
    ratio, low, high, smallest = map(_exp, size) if ratios else ([math.nan] * 4 if log else size)
    better = sign * test.difference > 0
    return replace(
        untested, ratio=ratio, low=low, high=high, p=test.p, effect=effect, effect_low=effect_low,
        effect_high=effect_high, detectable=smallest, verdict="better" if better else "worse",
    )  # fmt: skip


def _judged(contrast: Contrast, p_adjusted: float, alpha: float) -> Contrast:
    """The contrast with its adjusted p, and its direction only where that is at most ``alpha``."""
    shown: Verdict = contrast.verdict if math.isnan(p_adjusted) or p_adjusted <= alpha else "no difference shown"
    return replace(contrast, p_adjusted=p_adjusted, verdict=shown)


def _exp(value: float) -> float:
    """exp, infinite where it overflows."""
    with np.errstate(over="ignore"):
        return float(np.exp(value))
