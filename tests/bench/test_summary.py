"""Rows over seeds: comparisons and failure rates, from records with known values."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gan_zoo.bench.tables import tables

FIDS = {"a": [20.0, 22.0, 21.0, 19.0, 20.5], "b": [40.0, 44.0, 39.0, 42.0, 41.0], "c": [21.0, 20.0, 22.0, 20.0, 19.5]}

BEGIN = {"row": "begin", "data": "mnist", "preset": "quick"}
MEASURED = {"row": "metrics", "num_samples": 100, "weights": "raw", "reference": "test"}


@pytest.fixture
def make(tmp_path: Path):
    """A results folder of these final FIDs; None stands for a seed that diverged."""

    def made(fids, **manifest) -> Path:
        names = []
        (tmp_path / "records").mkdir(exist_ok=True)
        at = {"step": 10, "images": 640, "seconds": 1.0, "fraction": 1.0, "discriminator_steps": 50}
        for variant, seed, value in ((name, *pair) for name, values in fids.items() for pair in enumerate(values)):
            rows = [{**BEGIN, "variant": variant, "seed": seed, "title": variant}]
            if value is not None:
                for extractor, scale in (("mnist-cnn", 1.0), ("inception", 0.5)):
                    rows.append({**MEASURED, **at, "extractor": extractor, "values": {"fid": value * scale}})
            status = "diverged" if value is None else "ok"
            rows.append({"row": "end", "status": status, "steps": 10, "images": 640, "seconds": 1.0})
            names.append(f"{variant}-seed{seed}")
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / "records" / f"{names[-1]}.jsonl").write_text(text)
        facts = {"runs": names, "data": {"name": "mnist", "title": "MNIST"}, "preset": "quick"}
        facts |= {"variants": list(fids), "seeds": list(range(max(map(len, fids.values()))))}
        facts |= {"extractors": {"mnist-cnn": {}, "inception": {}}}
        (tmp_path / "manifest.json").write_text(json.dumps(facts | manifest))
        return tmp_path

    return made


def contrasts(folder: Path, extractor: str = "mnist-cnn"):
    frame = tables(folder)["contrasts"]
    return frame[frame["extractor"] == extractor].set_index(["variant", "baseline"])


def test_a_contrast_is_welch_on_the_logarithm(make):
    found = contrasts(make(FIDS, contrasts=[["b", "a"]]))
    log = np.log(FIDS["b"]).mean() - np.log(FIDS["a"]).mean()
    test = stats.ttest_ind(np.log(FIDS["b"]), np.log(FIDS["a"]), equal_var=False)
    line = found.loc["b", "a"]
    assert line["ratio"] == pytest.approx(math.exp(log))
    assert line["p"] == pytest.approx(test.pvalue) == line["p_adjusted"]
    assert (line["verdict"], line["seeds"], line["baseline_seeds"]) == ("worse", 5, 5)


def test_only_the_planned_pairs_are_compared(make):
    assert list(contrasts(make(FIDS, contrasts=[["c", "b"], ["b", "a"]])).index) == [("c", "b"), ("b", "a")]
    assert list(contrasts(make(FIDS, contrasts=[["c", "gone"], ["b", "a"]])).index) == [("b", "a")]
    assert contrasts(make(FIDS, contrasts=[])).empty


def test_without_a_plan_each_is_compared_with_the_first_with_enough_seeds(make):
    assert list(contrasts(make(FIDS)).index) == [("b", "a"), ("c", "a")]
    failed = {"a": [None, None, 20.0, None, None], "b": FIDS["b"], "c": FIDS["c"]}
    found = contrasts(make(failed))
    assert list(found.index) == [("a", "b"), ("c", "b")]
    assert found.loc[("a", "b"), "verdict"] == "too few seeds"
    assert found.loc[("a", "b"), "failures"] == 4


def test_each_extractor_is_a_family_of_its_own(make):
    folder = make(FIDS)
    own, inception = contrasts(folder), contrasts(folder, "inception")
    assert list(own.index) == list(inception.index)
    # A common scale does not change a ratio.
    np.testing.assert_allclose(own["p_adjusted"], inception["p_adjusted"], rtol=1e-9)


def test_the_failure_rate_has_the_interval_of_a_binomial(make):
    summary = tables(make({"a": [20.0, None, 21.0, None, 20.5]}))["summary"]
    line = summary[(summary["metric"] == "fid") & (summary["extractor"] == "mnist-cnn")].iloc[0]
    exact = stats.binomtest(2, 5).proportion_ci(method="exact")
    assert (line["failures"], line["runs"], line["failure_rate"]) == (2, 5, 0.4)
    assert (line["failure_low"], line["failure_high"]) == pytest.approx((exact.low, exact.high))
    assert line["seeds"] == 3


def test_rows_carry_their_fingerprint_and_their_discriminator_steps(make):
    metrics = tables(make(FIDS))["metrics"]
    assert metrics.groupby("extractor")["fingerprint"].nunique().to_dict() == {"inception": 1, "mnist-cnn": 1}
    assert metrics["fingerprint"].str.fullmatch("[0-9a-f]{12}").all()
    assert set(metrics["discriminator_steps"]) == {50}
