"""Runs of a suite: what is on record, what is trained again and what is not."""

import json
import signal

import filelock
import numpy as np
import pandas as pd
import pytest
from killing import kinds
from killing import rows as rows_by_run
from PIL import Image
from results_folders import Notices, assert_same_tables, content

from gan_zoo import GanZooError
from gan_zoo.bench import runner
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.folder import read_runs
from gan_zoo.engine import advance, start
from gan_zoo.errors import Interrupted
from gan_zoo.metrics.evaluator import NEIGHBOR_ROWS, NEIGHBORS
from gan_zoo.metrics.extractors import load_extractor


def rows(folder, name):
    """All rows of the run whose name begins so."""
    (found,) = (found for run, found in rows_by_run(folder).items() if run.startswith(name))
    return found


def count(folder, name, kind):
    return len(kinds(rows(folder, name), kind))


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


class CtrlC(Notices):
    """Presses Ctrl-C once a run of ``variant`` has trained so far."""

    def __init__(self, variant, share):
        super().__init__()
        self.variant, self.share = variant, share

    def block(self, run, share, rate, values):
        if run.variant_name == self.variant and share >= self.share:
            signal.raise_signal(signal.SIGINT)


def test_every_run_is_on_record(bench, tmp_path):
    outcome = bench()
    results = outcome.results
    assert outcome.errors == ()
    assert set(zip(results.runs["variant"], results.runs["seed"], strict=True)) == {
        (variant, seed) for variant in ("real", "by_heart", "sibling") for seed in (0, 1)
    }
    assert set(results.runs["status"]) == {"ok"}
    real = results.runs["variant"] == "real"
    assert results.runs[real]["peak_memory_bytes"].isna().all()
    trained = results.runs[~real]
    assert (trained["peak_memory_bytes"] > 2**20).all()
    assert set(trained["images"]) == {160}
    assert set(trained["discriminator_steps"]) == set(trained["generator_steps"]) == {10}
    shared = results.metrics[["num_samples", "reference", "extractor"]].drop_duplicates()
    assert shared.values.tolist() == [[140, "test", "digits-cnn"]]
    for run in read_runs(tmp_path / "out"):
        if run.begin["variant"] != "real":
            assert [(row["step"], row["discriminator_steps"]) for row in run.metrics] == [(4, 4), (10, 10)]
            sheets = [(row["kind"], row["step"]) for row in run.samples]
            assert sheets == [("grid", 4), ("neighbors", 10), ("grid", 10)]
            assert all((tmp_path / "out" / row["file"]).is_file() for row in run.samples)
            assert run.history[-1]["step"] == 10


def test_samples_lie_beside_their_nearest_training_images(bench, tmp_path):
    """`by_heart` draws digits, a little paler: the nearest training image is all but the same."""
    bench(seeds=[0])
    found = next(run for run in read_runs(tmp_path / "out") if run.begin["variant"] == "by_heart")
    (row,) = (row for row in found.samples if row["kind"] == "neighbors")
    pixels = np.asarray(Image.open(tmp_path / "out" / row["file"]))
    tiles = pixels.reshape(row["rows"], row["height"], row["columns"], row["width"]).swapaxes(1, 2)
    samples, nearest = tiles[:, 0].astype(int), tiles[:, 1].astype(int)
    assert (row["rows"], row["columns"]) == (NEIGHBOR_ROWS, 1 + NEIGHBORS)
    assert np.abs(samples - nearest).mean() < 8
    assert np.abs(samples - np.roll(nearest, 1, axis=0)).mean() > 30  # the others' neighbors are others


def test_the_floor_is_measured_like_a_variant(bench):
    metrics = bench("out", ('["by_heart", "sibling"]', '["cgan"]')).results.metrics
    floor, trained = (metrics[metrics["variant"] == name] for name in ("real", "cgan"))
    assert set(floor["metric"]) == set(trained["metric"]) == set(load_extractor("digits-cnn").metrics)
    assert set(floor["seed"]) == {0, 1}
    assert set(floor["step"]) == set(floor["images"]) == {0}
    fid = metrics[metrics["metric"] == "fid"].groupby("variant")["value"].mean()
    assert fid["real"] < fid["cgan"]


def test_the_best_is_chosen_on_another_draw(bench, tmp_path):
    runs = bench(seeds=[0]).results.runs.set_index("run")
    for run in read_runs(tmp_path / "out"):
        if run.begin["variant"] != "real":
            assert all(row["selection"]["fid"] != row["values"]["fid"] for row in run.metrics)
            chosen = min(run.metrics, key=lambda row: row["selection"]["fid"])
            assert runs.loc[run.name, "best_step"] == chosen["step"]
            assert runs.loc[run.name, "best_fid_digits-cnn"] == pytest.approx(chosen["values"]["fid"], rel=1e-12)


def test_a_finished_run_is_never_trained_twice(bench, tmp_path):
    first = bench(seeds=[0])
    before, written = content(tmp_path / "out"), (tmp_path / "out" / "manifest.json").stat()
    again = bench(seeds=[0])
    assert content(tmp_path / "out") == before
    after = (tmp_path / "out" / "manifest.json").stat()
    assert (after.st_mtime_ns, after.st_ino) == (written.st_mtime_ns, written.st_ino)
    pd.testing.assert_frame_equal(first.results.metrics, again.results.metrics)
    assert len(bench(seeds=[0, 1]).results.runs) == 6
    assert before.items() <= content(tmp_path / "out").items()
    bench(seeds=[1])
    assert manifest(tmp_path / "out")["seeds"] == [1], "nothing is trained, but it is another comparison"


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_an_interrupted_run_comes_to_the_same_tables(bench, tmp_path, share):
    bench("whole")
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("sibling", share))
    out = tmp_path / "out"
    assert (count(out, "by_heart-seed0", "end"), count(out, "sibling-seed0", "end")) == (1, 0)
    bench()
    assert_same_tables(tmp_path / "whole", out)
    assert (count(out, "by_heart-seed0", "begin"), count(out, "by_heart-seed0", "end")) == (1, 1)
    assert [count(out, "sibling-seed0", kind) for kind in ("begin", "resume", "end")] == [1, 1, 1]


def test_an_edited_plugin_trains_its_runs_alone(bench, toys, tmp_path):
    first = bench("out", ('"sibling"]', '"gan"]')).results
    before = content(tmp_path / "out")
    toys.write_text(toys.read_text().replace("3.0", "2.5"), encoding="utf-8")
    second = bench("out", ('"sibling"]', '"gan"]')).results
    assert before.items() <= content(tmp_path / "out").items()
    old, new = set(first.runs["run"]), set(second.runs["run"])
    assert {name.split("-")[0] for name in old - new} == {"by_heart"}
    assert {name.split("-")[0] for name in old & new} == {"gan", "real"}
    changed = "metric == 'fid' and variant == 'by_heart'"
    assert first.metrics.query(changed)["value"].tolist() != second.metrics.query(changed)["value"].tolist()


def test_statuses_are_counted_and_errors_alone_are_tried_again(bench, tmp_path):
    failing = ('"sibling"]', '"raises", "diverges", "collapses", "sibling"]')
    outcome = bench("out", failing)
    runs = outcome.results.runs.set_index("variant")
    statuses = dict.fromkeys(("real", "by_heart", "sibling"), "ok")
    statuses |= {"raises": "error", "diverges": "diverged", "collapses": "collapsed"}
    assert runs["status"].groupby("variant").agg(set).to_dict() == {name: {status} for name, status in statuses.items()}
    assert outcome.errors == tuple(f"raises seed {seed}: RuntimeError: a planned failure" for seed in (0, 1))
    assert all("no longer finite at step 3" in message for message in runs.loc["diverges", "message"])
    assert rows(tmp_path / "out", "diverges-seed0")[-2]["values"]["discriminator_loss"] is None
    summary = outcome.results.summary.set_index("variant")
    assert set(summary.loc[["raises", "diverges", "collapses"], "failures"]) == {2}
    for path in (tmp_path / "out" / "records").glob("collapses-seed1*.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    runs = bench("out", failing).results.runs.set_index("variant")
    assert set(runs.loc["collapses", "status"]) == {"collapsed"}, "also after a kill before the last row"
    ended = {name: count(tmp_path / "out", f"{name}-seed0", "end") for name in statuses}
    assert ended == dict.fromkeys(statuses, 1) | {"raises": 2}


def test_one_run_a_folder(bench, tmp_path):
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / ".lock"), pytest.raises(GanZooError, match=r"another command.*out"):
        bench()
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_folder_below_a_file(bench, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GanZooError, match=r"cannot write .*Not a directory"):
        bench("file/out")


def test_the_manifest_has_the_start_of_the_first_session_and_the_time_of_all(bench, tmp_path, monkeypatch):
    times = iter(["first", "second", "third", "fourth"])
    monkeypatch.setattr(runner, "now", lambda: next(times))
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("sibling", 0.5))
    sessions = [manifest(tmp_path / "out")]
    for seeds in ([0, 1], [0, 1, 2]):
        bench(seeds=seeds)
        sessions.append(manifest(tmp_path / "out"))
    assert [session["started"] for session in sessions] == ["first"] * 3
    seconds = [session["wall_seconds"] for session in sessions]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    bench(seeds=[3])
    assert manifest(tmp_path / "out")["started"] == "fourth", "it has no run of the earlier sessions"


def test_training_comes_first_and_a_seeds_floor_after_its_variants(bench):
    class Order(Listener):
        def __init__(self):
            self.names = []

        def begin(self, run):
            self.names.append((run.seed, run.variant_name))

    order = Order()
    bench(listener=order)
    assert order.names == [(seed, name) for seed in (0, 1) for name in ("by_heart", "sibling", "real")]


def test_a_run_whose_graphs_fail_says_so_once_and_on_record(bench, monkeypatch, tmp_path):
    def fall_back(state, iterations, **options):
        if state.execution == "eager":
            state.execution = "eager: a graph differs"
            state.notices.append("a graph differs")
        return advance(state, iterations, **options)

    monkeypatch.setattr("gan_zoo.engine.loop.advance", fall_back)
    listener = Notices()
    bench("out", seeds=[0], variants=["sibling"], listener=listener)
    assert [text for text in listener.texts if "a graph differs" in text] == ["sibling seed 0: a graph differs"]
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index("variant")
    assert runs.loc["sibling", "execution"] == "eager: a graph differs"
    assert runs.loc["sibling", "warmup_seconds"] == 0


@pytest.mark.parametrize("graphs", [True, False])
def test_graphs_are_used_unless_they_are_switched_off(bench, monkeypatch, graphs):
    seen = []

    def watch(*words, **options):
        seen.append(start(*words, **options).graphs)
        return start(*words, **options)

    monkeypatch.setattr("gan_zoo.bench.run.start", watch)
    bench("out", seeds=[0], variants=["sibling"], graphs=graphs)
    assert seen == [graphs]
