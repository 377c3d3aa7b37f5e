import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gan_zoo.errors import GanZooError
from gan_zoo.statistics import ALPHA, Sample, contrasts

pytestmark = pytest.mark.filterwarnings("error")
FID = {"log": True, "lower_is_better": True}
VALUES = st.lists(st.floats(1.0, 100.0), min_size=3, max_size=7).filter(lambda values: np.std(values) > 1e-3)


def contrast(first, second, *, failures=(0, 0), **changes):
    samples = {"new": Sample(tuple(first), failures[0]), "base": Sample(tuple(second), failures[1])}
    (found,) = contrasts(samples, [("new", "base")], **(FID | changes))
    return found


def welch_by_the_book(first, second):
    """t and degrees of freedom, written from Welch 1947."""
    a, b = (np.var(values, ddof=1) / len(values) for values in (first, second))
    t = (np.mean(first) - np.mean(second)) / math.sqrt(a + b)
    return t, (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))


@given(VALUES, VALUES)
@settings(max_examples=50, deadline=None)
def test_ratio_interval_and_p_are_welch_s_on_the_logarithm(first, second):
    found = contrast(first, second)
    logs = np.log(first), np.log(second)
    t, freedom = welch_by_the_book(*logs)
    difference = logs[0].mean() - logs[1].mean()
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-6)
    assert math.log(found.ratio) == pytest.approx(difference, abs=1e-9)
    error = math.sqrt(sum(np.var(log, ddof=1) / len(log) for log in logs))
    half = stats.t.ppf(0.975, freedom) * error
    assert math.log(found.high) - difference == pytest.approx(half, rel=1e-6)
    assert difference - math.log(found.low) == pytest.approx(half, rel=1e-6)


@given(st.lists(VALUES, min_size=3, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_intervals_agree_with_the_verdicts(values, log, lower):
    samples = {f"v{place}": Sample(tuple(mine)) for place, mine in enumerate(values)}
    equal = 1.0 if log else 0.0
    for found in contrasts(samples, [(name, "v0") for name in list(samples)[1:]], log=log, lower_is_better=lower):
        if found.verdict == "not significantly different":
            assert found.low < equal < found.high
        else:
            assert found.low >= equal or found.high <= equal
        assert found.low <= found.ratio <= found.high


@pytest.mark.slow
@pytest.mark.parametrize("shifts", [(0.0, 0.0, 0.0), (1.2, 0.0, 0.0), (1.2, 0.5, 0.0), (0.5, 0.4, 0.3)])
def test_all_intervals_hold_together(shifts):
    # 95% and two deviations of 1,000 families are 93.6%.
    rng = np.random.default_rng(7)
    whole = 0
    for _ in range(1_000):
        logs = rng.normal(size=(4, 6)) * 0.2 + np.array([0.0, *shifts])[:, None]
        samples = {name: Sample(tuple(np.exp(mine))) for name, mine in zip("abcd", logs, strict=True)}
        found = contrasts(samples, [(name, "a") for name in "bcd"], **FID, alpha=0.05)
        held = [one.low <= math.exp(shift) <= one.high for one, shift in zip(found, shifts, strict=True)]
        whole += all(held)
    assert whole / 1_000 > 0.936


def test_plain_scale_gives_the_difference_of_means():
    found = contrast([0.9, 0.8, 0.85], [0.5, 0.55, 0.6], log=False, lower_is_better=False)
    assert found.ratio == pytest.approx(0.3)
    assert found.low < 0.3 < found.high
    assert found.verdict == "better"
    assert found.effect > 0


@given(VALUES, VALUES, st.integers(0, 2), st.booleans(), st.randoms())
@settings(max_examples=50, deadline=None)
def test_swapping_inverts_and_the_order_of_seeds_is_nothing(first, second, failures, lower, random):
    there = contrast(first, second, failures=(failures, 1), lower_is_better=lower)
    mixed = random.sample(first, len(first))
    back = contrast(second, mixed, failures=(1, failures), lower_is_better=lower)
    for mine, theirs in ((there.ratio, back.ratio), (there.low, back.high), (there.high, back.low)):
        assert mine * theirs == pytest.approx(1.0)
    for name in ("effect", "improvement"):
        turn = (lambda value: -value) if name == "effect" else (lambda value: 1 - value)
        assert getattr(there, name) == pytest.approx(turn(getattr(back, name)), abs=1e-7)
        assert getattr(there, f"{name}_low") == pytest.approx(turn(getattr(back, f"{name}_high")), abs=1e-6)
    assert there.p == pytest.approx(back.p)
    assert there.detectable == pytest.approx(back.detectable)
    assert {there.verdict, back.verdict} in ({"better", "worse"}, {"not significantly different"})


def test_too_few_seeds_do_not_count_in_holm_s_family():
    samples = {
        "base": Sample((10.0, 11.0, 12.0, 13.0)),
        "new": Sample((5.0, 5.5, 6.0, 5.2)),
        "two": Sample((5.0, 5.1), 2),
        "none": Sample((), 4),
    }
    new, two, none = contrasts(samples, [(name, "base") for name in ("new", "two", "none")], **FID)
    assert new.verdict == "better"
    assert new.p_adjusted == new.p
    for short in (two, none):
        assert short.verdict == "too few seeds"
        assert all(math.isnan(getattr(short, name)) for name in ("ratio", "p", "p_adjusted", "effect", "detectable"))
    assert (two.seeds, two.failures) == ((2, 4), (2, 0))
    # Two of two values win, two of four runs lose: half of the pairs, whatever the failed runs would have had.
    assert two.improvement == pytest.approx(0.5)
    assert none.improvement == 0.0


@pytest.mark.parametrize(
    ("seeds", "alpha"),
    [((16, 16), 0.05), ((5, 5), 0.05), ((5, 5), 0.025 / 3), ((3, 3), 0.025 / 3), ((3, 10), 0.025)],
)
def test_detectable_is_found_four_times_in_five(seeds, alpha):
    # Planted: exactly the difference that it names, at the spread it was computed from.
    rng, sigmas = np.random.default_rng(3), (0.3, 0.5)
    first, second = (
        np.exp(stats.zscore(stats.norm.ppf((np.arange(n) + 0.5) / n), ddof=1) * sigma)
        for n, sigma in zip(seeds, sigmas, strict=True)
    )
    found = contrast(first, second, alpha=alpha)
    draws = [rng.normal(size=(20_000, n)) * sigma for n, sigma in zip(seeds, sigmas, strict=True)]
    share = np.mean(
        stats.ttest_ind(draws[0] + math.log(found.detectable), draws[1], axis=1, equal_var=False).pvalue < alpha
    )
    assert share == pytest.approx(0.8, abs=0.012)


def test_detectable_is_that_of_holm_s_first_step():
    rng = np.random.default_rng(5)
    samples = {name: Sample(tuple(rng.lognormal(3.0, 0.2, 5))) for name in "abcd"}
    family = contrasts(samples, [(name, "a") for name in "bcd"], **FID, alpha=0.06)
    alone = contrasts(samples, [("b", "a")], **FID, alpha=0.02)
    assert family[0].detectable == pytest.approx(alone[0].detectable)
    assert family[0].detectable > contrasts(samples, [("b", "a")], **FID, alpha=0.06)[0].detectable > 1


@pytest.mark.slow
def test_any_of_four_equal_variants_is_different_at_most_as_often_as_promised():
    # 250 families: 5% and two deviations are 0.078; without Holm it would be 12%.
    rng = np.random.default_rng(11)
    positives = 0
    for _ in range(250):
        samples = {name: Sample(tuple(rng.lognormal(4.0, 0.2, 5))) for name in "abcd"}
        found = contrasts(samples, [(name, "a") for name in "bcd"], **FID, alpha=0.05)
        positives += any(pair.verdict in ("better", "worse") for pair in found)
    assert 0 < positives / 250 < 0.078


def test_the_level_depends_on_the_number_of_variants():
    # p = 0.03 of Welch's test: significant among two variants, and not among three.
    base, size = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), 1.3213
    samples = {"a": Sample(tuple(np.exp(base))), "b": Sample(tuple(np.exp(base + size)))}
    (alone,) = contrasts(samples, [("b", "a")], **FID)
    assert ALPHA / 2 < alone.p < ALPHA
    assert alone.verdict == "worse"
    (among,) = contrasts({**samples, "c": samples["a"]}, [("b", "a")], **FID)
    assert (among.p, among.verdict) == (alone.p, "not significantly different")


def test_seeds_that_all_agree():
    same, other = contrast([2.0] * 5, [2.0] * 5), contrast([2.0] * 5, [3.0] * 5)
    assert (same.ratio, same.low, same.high, same.p) == (1.0, 1.0, 1.0, 1.0)
    assert same.verdict == "not significantly different"
    # One arrangement of ten seeds in 252, either way round, parts them as far.
    assert other.p == pytest.approx(2 / math.comb(10, 5))
    assert other.verdict == "better"
    assert math.isnan(other.effect)
    assert math.isnan(other.detectable)
    assert contrast([0.1] * 3, [0.1 + 1e-17] * 3).p == 1.0
    half = contrast([8.0] * 5, [7.0, 6.0, 7.0, 7.0, 6.0], log=False, lower_is_better=False)
    assert half.p == pytest.approx(stats.ttest_1samp([7.0, 6.0, 7.0, 7.0, 6.0], 8.0).pvalue)


def test_without_a_logarithm_there_is_no_ratio_but_a_test():
    first, second = [-0.1, 0.2, 0.1, 0.0], [1.0, 1.3, 0.9, 1.2]
    found = contrast(first, second)
    assert all(math.isnan(getattr(found, name)) for name in ("ratio", "low", "high", "detectable"))
    assert found.p == pytest.approx(contrast(first, second, log=False).p)
    assert found.verdict == "better"


@pytest.mark.parametrize("values", [(), (1.0,), (math.nan, math.inf, 2.0), (1e-30, 1e30, 1e10)])
@pytest.mark.parametrize("failures", [0, 3])
def test_nothing_crashes_or_warns(values, failures):
    for other in ((), (3.0, 3.0, 3.0), (1.0, 2.0, 4.0)):
        contrast(values, other, failures=(failures, 0))
        contrast(other, values, failures=(0, failures), log=False)


def test_a_name_without_runs_is_refused():
    with pytest.raises(GanZooError, match="wgan"):
        contrasts({"gan": Sample((1.0,))}, [("wgan", "gan")], **FID)
