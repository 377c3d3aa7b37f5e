"""False positives and power: families of equal variants, on synthetic seeds, and the study from end to end."""

import json
import string

import numpy as np
import pytest

from benchmarks.studies.false_positives import (
    Runs,
    aa,
    counted,
    differences,
    draw,
    main,
    recorded,
    seed_errors,
    shares,
    theory,
)
from gan_zoo.errors import GanZooError
from gan_zoo.statistics import Sample, all_pairs
from gan_zoo.statistics import contrasts as planned


@pytest.fixture
def fids():
    """60 seeds of one variant, 15% apart."""
    return np.random.default_rng(4).lognormal(3.6, 0.15, 60)


@pytest.fixture
def folder(tmp_path):
    """Records of ``gan`` and the floor, as far as the A/A test reads them."""
    manifest = {"data": {"name": "mnist", "title": "MNIST"}, "extractors": {"inception": {}, "mnist-cnn": {}}}
    manifest |= {"num_samples": 2000, "preset": "quick", "runs": [], "variants": ["gan"], "seeds": list(range(60))}
    ended = {"images": 576, "seconds": 1.0}

    def make(seeds, **statuses):
        (tmp_path / "records").mkdir()
        for name, values in (("gan", seeds), ("real", np.full(50, 3.0))):
            for seed, value in enumerate(values):
                begin = {"row": "begin", "variant": name, "seed": seed, "data": "mnist", "preset": "quick"}
                metrics = {"row": "metrics", "step": 9, "fraction": 1.0, "extractor": "mnist-cnn", **ended}
                metrics |= {"num_samples": 2000, "values": {"fid": float(value)}}
                end = {"row": "end", "status": statuses.get(f"seed{seed}", "ok"), "steps": 9, **ended}
                rows = [begin | {"title": name}, metrics] + ([end] if end["status"] != "unfinished" else [])
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (tmp_path / "records" / f"{name}-{seed}.jsonl").write_text(lines)
                manifest["runs"].append(f"{name}-{seed}")
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    return make


def reported(family: np.ndarray) -> tuple[bool, bool]:
    """Whether the report shows a contrast with the first name, and a name significantly different from the best.

    A name that failed more often than not is ranked last by rule, which shows no difference. ``family`` is
    (names, seeds) of FIDs, NaN if a seed failed.
    """
    samples = {
        name: Sample(tuple(mine[~np.isnan(mine)]), int(np.isnan(mine).sum()))
        for name, mine in zip(string.ascii_lowercase, family, strict=False)
    }
    first, *others = samples
    found = planned(samples, [(name, first) for name in others], log=True, lower_is_better=True)
    tests = all_pairs(samples, log=True, lower_is_better=True)
    ranked = {name for name, sample in samples.items() if sample.values and not sample.mostly_failed}
    return any(one.verdict in ("better", "worse") for one in found), any(not tests.similar(name) for name in ranked)


def test_nothing_is_drawn_twice_within_a_family(fids):
    families = draw(np.random.default_rng(0), fids, 200, 4, 5)
    assert families.shape == (200, 4, 5)
    assert all(len(np.unique(family)) == 20 for family in families)
    assert set(families.ravel()) == set(fids)


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0.0, 0.3, 0.5])
def test_many_families_are_tested_as_the_report_tests_one(fids, failing):
    rng = np.random.default_rng(1)
    families = draw(rng, np.where(rng.random(60) < failing, np.nan, fids), 25, 4, 5)
    families[:, 1] *= rng.uniform(1.1, 1.6, 25)[:, None]
    families[:, 2] *= rng.uniform(0.7, 1.0, 25)[:, None]
    found = [which.any(axis=1) for which in differences(families)]
    expected = np.array([reported(family) for family in families])
    assert 0.05 < expected[:, 0].mean() < 0.95
    assert (np.stack(found, axis=1) == expected).all()


@pytest.mark.slow
def test_false_positives_are_at_most_a_twentieth():
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
        contrasts, ranking = differences(np.exp(families))
        assert contrasts[:, 0].mean() == pytest.approx(theory(names, seeds, difference), abs=0.03)
        assert ranking[:, 1].mean() > 0.5


def test_seed_error_is_what_other_seeds_would_do():
    # Deviation of the share over fresh sets of 60 seeds, against the mean estimate from one set.
    rng = np.random.default_rng(6)
    found = []
    estimates = []
    for place in range(40):
        values = rng.lognormal(3.6, 0.15, 60)
        found.append(shares(draw(rng, values, 1000, 4, 5))["either"])
        if place < 5:
            estimates.append(seed_errors(values, 1000, 30, rng)["either"])
    fresh = np.sqrt(max(np.var(found, ddof=1) - np.mean(found) * (1 - np.mean(found)) / 1000, 0))
    assert 0.5 * fresh < np.mean(estimates) < 2.5 * fresh + 0.003


def test_interval_of_a_share():
    assert counted(0, 100, 0.0) == {"significant": 0, "of": 100, "low": 0.0, "high": 0.0}
    found = counted(10, 100, 0.04)
    assert found["high"] - 0.1 == pytest.approx(1.959964 * np.hypot(0.04, 0.03))
    assert found["low"] == pytest.approx(0.2 - found["high"])


def test_the_shares_and_the_power(fids):
    fids[7] = np.nan
    found = aa(Runs(fids, {"variant": "gan", "data": "MNIST", "extractor": "mnist-cnn"}), families=20, subsets=4)
    assert (found["of"], found["seeds"], found["alpha"], found["failures"]) == (20, 60, 0.05, 1)
    assert {key: found[key] for key in found["either"]} == found["either"]
    assert found["significant"] >= max(found[question]["significant"] for question in ("contrasts", "ranking"))
    power = {(row["names"], row["seeds"], row["difference"]) for row in found["power"]}
    assert {(2, seeds, size) for seeds in (5, 10, 20) for size in (0.5, 1.0, 2.0)} < power
    assert (3, 20, 1.0) in power


def test_recorded_seeds_and_failures_without_the_floor(folder, fids):
    runs = recorded(folder(fids, seed3="diverged", seed59="unfinished"))
    assert len(runs.values) == 59
    assert np.isnan(runs.values[3])
    np.testing.assert_allclose(np.delete(runs.values, 3), np.delete(fids[:59], 3))
    assert (runs.facts["variant"], runs.facts["extractor"], runs.facts["num_samples"]) == ("gan", "mnist-cnn", 2000)


def test_fewer_than_forty_seeds_are_refused(folder, fids, tmp_path, capsys):
    folder(fids[:39])
    with pytest.raises(GanZooError, match="39 finished seeds"):
        recorded(tmp_path)
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_from_end_to_end(folder, fids, tmp_path, monkeypatch):
    monkeypatch.setattr(aa, "__kwdefaults__", {"families": 10, "subsets": 3})
    assert main([str(folder(fids)), "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "aa.json").read_text())["of"] == 10
    assert "| either |" in (tmp_path / "out" / "aa.md").read_text()
