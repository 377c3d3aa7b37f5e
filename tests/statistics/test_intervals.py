import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan_zoo.statistics import Estimate, estimate, is_failure, log_t_interval, overlap, prediction_interval, t_interval


def test_t_interval_by_hand():
    # Mean 4, s = 2, t(2) at 97.5% = 4.30265 from the tables: half = 4.30265 * 2 / sqrt(3).
    found = t_interval([2.0, 4.0, 6.0])
    assert found.mean == pytest.approx(4.0)
    assert found.high - found.mean == pytest.approx(4.302652729911275 * 2 / math.sqrt(3))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert (found.seeds, found.method) == (3, "t")


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8).filter(lambda values: np.std(values) > 1e-6))
def test_t_interval_is_scipy_s(values):
    low, high = stats.ttest_1samp(values, popmean=0.0).confidence_interval(0.95)
    found = t_interval(values)
    assert found.low == pytest.approx(low, rel=1e-7, abs=1e-7)
    assert found.high == pytest.approx(high, rel=1e-7, abs=1e-7)


def test_log_t_interval_by_hand():
    # Logarithms 1, 2, 3 in units of ln 10: mean 2, s = 1, half = 4.30265 / sqrt(3).
    found = log_t_interval([10.0, 100.0, 1000.0])
    half = 4.302652729911275 / math.sqrt(3)
    assert found.mean == pytest.approx(100.0)
    assert found.low == pytest.approx(10 ** (2 - half))
    assert found.high == pytest.approx(10 ** (2 + half))
    assert found.method == "t on log"


def test_log_t_interval_without_a_logarithm_says_so():
    found = log_t_interval([-1.0, 1.0, 3.0])
    assert (found.method, found.mean) == ("t", pytest.approx(1.0))


@pytest.mark.parametrize(("values", "method"), [([7.5], "one seed"), ([], "no surviving seed")])
@pytest.mark.parametrize("interval", [t_interval, log_t_interval])
def test_below_two_seeds_there_is_no_interval(interval, values, method):
    found = interval(values)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.method == method
    assert found.mean == pytest.approx(values[0] if values else math.nan, nan_ok=True)


def test_equal_seeds_have_an_interval_of_no_width():
    assert t_interval([10.0, 10.0, 10.0]) == Estimate(10.0, 10.0, 10.0, 3, "t")


def test_values_that_are_not_finite_are_left_out():
    assert t_interval([1.0, math.nan, 3.0, math.inf]) == t_interval([1.0, 3.0])


def test_log_t_covers_lognormal_seeds_as_promised():
    # 2,000 draws of 5: the deviation of the share is 0.005, so three of them are 0.015.
    draws = np.random.default_rng(0).lognormal(mean=4.0, sigma=0.5, size=(2000, 5))
    found = [log_t_interval(draw) for draw in draws]
    covered = np.mean([one.low <= math.exp(4.0) <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_prediction_interval_by_hand():
    # Mean 4, s = 2, n = 3: half = t(2) * 2 * sqrt(4 / 3); on logarithms the same in units of ln 10.
    half = 4.302652729911275 * 2 * math.sqrt(4 / 3)
    assert prediction_interval([2.0, 4.0, 6.0], log=False) == pytest.approx((4 - half, 4 + half))
    found = prediction_interval([1e2, 1e4, 1e6], log=True)
    assert found == pytest.approx((10 ** (4 - half), 10 ** (4 + half)))


def test_prediction_interval_holds_a_new_seed():
    # 4,000 draws: three deviations of the share are 0.010.
    draws = np.random.default_rng(2).lognormal(4.0, 0.4, size=(4000, 6))
    inside = [low <= new <= high for *old, new in draws for low, high in [prediction_interval(old, log=True)]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.011)


def test_prediction_interval_without_a_logarithm_or_a_spread():
    assert prediction_interval([-1.0, 1.0, 3.0], log=True) == prediction_interval([-1.0, 1.0, 3.0], log=False)
    assert all(map(math.isnan, prediction_interval([5.0, math.nan], log=True)))


def test_fid_is_averaged_on_the_log_and_others_are_not():
    assert estimate("fid", [10.0, 1000.0]).mean == pytest.approx(100.0)
    assert estimate("kid", [10.0, 1000.0]).mean == pytest.approx(505.0)


def test_interval_is_cut_at_the_metric_s_bounds():
    found = estimate("precision", [0.8, 1.0], bounds=(0.0, 1.0))
    assert (found.low, found.high) == (0.0, 1.0)
    assert math.isnan(estimate("precision", [0.8], bounds=(0.0, 1.0)).low)


def test_failures():
    assert not any(map(is_failure, ("ok", "unfinished")))
    assert all(map(is_failure, ("diverged", "collapsed", "out_of_memory", "error", "timeout")))


def test_overlap():
    low, middle, high = (Estimate(0, *ends, 3, "t") for ends in ((0, 2), (2, 4), (5, 6)))
    assert overlap(low, middle)
    assert overlap(middle, low)
    assert not overlap(middle, high)
    assert not overlap(high, middle)
    assert overlap(Estimate(9, math.nan, math.nan, 1, "one seed"), low)
