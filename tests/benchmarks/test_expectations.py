"""Expected ranges that are kept: they follow from their values, are of the suites as they are, and miss as promised."""

import math
import tomllib

import expectations
import numpy as np
import pytest
import verify
from expectations import read
from scipy import stats

from gan_zoo.bench.suite import read_suite
from gan_zoo.statistics import prediction_interval

KEPT = tomllib.loads(verify.EXPECTED.read_text(encoding="utf-8"))


def test_ranges_of_the_quick_preset_are_kept():
    assert "quick" in KEPT.get("mnist", {})


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("suite", "preset"), [(suite, preset) for suite in KEPT for preset in KEPT[suite]])
def test_the_ranges_that_are_kept_follow_from_their_values_and_are_of_the_suite_as_it_is(suite, preset, whole):
    whole_suite = read_suite(suite)
    asked = whole_suite.preset(preset)
    kept = read(verify.EXPECTED, suite, preset, whole=whole)
    assert tuple(kept.variants) == expectations.FOUNDING
    assert set(kept.settings) == set(kept.variants)
    assert kept.confidence == pytest.approx(1 - 0.05 / 4)
    assert kept.protocol.n == asked.n
    assert 0 < kept.part <= 1
    assert verify._cut(whole_suite, preset, kept.part).preset(preset).budget == kept.budget
    assert kept.budget == {unit: kept.part * amount for unit, amount in asked.budget.items()}
    for facts in kept.variants.values():
        assert len(facts["values"]) + facts["failures"] == len(kept.seeds)
        logs = np.log(facts["values"])
        half = stats.t.ppf((1 + kept.confidence) / 2, len(logs) - 1) * logs.std(ddof=1) * math.sqrt(1 + 1 / len(logs))
        assert np.log(facts["low"]) == pytest.approx(logs.mean() - half, abs=1e-4)
        assert np.log(facts["high"]) == pytest.approx(logs.mean() + half, abs=1e-4)


def test_all_variants_together_are_missed_by_chance_in_five_percent_of_checks():
    random, draws, missed = np.random.default_rng(0), 2_000, 0
    confidence = 1 - (1 - expectations.FAMILY) / len(expectations.FOUNDING)
    for _ in range(draws):
        for _variant in expectations.FOUNDING:
            *known, new = np.exp(random.normal(3.0, 0.2, 9))
            low, high = prediction_interval(known, log=True, confidence=confidence)
            if not low <= new <= high:
                missed += 1
                break
    interval = stats.binomtest(missed, draws).proportion_ci(0.999)
    assert interval.low < 1 - confidence**4 < interval.high  # independent variants: just below the bound of Bonferroni
    assert 1 - confidence**4 < 0.05
