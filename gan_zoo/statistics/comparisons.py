"""Planned comparisons: which variant differs from which, how much, and the minimum detectable difference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gan_zoo.errors import GanZooError
from gan_zoo.statistics.effects import hedges_g, improvement, minimum_detectable
from gan_zoo.statistics.intervals import MINIMUM_SEEDS, Sample, exp, finite, has_logarithm, scaled, shared_alpha
from gan_zoo.statistics.significance import holm, welch

Verdict = Literal["better", "worse", "not significantly different", "too few seeds"]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One comparison of ``first`` with the baseline ``second``; what is undefined is NaN.

    ``ratio`` is the ratio of the geometric means on the log scale, else the difference of means; ``low`` and ``high``
    are its simultaneous interval over all tested pairs (Bonferroni), cut at no difference where Holm's method finds
    one: they exclude 1 (or 0) exactly where the verdict is a difference. ``p`` is Welch's and ``p_adjusted`` Holm's.
    ``effect`` is Hedges' g (of the logarithms on the log scale) and ``improvement`` the probability that a run of first
    beats a run of second, failed runs included; both are larger if first is better. ``detectable`` is the minimum
    detectable ratio (above 1) or difference (above 0) with 80% power at Holm's first step. ``seeds`` and ``failures``
    are those of first and second.
    """

    first: str
    second: str
    seeds: tuple[int, int]
    failures: tuple[int, int]
    improvement: float
    improvement_low: float
    improvement_high: float
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_adjusted: float = math.nan
    effect: float = math.nan
    effect_low: float = math.nan
    effect_high: float = math.nan
    detectable: float = math.nan
    verdict: Verdict = "too few seeds"


def contrasts(
    samples: Mapping[str, Sample],
    pairs: Sequence[tuple[str, str]],
    *,
    log: bool,
    lower_is_better: bool,
    alpha: float | None = None,
) -> list[Contrast]:
    """Welch's test of each pair (first, baseline), with Holm's adjustment.

    A pair with fewer than ``MINIMUM_SEEDS`` values on a side has the verdict ``too few seeds`` and does not count in
    Holm's family. If ``log`` is set and a value of the pair is not positive, there is no ratio: ratio, low, high and
    detectable are NaN, and test and effect are those of the plain values. Values that are not finite are ignored.
    ``alpha``, the family-wise error rate, is by default `shared_alpha` of the number of samples: pass all variants that
    are ranked.

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
    adjusted = holm([contrast.p for contrast in found])
    return [_decided(contrast, p, alpha, log) for contrast, p in zip(found, adjusted, strict=True)]


def _decided(contrast: Contrast, p: float, alpha: float, is_ratio: bool) -> Contrast:
    """The contrast with its adjusted p; its interval is cut at no difference if Holm's method finds a difference."""
    if not p <= alpha:
        is_tested = contrast.verdict != "too few seeds"
        return replace(contrast, p_adjusted=p, verdict="not significantly different" if is_tested else contrast.verdict)
    equal = 1.0 if is_ratio else 0.0
    side = "low" if contrast.ratio > equal else "high"
    cut = max if side == "low" else min
    return replace(contrast, p_adjusted=p, **{side: cut(getattr(contrast, side), equal)})


def _testable(*samples: Sample) -> bool:
    return all(len(finite(sample.values)) >= MINIMUM_SEEDS for sample in samples)


def _contrast(
    pair: tuple[str, str], samples: Mapping[str, Sample], *, log: bool, lower_is_better: bool, alpha: float
) -> Contrast:
    """The contrast before Holm's adjustment, with the direction of the difference as its verdict."""
    both = [samples[name] for name in pair]
    is_ratio = log and has_logarithm(both)
    sign = -1.0 if lower_is_better else 1.0
    first, second = (scaled(sample, log=is_ratio) for sample in both)
    runs = [
        np.append(sign * values, [-math.inf] * sample.failures)
        for values, sample in zip((first, second), both, strict=True)
    ]
    won, won_low, won_high = improvement(*runs)
    untested = Contrast(
        first=pair[0],
        second=pair[1],
        seeds=(len(first), len(second)),
        failures=(both[0].failures, both[1].failures),
        improvement=won,
        improvement_low=won_low,
        improvement_high=won_high,
    )
    if not _testable(*both):
        return untested
    test = welch(first, second, 1 - alpha)
    effect, effect_low, effect_high = hedges_g(sign * first, sign * second)
    found = replace(
        untested,
        p=test.p,
        effect=effect,
        effect_low=effect_low,
        effect_high=effect_high,
        verdict="better" if sign * test.difference > 0 else "worse",
    )
    if log and not is_ratio:
        return found
    scale = exp if is_ratio else float
    ratio, low, high = (scale(value) for value in (test.difference, test.low, test.high))
    return replace(found, ratio=ratio, low=low, high=high, detectable=scale(minimum_detectable(first, second, alpha)))
