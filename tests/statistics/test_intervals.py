import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan_zoo.statistics import (
    ALPHA,
    Estimate,
    estimate,
    failure_rate,
    is_failure,
    log_t_interval,
    prediction_interval,
    shared_alpha,
    t_interval,
)

T = 4.302652729911275  # t(2) at 97.5%, from the tables


def test_t_interval_by_hand():
    # Mean 4, s = 2: half = t(2) * 2 / sqrt(3).
    found = t_interval([2.0, 4.0, 6.0])
    assert found.mean == pytest.approx(4.0)
    assert found.high - found.mean == pytest.approx(T * 2 / math.sqrt(3))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert (found.seeds, found.method) == (3, "t")


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8).filter(lambda values: np.std(values) > 1e-6))
def test_t_interval_is_scipy_s(values):
    low, high = stats.ttest_1samp(values, popmean=0.0).confidence_interval(0.95)
    found = t_interval(values)
    assert found.low == pytest.approx(low, rel=1e-7, abs=1e-7)
    assert found.high == pytest.approx(high, rel=1e-7, abs=1e-7)


def test_log_t_interval_by_hand():
    # Logarithms 1, 2, 3 in units of ln 10: mean 2, s = 1, half = t(2) / sqrt(3).
    found = log_t_interval([10.0, 100.0, 1000.0])
    assert found.mean == pytest.approx(100.0)
    assert found.low == pytest.approx(10 ** (2 - T / math.sqrt(3)))
    assert found.high == pytest.approx(10 ** (2 + T / math.sqrt(3)))
    assert found.method == "t on log"
    plain = log_t_interval([-1.0, 1.0, 3.0])
    assert (plain.method, plain.mean) == ("t", pytest.approx(1.0))


@pytest.mark.parametrize(("values", "method"), [([7.5], "one seed"), ([], "no successful seed")])
@pytest.mark.parametrize("interval", [t_interval, log_t_interval])
def test_below_two_seeds_there_is_no_interval(interval, values, method):
    found = interval(values)
    mean = values[0] if values else math.nan
    assert (found.mean, found.low, found.high) == pytest.approx((mean, math.nan, math.nan), nan_ok=True)
    assert found.method == method


def test_equal_and_infinite_values():
    assert t_interval([10.0, 10.0, 10.0]) == Estimate(10.0, 10.0, 10.0, 3, "t")
    assert t_interval([1.0, math.nan, 3.0, math.inf]) == t_interval([1.0, 3.0])


def test_log_t_interval_covers_lognormal_seeds():
    # 2,000 draws of 5: three deviations of the share are 0.015.
    draws = np.random.default_rng(0).lognormal(mean=4.0, sigma=0.5, size=(2000, 5))
    found = [log_t_interval(draw) for draw in draws]
    covered = np.mean([interval.low <= math.exp(4.0) <= interval.high for interval in found])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_prediction_interval_by_hand():
    # Mean 4, s = 2, n = 3: half = t(2) * 2 * sqrt(4 / 3); on logarithms the same in units of ln 10.
    half = T * 2 * math.sqrt(4 / 3)
    assert prediction_interval([2.0, 4.0, 6.0], log=False) == pytest.approx((4 - half, 4 + half))
    found = prediction_interval([1e2, 1e4, 1e6], log=True)
    assert found == pytest.approx((10 ** (4 - half), 10 ** (4 + half)))
    assert prediction_interval([-1.0, 1.0, 3.0], log=True) == prediction_interval([-1.0, 1.0, 3.0], log=False)
    assert all(map(math.isnan, prediction_interval([5.0, math.nan], log=True)))


def test_prediction_interval_covers_a_new_seed():
    # 4,000 draws: three deviations of the share are 0.010.
    draws = np.random.default_rng(2).lognormal(4.0, 0.4, size=(4000, 6))
    inside = [low <= new <= high for *old, new in draws for low, high in [prediction_interval(old, log=True)]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.011)


def test_estimate_of_a_metric():
    assert estimate([10.0, 1000.0], log=True).mean == pytest.approx(100.0)
    assert estimate([10.0, 1000.0], log=False).mean == pytest.approx(505.0)
    clipped = estimate([0.8, 1.0], log=False, bounds=(0.0, 1.0))
    assert (clipped.low, clipped.high) == (0.0, 1.0)
    assert math.isnan(estimate([0.8], log=False, bounds=(0.0, 1.0)).low)


def test_failure_statuses():
    assert not any(map(is_failure, ("ok", "unfinished")))
    assert all(map(is_failure, ("diverged", "collapsed", "out_of_memory", "error", "timeout")))


def test_failure_rate_of_no_failure():
    # Clopper and Pearson at 0 of n: the upper end solves (1 - p)^n = 0.025.
    found = failure_rate(0, 5)
    assert (found.share, found.low, found.count, found.of) == (0.0, 0.0, 0, 5)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 5))
    none = failure_rate(0, 0)
    assert all(map(math.isnan, (none.share, none.low, none.high)))


@pytest.mark.parametrize(("failures", "runs"), [(1, 5), (3, 8), (19, 20)])
def test_failure_rate_has_two_and_a_half_percent_outside_each_end(failures, runs):
    found = failure_rate(failures, runs)
    assert found.share == failures / runs
    assert stats.binom.sf(failures - 1, runs, found.low) == pytest.approx(0.025)
    assert stats.binom.cdf(failures, runs, found.high) == pytest.approx(0.025)


def test_comparisons_and_ranking_share_the_error_rate():
    assert shared_alpha(2) == ALPHA
    assert [2 * shared_alpha(count) for count in (3, 20)] == [ALPHA, ALPHA]
