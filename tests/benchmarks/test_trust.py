"""Coverage by simulation, the A/A test and its power: on synthetic seeds, and the script from end to end."""

import json

import numpy as np
import pytest
import trust
from reliability import alike as alike_module
from reliability import coverage as coverage_module
from reliability import improvement as improvement_module
from reliability.alike import alike, counted, seed_errors, shares
from reliability.coverage import Distribution, considered, covered, log_t, populations, student
from reliability.families import Runs, draw, recorded, said, said_of_many, theory
from reliability.improvement import brunner_munzel, newcombe, wins
from reliability.write import read
from scipy import optimize, special, stats

from gan_zoo.errors import GanZooError
from gan_zoo.statistics import log_t_interval, t_interval
from gan_zoo.statistics.effects import improvement


@pytest.fixture
def fids():
    """60 seeds of one variant, 15% apart."""
    return np.random.default_rng(4).lognormal(3.6, 0.15, 60)


@pytest.fixture
def folder(tmp_path):
    """Records of ``gan`` and the floor, as far as the A/A test reads them."""

    def make(seeds, **statuses):
        manifest = {"data": {"title": "MNIST"}, "extractors": {"inception": {}, "mnist-cnn": {}}, "n": 2000,
                    "preset": "quick", "cells": []}  # fmt: skip
        (tmp_path / "cells").mkdir()
        for name, values in (("gan", seeds), ("real", np.full(50, 3.0))):
            for seed, value in enumerate(values):
                begin = {"row": "begin", "variant": name, "seed": seed, "data": "mnist", "preset": "quick",
                         "title": name}  # fmt: skip
                metrics = {"row": "metrics", "step": 9, "fraction": 1.0, "extractor": "mnist-cnn", "n": 2000,
                           "values": {"fid": float(value)}}  # fmt: skip
                end = {"row": "end", "status": statuses.get(f"seed{seed}", "ok"), "seconds": 1.0, "steps": 9}
                rows = [begin, metrics] + ([end] if end["status"] != "unfinished" else [])
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (tmp_path / "cells" / f"{name}-{seed}.jsonl").write_text(lines)
                manifest["cells"].append(f"{name}-{seed}")
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    return make


@pytest.mark.parametrize(("many", "one"), [(student, t_interval), (log_t, log_t_interval)])
def test_intervals_of_many_draws_are_the_suite_s(many, one):
    values = np.random.default_rng(0).lognormal(size=(20, 6))
    values[3, 2] = values[4, 1:4] = values[5, 1:] = np.nan
    for low, high, row in zip(*many(values), values, strict=True):
        found = one(row)
        assert [low, high] == pytest.approx([found.low, found.high], nan_ok=True)


def test_coverage_knows_what_each_method_aims_at():
    # The populations' centers against a large draw, the mixture's with and without its collapsed seeds.
    for known in populations():
        values, failed = known.draw(np.random.default_rng(1), (1, 2_000_000))
        for truth, kept in ((known.truth, values), (known.survivors, values[~failed])):
            found = {"arithmetic mean": kept.mean(), "geometric mean": np.exp(np.log(kept).mean()),
                     "median": np.median(kept)}  # fmt: skip
            assert found == pytest.approx(truth, rel=5e-3)


def test_coverage_counts_what_the_interval_holds(monkeypatch):
    # Student's t covers 95%; a bootstrap's ends are z s / sqrt(n) with n for n - 1 off, which t(4) holds in 85%.
    monkeypatch.setattr(coverage_module, "DRAWS", {"closed": 4000, "bootstrap": 500})
    truth = dict.fromkeys(("arithmetic mean", "geometric mean", "median"), 40.0)
    known = Distribution("normal", "", lambda rng, shape: (rng.normal(40, 1, shape), np.zeros(shape, dtype=bool)),
                         truth, truth)  # fmt: skip
    found = {row["method"]: row["coverage"] for row in covered(known, 5, considered())}
    assert found["Student's t"] == pytest.approx(0.95, abs=0.011)
    assert found["percentile bootstrap"] == pytest.approx(1 - 2 * stats.t.sf(1.96 * np.sqrt(0.8), 4), abs=0.05)
    assert found["order statistics"] == pytest.approx(1 - 2 / 2**5, abs=0.012)


def test_the_chosen_method_covers_and_collapse_among_the_values_does_not():
    mixture = next(known for known in populations() if known.name == "mixture")
    closed = [method for method in considered() if method.kind == "closed"]
    found = {row["method"]: row for row in covered(mixture, 10, closed)}
    assert 0.92 < found["t on log, failures apart"]["coverage"] < 0.97
    assert found["t on log, failures apart"]["chosen"]
    assert found["Student's t"]["coverage"] < 0.8


def test_newcombe_of_many_is_the_suite_s_and_the_other_has_none_at_separation():
    rng = np.random.default_rng(2)
    first, second = rng.normal(1, size=(6, 5)), rng.normal(size=(6, 5))
    first[0] += 9
    won = wins(first, second)
    for low, high, *pair in zip(*newcombe(won), first, second, strict=True):
        assert [low, high] == pytest.approx(improvement(*pair)[1:])
    assert np.isnan(brunner_munzel(won)[0][0])


def test_brunner_and_munzel_s_interval_is_of_scipy_s_test():
    first, second = np.array([1.0, 4.0, 6.0, 7.0, 9.0]), np.array([0.0, 2.0, 3.0, 5.0, 8.0])
    won = wins(first[None], second[None])
    share, found = won.mean(), stats.brunnermunzel(first, second)
    error = (share - 0.5) / abs(found.statistic)
    freedom = optimize.brentq(lambda df: 2 * stats.t.sf(abs(found.statistic), df) - found.pvalue, 1, 100)
    half = stats.t.ppf(0.975, freedom) * error / (share * (1 - share))
    ends = [special.expit(special.logit(share) + side * half) for side in (-1, 1)]
    assert np.concatenate(brunner_munzel(won)) == pytest.approx(ends)


def test_nothing_is_drawn_twice_within_a_family(fids):
    families = draw(np.random.default_rng(0), fids, 200, 4, 5)
    assert families.shape == (200, 4, 5)
    assert all(len(np.unique(family)) == 20 for family in families)
    assert set(families.ravel()) == set(fids)


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0.0, 0.3, 0.5])
def test_many_families_are_judged_as_the_report_judges_one(fids, failing):
    rng = np.random.default_rng(1)
    families = draw(rng, np.where(rng.random(60) < failing, np.nan, fids), 25, 4, 5)
    families[:, 1] *= rng.uniform(1.1, 1.6, 25)[:, None]
    families[:, 2] *= rng.uniform(0.7, 1.0, 25)[:, None]
    declared, untied = (which.any(axis=1) for which in said_of_many(families))
    expected = np.array([said(family) for family in families])
    assert 0.05 < expected[:, 0].mean() < 0.95
    assert (declared == expected[:, 0]).all()
    assert (untied == expected[:, 1]).all()


def test_nothing_planted_is_declared_in_at_most_a_twentieth():
    # 20,000 families of normal seeds: the union of both questions keeps to alpha, and would not with alpha each.
    families = np.exp(np.random.default_rng(3).normal(size=(20_000, 4, 10)))
    split, whole = shares(families), shares(families, alpha=0.05)
    assert split["either"] < 0.05 < whole["either"]
    assert max(split["contrasts"], split["ranking"]) <= split["either"] <= split["contrasts"] + split["ranking"]


def test_planted_differences_are_found_as_often_as_theory_says():
    rng = np.random.default_rng(5)
    for names, seeds, difference in ((2, 10, 1.0), (2, 20, 1.0), (4, 20, 1.0)):
        families = rng.normal(size=(5000, names, seeds))
        families[:, 1] += difference
        declared, untied = said_of_many(np.exp(families))
        assert declared[:, 0].mean() == pytest.approx(theory(names, seeds, difference), abs=0.03)
        assert untied[:, 1].mean() > 0.5


def test_seed_error_is_what_other_seeds_would_do():
    # Deviation of the share over fresh sets of 60 seeds, against the mean error told from one set.
    rng, found, told = np.random.default_rng(6), [], []
    for place in range(40):
        values = rng.lognormal(3.6, 0.15, 60)
        found.append(shares(draw(rng, values, 1000, 4, 5))["either"])
        if place < 5:
            told.append(seed_errors(values, 1000, 30, rng)["either"])
    fresh = np.sqrt(max(np.var(found, ddof=1) - np.mean(found) * (1 - np.mean(found)) / 1000, 0))
    assert 0.5 * fresh < np.mean(told) < 2.5 * fresh + 0.003


def test_interval_of_a_share():
    assert counted(0, 100, 0.0) == {"declared": 0, "of": 100, "low": 0.0, "high": 0.0}
    found = counted(10, 100, 0.04)
    assert found["high"] - 0.1 == pytest.approx(1.959964 * np.hypot(0.04, 0.03))
    assert found["low"] == pytest.approx(0.2 - found["high"])


def test_alike_says_what_the_issue_asks_for(fids):
    fids[7] = np.nan
    found = alike(Runs(fids, {"variant": "gan", "data": "MNIST", "extractor": "mnist-cnn"}), families=20, subsets=4)
    assert {"declared", "of", "low", "high", "seeds", "alpha"} <= set(found)
    assert (found["of"], found["seeds"], found["alpha"], found["failures"]) == (20, 60, 0.05, 1)
    assert {key: found[key] for key in found["either"]} == found["either"]
    assert found["declared"] >= max(found["contrasts"]["declared"], found["ranking"]["declared"])
    power = {(row["names"], row["seeds"], row["difference"]) for row in found["power"]}
    assert {(2, seeds, size) for seeds in (5, 10, 20) for size in (0.5, 1.0, 2.0)} < power
    assert (3, 20, 1.0) in power


def test_recorded_seeds_and_failures_without_the_floor(folder, fids):
    runs = recorded(folder(fids, seed3="diverged", seed59="unfinished"))
    assert len(runs.values) == 59
    assert np.isnan(runs.values[3])
    np.testing.assert_allclose(np.delete(runs.values, 3), np.delete(fids[:59], 3))
    assert (runs.facts["variant"], runs.facts["extractor"], runs.facts["n"]) == ("gan", "mnist-cnn", 2000)


def test_fewer_than_forty_seeds_are_refused(folder, fids, tmp_path, capsys):
    folder(fids[:39])
    with pytest.raises(GanZooError, match=r"has 39 finished seeds of a variant; an A/A test needs at least 40"):
        recorded(tmp_path)
    assert trust.main(["aa", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_from_end_to_end(folder, fids, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage_module, "DRAWS", {"closed": 50, "bootstrap": 20})
    monkeypatch.setattr(improvement_module, "DRAWS", 20)
    monkeypatch.setattr(alike_module.alike, "__kwdefaults__", {"families": 10, "subsets": 3})
    out = tmp_path / "out"
    assert trust.main(["coverage", "--out", str(out)]) == 0
    written = json.loads((out / "coverage.json").read_text())
    assert [row for row in written["considered"] if row["chosen"]] == written["rows"]
    chosen = {(row["distribution"], row["seeds"]) for row in written["rows"]}
    assert chosen == {(name, seeds) for name in ("normal", "lognormal", "mixture") for seeds in (5, 10, 20)}
    assert trust.main(["aa", str(folder(fids)), "--out", str(out)]) == 0
    text = (out / "trust.md").read_text()
    assert capsys.readouterr().out.splitlines() == [str(out / "trust.md")] * 2
    found = json.loads((out / "aa.json").read_text())
    assert f"{found['declared']} of 10" in text
    assert "**t on log, failures apart**" in text


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "aa.json").write_text("{")
    with pytest.raises(GanZooError, match=r"cannot read .*aa.json"):
        read(tmp_path / "aa.json")
