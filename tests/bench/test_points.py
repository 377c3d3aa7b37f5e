"""A suite of points from data to report: compared with the density, ranked by JSD, recorded and reported."""

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan_zoo import api, data, registry
from gan_zoo.bench.folder import read_manifest, read_runs
from gan_zoo.bench.run import discriminator_estimate
from gan_zoo.bench.tables import read_results, write_tables
from gan_zoo.engine import Sampler, init
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.mixture import PointEvaluator
from gan_zoo.registry import get, load_plugin
from gan_zoo.report.context import write_report
from gan_zoo.report.tables import ranking_table

PLUGIN = Path(__file__).parent / "points_plugin.py"
SUITE = """
title = "Points"
data = "ring8"
variants = ["true_ring", "one_mode", "packed_ring"]
extractors = ["density"]

[presets.smoke]
seeds = 2
budget = { images = 128 }
evaluate_at = [0.5, 1.0]
num_samples = 20_000
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("points")
    (here / "points.toml").write_text(SUITE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        registry.names()
        patch.setattr(registry, "_factories", dict(registry._factories))
        patch.setattr(api, "write_report", lambda out: write_tables(out) and out / "report.html")
        api.run_suite(here / "points.toml", here / "out", preset="smoke", plugins=[PLUGIN], jobs=1, device="cpu")
    return here / "out"


@pytest.fixture
def ring_run(folder):
    return next(run for run in read_runs(folder) if run.begin["variant"] == "true_ring")


def test_generators_are_compared_with_the_density(folder):
    results = write_tables(folder)
    assert set(results.runs["status"]) == {"ok"}, "collapse is a metric of points and no status"
    summary = results.summary.set_index(["variant", "metric"])
    assert summary.loc[("true_ring", "modes_found"), "mean"] == 8
    assert summary.loc[("true_ring", "high_quality"), "mean"] == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    assert summary.loc[("one_mode", "modes_found"), "mean"] == 1
    # One of eight equal modes: with M = (P + Q) / 2, JSD = (KL(P|M) + KL(Q|M)) / 2.
    by_hand = 0.5 * (math.log(2 / 9) / 8 + 7 / 8 * math.log(2)) + 0.5 * math.log(16 / 9)
    assert summary.loc[("one_mode", "jsd"), "mean"] == pytest.approx(by_hand, abs=0.01)
    assert summary.loc[("true_ring", "jsd"), "mean"] == pytest.approx(summary.loc[("real", "jsd"), "mean"], rel=0.2)
    assert summary.loc[("true_ring", "jsd"), "method"] == "t on log"
    # The other discriminators do not estimate the ratio.
    assert set(results.metrics.query("metric == 'd_gap'")["variant"]) == {"true_ring"}
    table = ranking_table(read_results(folder))
    assert "FID" not in table
    assert list(table["variant"])[2:] == ["one_mode", "real"]
    assert set(table["variant"][:2]) == {"true_ring", "packed_ring"}


def test_rows_and_manifest_identify_the_metrics(folder, ring_run):
    manifest = read_manifest(folder)
    assert (manifest["ranked_by"], list(manifest["extractors"])) == ("jsd", ["density"])
    assert manifest["num_samples"] == 20_000
    assert list(manifest["metrics"]) == ["jsd", "modes_found", "high_quality", "d_gap"]
    assert (manifest["data"]["kind"], len(manifest["data"]["density"]["means"])) == ("points", 8)
    row = ring_run.metrics[-1]
    assert (row["extractor"], row["num_samples"], row["reference"]) == ("density", 20_000, "truth")
    assert list(row["selection"]) == ["jsd"]
    assert row["selection"]["jsd"] != row["values"]["jsd"]


def test_points_are_recorded_and_at_the_end_the_densities(folder, ring_run):
    first, last = (np.load(folder / row["file"]) for row in ring_run.points)
    assert first.files == ["points"]
    assert first["points"].shape == (2500, 2)
    assert set(last.files) == {"points", "counts", "learned"}
    assert last["counts"].sum() == 20_000
    assert ((last["learned"] >= 0) & (last["learned"] <= 1)).all()
    assert not ring_run.samples


def test_the_report_is_about_points_and_has_their_figures(folder):
    report = write_report(folder)
    for name in ("report.html", "report.md"):
        text = re.sub(r"base64,[^\"]*", "", (report.parent / name).read_text(encoding="utf-8"))
        assert "JSD" in text
        assert not re.search("FID|Inception|images seen", text)
    names = {path.stem for path in (report.parent / "figures").iterdir()}
    assert names == {"curve", "cost", "samples"}
    assert "D* = p_data / (p_data + p_g)" in (report.parent / "report.html").read_text(encoding="utf-8")


def test_the_same_seed_draws_the_same_values():
    load_plugin(PLUGIN)
    ring = data.load("ring8")
    state = init(get("true_ring"), ring, 0)
    evaluator = PointEvaluator(ring.density, 5_000, state.device)
    first, again, other = (evaluator.measure(Sampler.of(state), seed)[0]["values"] for seed in (1, 1, 2))
    assert first == again != other
    assert evaluator.floor(0)[0]["values"] != evaluator.floor(1)[0]["values"]
    assert evaluator.seconds > 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('["density"]', '["mnist-cnn"]', "mnist-cnn"),
        ("num_samples = 20_000", "num_samples = 100", "2500 points"),
    ],
)
def test_extractors_and_counts_that_do_not_fit_points_are_one_line(tmp_path, old, new, named):
    (tmp_path / "points.toml").write_text(SUITE.replace(old, new), encoding="utf-8")
    with pytest.raises(GanZooError, match=named) as error:
        api.run_suite(tmp_path / "points.toml", tmp_path / "out", preset="smoke", plugins=[PLUGIN], jobs=1)
    assert "\n" not in str(error.value)


def test_a_missing_recording_leaves_its_panel_out(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "out", ignore=shutil.ignore_patterns("*.npz", "figures", "report*"))
    assert write_report(tmp_path / "out").is_file()


@pytest.mark.parametrize(
    ("name", "estimates"),
    [("nsgan", True), ("mmgan", True), ("r1gan", False), ("dragan", False), ("lsgan_dcgan", False)],
)
def test_a_penalized_discriminator_is_no_estimate_of_the_ratio(name, estimates):
    """A penalty moves the best D away from D*, however long it is trained."""
    variant = get(name, backbone={"name": "points", "width": 4, "depth": 1, "norm": "none"}, latent="2 normal")
    state = init(variant, data.load("mixture1d"), seed=0)
    assert (discriminator_estimate(state) is not None) is estimates


def test_points_are_measured_from_python():
    variant = get("nsgan", backbone={"name": "points", "width": 4, "depth": 1}, latent="2 normal")
    sampler = Sampler.of(init(variant, data.load("ring8"), seed=0))
    measured = api.evaluate(sampler, "ring8", num_samples=2500)
    assert measured.loc["real", "modes_found"] == 8
    assert measured.loc["nsgan", "jsd"] > 0.5
    with pytest.raises(GanZooError, match="2,500 points"):
        api.evaluate(sampler, "ring8", num_samples=100)
