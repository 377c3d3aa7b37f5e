"""Coverage of the intervals by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.studies import calibration
from benchmarks.studies.calibration import Distribution, covered, log_t, main, newcombe, populations, student
from gan_zoo.statistics import log_t_interval, t_interval
from gan_zoo.statistics.effects import improvement


@pytest.mark.parametrize(("many", "one"), [(student, t_interval), (log_t, log_t_interval)])
def test_intervals_of_many_draws_are_the_suite_s(many, one):
    values = np.random.default_rng(0).lognormal(size=(20, 6))
    values[3, 2] = values[4, 1:4] = values[5, 1:] = np.nan
    for low, high, row in zip(*many(values), values, strict=True):
        found = one(row)
        assert [low, high] == pytest.approx([found.low, found.high], nan_ok=True)


def test_means_of_the_populations():
    # Against a large draw, the mixture's with and without its collapsed seeds.
    for known in populations().values():
        values, failed = known.draw(np.random.default_rng(1), (1, 2_000_000))
        for truth, counted in ((known.truth, values), (known.successful, values[~failed])):
            found = {"arithmetic mean": counted.mean(), "geometric mean": np.exp(np.log(counted).mean())}
            assert found == pytest.approx(truth, rel=5e-3)


def test_coverage_counts_the_intervals_with_the_truth(monkeypatch):
    # Student's t covers 95%; a bootstrap's ends are z s / sqrt(n) with n for n - 1, which t(4) covers in 85%.
    monkeypatch.setattr(calibration, "DRAWS", {"closed": 4000, "bootstrap": 500})
    truth = dict.fromkeys(("arithmetic mean", "geometric mean"), 40.0)
    known = Distribution(lambda rng, shape: (rng.normal(40, 1, shape), np.zeros(shape, dtype=bool)), truth, truth)
    found = {row["method"]: row["coverage"] for row in covered("normal", known, 5)}
    assert found["Student's t"] == pytest.approx(0.95, abs=0.011)
    assert found["percentile bootstrap"] == pytest.approx(1 - 2 * stats.t.sf(1.96 * np.sqrt(0.8), 4), abs=0.05)


def test_the_method_of_the_report_covers_and_failures_in_the_mean_do_not(monkeypatch):
    monkeypatch.setattr(calibration, "DRAWS", {"closed": 10_000, "bootstrap": 1})
    found = {row["method"]: row["coverage"] for row in covered("mixture", populations()["mixture"], 10)}
    assert 0.92 < found["t on log, failures apart"] < 0.97
    assert found["Student's t"] < 0.8


def test_newcombe_of_many_is_the_suite_s():
    rng = np.random.default_rng(2)
    first, second = rng.normal(1, size=(6, 5)), rng.normal(size=(6, 5))
    first[0] += 9
    for low, high, *pair in zip(*newcombe(first, second), first, second, strict=True):
        assert [low, high] == pytest.approx(improvement(*pair)[1:])


def test_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "DRAWS", {"closed": 50, "bootstrap": 20})
    assert main(["--out", str(tmp_path)]) == 0
    rows = pd.read_csv(tmp_path / "coverage.csv")
    assert set(rows["seeds"]) == {5, 10, 20}
    assert rows.groupby("distribution").size().to_dict() == {"lognormal": 18, "mixture": 18, "normal": 18 + 12}
    assert rows["coverage"].between(0, 1).all()
    assert (tmp_path / "coverage.md").is_file()
