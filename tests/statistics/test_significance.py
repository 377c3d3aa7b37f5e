import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gan_zoo.statistics import Sample, all_pairs, holm
from gan_zoo.statistics.significance import _letters

pytestmark = pytest.mark.filterwarnings("error")
FID = {"log": True, "lower_is_better": True}


def similar_to_best(samples, **settings):
    tests = all_pairs(samples, **settings)
    return {name for name in samples if tests.similar(name)}


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(3, 5), st.booleans(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=5, deadline=None)
def test_games_howell_is_scipy_s(seed, groups, lower, alpha):
    rng = np.random.default_rng(seed)
    values = [rng.lognormal(rng.normal(3.0, 0.4), rng.uniform(0.1, 0.4), rng.integers(3, 9)) for _ in range(groups)]
    samples = {str(place): Sample(tuple(mine)) for place, mine in enumerate(values)}
    logs = [np.log(mine) for mine in values]
    best = int((np.argmin if lower else np.argmax)([log.mean() for log in logs]))
    p = stats.tukey_hsd(*logs, equal_var=False).pvalue[best]
    expected = {str(place) for place in range(groups) if place == best or p[place] > alpha}
    assert similar_to_best(samples, log=True, lower_is_better=lower, alpha=alpha) == expected
    found = all_pairs(samples, log=True, lower_is_better=lower, alpha=alpha)
    every = stats.tukey_hsd(*logs, equal_var=False)
    ends = every.confidence_interval(1 - alpha)
    for first, second in itertools.combinations(range(groups), 2):
        shared = set(found.letters[str(first)]) & set(found.letters[str(second)])
        assert bool(shared) == (every.pvalue[first, second] > alpha)
    for place in set(range(groups)) - {best}:
        ratio, low, high = found.to_best[str(place)]
        assert math.log(ratio) == pytest.approx(logs[place].mean() - logs[best].mean())
        assert (math.log(low), math.log(high)) == pytest.approx(
            (ends.low[place, best], ends.high[place, best]), rel=1e-4
        )
        assert (low > 1 or high < 1) == (p[place] <= alpha)


@given(st.integers(1, 7), st.data())
def test_letters_are_shared_exactly_where_nothing_differs(size, data):
    names = [f"v{place}" for place in range(size)]
    pairs = list(itertools.combinations(names, 2))
    different = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    letters = _letters(names, different)
    for first, second in pairs:
        assert bool(set(letters[first]) & set(letters[second])) == ((first, second) not in different)
    # No letter is within another, and the best has the first.
    groups = {letter: {name for name in names if letter in letters[name]} for letter in "".join(letters.values())}
    assert not any(one < other for one in groups.values() for other in groups.values())
    assert letters[names[0]].startswith("a")


def test_the_best_has_the_best_geometric_mean():
    # Arithmetic means 4 and 5, geometric ones 4 and 1.9.
    samples = {"even": Sample((3.99, 4.0, 4.01)), "wild": Sample((0.5, 1.0, 13.5))}
    assert "wild" in similar_to_best(samples, **FID, alpha=1.0)
    assert similar_to_best(samples, **FID, alpha=1.0) == {"wild"}
    assert similar_to_best(samples, log=False, lower_is_better=True, alpha=1.0) == {"even"}


def test_few_seeds_are_not_tested():
    samples = {
        "good": Sample((10.0, 10.5, 9.5, 10.2)),
        "bad": Sample((90.0, 95.0, 99.0, 91.0)),
        "lucky": Sample((1.0,), 3),
        "poor": Sample((500.0, 600.0)),
        "dead": Sample((), 4),
    }
    assert similar_to_best(samples, **FID) == {"good"}
    assert similar_to_best({**samples, "lucky": Sample((1.0,), 1)}, **FID) == {"good"}
    few = {"lucky": Sample((1.0,), 1), "poor": samples["poor"], "dead": samples["dead"]}
    assert similar_to_best(few, **FID) == set()


def test_more_failures_than_values_are_left_out():
    low, high = tuple(np.exp(np.linspace(2.2, 2.4, 3))), tuple(np.exp(np.linspace(3.0, 3.1, 10)))
    samples = {"failing": Sample(low, 7), "one": Sample(high), "other": Sample(tuple(1.01 * x for x in high))}
    assert similar_to_best(samples, **FID) == {"one", "other"}
    assert similar_to_best({"failing": Sample(low, 7), "dead": Sample((), 3)}, **FID) == {"failing"}
    assert similar_to_best({}, **FID) == set()


def test_seeds_that_all_agree():
    # 5 against 5 can part them at p = 2 / 252; out of three pairs that is 0.024.
    samples = {"a": Sample((1.0,) * 5), "b": Sample((1.0,) * 5), "c": Sample((2.0,) * 5)}
    assert similar_to_best(samples, **FID, alpha=0.05) == {"a", "b"}
    assert similar_to_best(samples, **FID, alpha=0.02) == {"a", "b", "c"}


def test_a_value_without_a_logarithm_puts_all_on_the_plain_scale():
    values = {"a": (-0.1, 0.1, 0.0, 0.05), "b": (2.0, 2.1, 1.9, 2.2), "c": (math.nan, 0.1, 0.0, 0.2)}
    samples = {name: Sample(mine) for name, mine in values.items()}
    assert similar_to_best(samples, **FID) == similar_to_best(samples, log=False, lower_is_better=True) == {"a", "c"}


def test_of_two_variants_it_is_welch_s_test():
    # With two groups the studentized range is sqrt(2) |t|.
    base = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    samples = {"a": Sample(tuple(base)), "b": Sample(tuple(base + 1.2))}
    p = stats.ttest_ind(base, base + 1.2, equal_var=False).pvalue
    for alpha in (p * 1.001, p * 0.999):
        similar = similar_to_best(samples, log=False, lower_is_better=True, alpha=alpha)
        assert similar == ({"a"} if alpha > p else {"a", "b"})


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6))
def test_holm_is_the_closed_bonferroni_test(ps):
    # Independent definition: p_i adjusted is the largest Bonferroni p over all subsets of hypotheses that contain i.
    subsets = [s for size in range(1, len(ps) + 1) for s in itertools.combinations(range(len(ps)), size)]
    expected = [
        min(1.0, max(len(s) * min(ps[i] for i in s) for s in subsets if place in s)) for place in range(len(ps))
    ]
    assert holm(ps) == pytest.approx(expected)


def test_holm_by_hand_and_without_what_was_not_tested():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, math.nan, 0.03])[::2] == pytest.approx([0.02, 0.03])
    assert math.isnan(holm([0.01, math.nan])[1])


def test_degrees_of_freedom_that_differ_in_rounding_alone():
    base = np.log([10.0, 11.0, 12.5])
    samples = {f"v{place}": Sample(tuple(np.exp(base + 0.3 * place))) for place in range(6)}
    assert all_pairs(samples, **FID).best == "v0"


def test_seeds_without_any_spread_have_no_interval():
    found = all_pairs({"a": Sample((1.0,) * 3), "b": Sample((2.0,) * 3)}, **FID)
    assert found.to_best["b"][0] == pytest.approx(2.0)
    assert all(math.isnan(end) for end in found.to_best["b"][1:])


@pytest.mark.slow
def test_many_variants_have_letters_that_agree_with_the_test():
    rng = np.random.default_rng(0)
    samples = {f"v{place}": Sample(tuple(rng.lognormal(0.15 * place, 0.1, 4))) for place in range(70)}
    found = all_pairs(samples, **FID)
    assert all(found.letters.values())
    assert not found.similar("v69")
    ratio, low, high = found.to_best["v69"]
    freedom = stats.ttest_ind(np.log(samples["v69"].values), np.log(samples[found.best].values), equal_var=False).df
    exact = stats.studentized_range.isf(0.025, 70, freedom) / math.sqrt(2)
    error = math.log(high / ratio) / exact
    spread = [np.log(samples[name].values).var(ddof=1) / 4 for name in ("v69", found.best)]
    assert error == pytest.approx(math.sqrt(sum(spread)), rel=1e-3)
    assert low * high == pytest.approx(ratio**2)
