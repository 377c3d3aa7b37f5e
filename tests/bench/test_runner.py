"""Runs of a suite: what is on record, what is trained again and what is not."""

import json
import signal

import filelock
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from results_folders import assert_same_tables

from gan_zoo import GanZooError
from gan_zoo.bench import runner
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.records import read_runs
from gan_zoo.engine import advance, start
from gan_zoo.errors import Interrupted
from gan_zoo.metrics.evaluator import NEIGHBOR_ROWS, NEIGHBORS
from gan_zoo.metrics.extractors import load_extractor


def rows(folder, name):
    """All rows of the run files whose name begins so."""
    return [
        json.loads(line) for path in folder.glob(f"records/{name}*.jsonl") for line in path.read_text().splitlines()
    ]


def content(folder):
    """Bytes and time of change of every record, picture and checkpoint."""
    files = [file for part in ("records", "checkpoints") for file in (folder / part).rglob("*") if file.is_file()]
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def count(folder, name, kind):
    return sum(row["row"] == kind for row in rows(folder, name))


class CtrlC(Listener):
    """Presses Ctrl-C once a run of ``variant`` has trained so far; keeps the notices."""

    def __init__(self, variant, share, number=signal.SIGINT):
        self.variant, self.share, self.number = variant, share, number
        self.notices = []

    def notice(self, text):
        self.notices.append(text)

    def block(self, run, share, rate, values):
        if run.variant_name == self.variant and share >= self.share:
            signal.raise_signal(self.number)


def test_every_run_is_on_record(bench, tmp_path):
    outcome = bench()
    results = outcome.results
    assert outcome.errors == ()
    assert set(zip(results.runs["variant"], results.runs["seed"], strict=True)) == {
        (variant, seed) for variant in ("real", "by_heart", "sibling") for seed in (0, 1)
    }
    assert set(results.runs["status"]) == {"ok"}
    trained = results.runs[results.runs["variant"] != "real"]
    assert set(trained["images"]) == {160}
    assert set(trained["discriminator_steps"]) == set(trained["generator_steps"]) == {10}
    for run in read_runs(tmp_path / "out"):
        if run.begin["variant"] != "real":
            assert [row["step"] for row in run.metrics] == [4, 10]
            kinds = [(row["kind"], row["step"]) for row in run.samples]
            assert kinds == [("grid", 4), ("neighbors", 10), ("grid", 10)]
            assert [row["discriminator_steps"] for row in run.metrics] == [4, 10]
            assert all((tmp_path / "out" / row["file"]).is_file() for row in run.samples)
            assert run.history[-1]["step"] == 10


def test_samples_lie_beside_their_nearest_training_images(bench, tmp_path):
    """`by_heart` draws digits, a little paler: the nearest training image is all but the same picture."""
    bench()
    found = next(run for run in read_runs(tmp_path / "out") if run.begin["variant"] == "by_heart")
    grid, _, row = sorted(found.samples, key=lambda row: (row["kind"], row["step"]))
    pixels = np.asarray(Image.open(tmp_path / "out" / row["file"]))
    tiles = pixels.reshape(row["rows"], row["height"], row["columns"], row["width"]).swapaxes(1, 2)
    samples, nearest = tiles[:, 0].astype(int), tiles[:, 1].astype(int)
    assert (row["rows"], row["columns"]) == (NEIGHBOR_ROWS, 1 + NEIGHBORS)
    assert grid["step"] < row["step"]
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


def test_one_n_and_one_reference_for_all(bench):
    results = bench().results
    assert set(results.metrics["num_samples"]) == {140}
    assert set(results.metrics["reference"]) == {"test"}
    assert set(results.metrics["extractor"]) == {"digits-cnn"}


def test_the_best_is_chosen_on_another_draw(bench, tmp_path):
    runs = bench().results.runs.set_index("run")
    for run in read_runs(tmp_path / "out"):
        if run.begin["variant"] != "real":
            assert all(row["selection"]["fid"] != row["values"]["fid"] for row in run.metrics)
            chosen = min(run.metrics, key=lambda row: row["selection"]["fid"])
            assert runs.loc[run.name, "best_step"] == chosen["step"]
            assert runs.loc[run.name, "best_fid_digits-cnn"] == pytest.approx(chosen["values"]["fid"], rel=1e-12)


def test_a_finished_run_is_never_trained_twice(bench, tmp_path):
    first = bench()
    before = content(tmp_path / "out")
    again = bench()
    assert content(tmp_path / "out") == before
    pd.testing.assert_frame_equal(first.results.metrics, again.results.metrics)


def test_a_run_made_again_gives_the_assert_same_tables(bench, tmp_path):
    bench("one")
    bench("two")
    assert_same_tables(tmp_path / "one", tmp_path / "two")


def test_another_seed_adds_runs_and_keeps_the_others(bench, tmp_path):
    bench(seeds=[0])
    before = content(tmp_path / "out")
    runs = bench(seeds=[0, 1]).results.runs
    assert len(runs) == 6
    assert before.items() <= content(tmp_path / "out").items()


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_an_interrupted_run_comes_to_the_assert_same_tables(bench, tmp_path, share):
    bench("whole")
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("sibling", share))
    out = tmp_path / "out"
    assert (count(out, "by_heart-seed0", "end"), count(out, "sibling-seed0", "end")) == (1, 0)
    bench()
    assert_same_tables(tmp_path / "whole", out)
    assert (count(out, "by_heart-seed0", "begin"), count(out, "by_heart-seed0", "end")) == (1, 1)
    assert [count(out, "sibling-seed0", kind) for kind in ("begin", "resume", "end")] == [1, 1, 1]


def test_a_kill_before_the_last_row_keeps_the_status(bench, tmp_path):
    collapsing = ('["by_heart", "sibling"]', '["collapses"]')
    bench("out", collapsing)
    for path in (tmp_path / "out" / "records").glob("collapses*.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    runs = bench("out", collapsing).results.runs
    assert set(runs.loc[runs["variant"] == "collapses", "status"]) == {"collapsed"}


@pytest.mark.parametrize(("damaged", "begins"), [(["last"], 1), (["last", "previous"], 2)])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(bench, tmp_path, damaged, begins):
    """A flipped bit is found by the digest."""
    bench("whole")
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("sibling", 0.5))
    found = {
        "previous" if "previous" in path.name else "last": path
        for path in (tmp_path / "out" / "checkpoints").glob("sibling-seed0*")
    }
    for which in damaged:
        content = bytearray(found[which].read_bytes())
        content[-100] ^= 1
        found[which].write_bytes(content)
    listener = CtrlC("none", 1)
    bench(listener=listener)
    assert_same_tables(tmp_path / "whole", tmp_path / "out")
    assert count(tmp_path / "out", "sibling-seed0", "begin") == begins
    assert len([text for text in listener.notices if "is damaged" in text and ".safetensors" in text]) == len(damaged)


def test_an_edited_plugin_trains_its_runs_alone(bench, toys, tmp_path):
    first = bench("out", ('"sibling"]', '"gan"]'))
    before = content(tmp_path / "out")
    toys.write_text(toys.read_text().replace("3.0", "2.5"), encoding="utf-8")
    second = bench("out", ('"sibling"]', '"gan"]'))
    assert before.items() <= content(tmp_path / "out").items()
    names = [set(outcome.results.runs["run"]) for outcome in (first, second)]
    assert {name.split("-")[0] for name in names[0] - names[1]} == {"by_heart"}
    assert {name.split("-")[0] for name in names[0] & names[1]} == {"gan", "real"}
    fids = [
        outcome.results.metrics.query("metric == 'fid' and variant == 'by_heart'")["value"].tolist()
        for outcome in (first, second)
    ]
    assert fids[0] != fids[1]


def test_a_variant_that_raises_stops_no_other(bench, toys, tmp_path):
    failing = ('"sibling"]', '"raises", "sibling"]')
    outcome = bench("out", failing)
    status = outcome.results.runs.set_index(["variant", "seed"])["status"]
    assert status.loc["raises"].tolist() == ["error", "error"]
    assert set(status.loc[["real", "by_heart", "sibling"]]) == {"ok"}
    assert outcome.errors == tuple(f"raises seed {seed}: RuntimeError: a planned failure" for seed in (0, 1))
    summary = outcome.results.summary.set_index("variant")
    assert set(summary.loc[["raises"], "failures"]) == {2}
    bench("out", failing)
    assert count(tmp_path / "out", "raises-seed0", "end") == 2, "an error is tried again"
    assert count(tmp_path / "out", "sibling-seed0", "end") == 1


def test_divergence_is_a_status_and_counted(bench, tmp_path):
    diverging = ('"sibling"]', '"diverges", "sibling"]')
    outcome = bench("out", diverging)
    runs = outcome.results.runs.set_index("variant")
    assert runs.loc["diverges", "status"].tolist() == ["diverged", "diverged"]
    assert all("no longer finite at step 3" in message for message in runs.loc["diverges", "message"])
    assert outcome.errors == ()
    assert set(outcome.results.summary.set_index("variant").loc[["diverges"], "failures"]) == {2}
    assert rows(tmp_path / "out", "diverges-seed0")[-2]["values"]["discriminator_loss"] is None
    bench("out", diverging)
    assert count(tmp_path / "out", "diverges-seed0", "end") == 1, "a divergence is a result"


def test_collapse_is_a_status(bench):
    runs = bench("out", ('"sibling"]', '"collapses"]')).results.runs.set_index("variant")
    assert runs.loc["collapses", "status"].tolist() == ["collapsed", "collapsed"]
    assert runs.loc["by_heart", "status"].tolist() == ["ok", "ok"]


def test_one_run_a_folder(bench, tmp_path):
    (tmp_path / "out").mkdir()
    with (
        filelock.FileLock(tmp_path / "out" / ".lock"),
        pytest.raises(GanZooError, match=r"another run is writing to .*out"),
    ):
        bench()
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_lock_is_released_after_an_interruption(bench):
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("by_heart", 0.1))
    assert bench().errors == ()


def test_a_folder_below_a_file(bench, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GanZooError, match=r"cannot write .*Not a directory; .*name another folder"):
        bench("file/out")


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_the_manifest_has_the_start_of_the_first_session_and_the_time_of_all(bench, tmp_path, monkeypatch):
    times = iter(["first", "second", "third"])
    monkeypatch.setattr(runner, "now", lambda: next(times))
    with pytest.raises(Interrupted):
        bench(listener=CtrlC("sibling", 0.5))
    first = manifest(tmp_path / "out")
    assert first["started"] == "first"
    assert first["wall_seconds"] > 0
    bench()
    second = manifest(tmp_path / "out")
    assert second["started"] == "first"
    assert second["wall_seconds"] > first["wall_seconds"]
    bench(seeds=[0, 1, 2])
    assert manifest(tmp_path / "out")["started"] == "first"
    assert manifest(tmp_path / "out")["wall_seconds"] > second["wall_seconds"]


def test_the_manifest_is_left_alone_where_nothing_is_to_do(bench, tmp_path):
    bench()
    before = (tmp_path / "out" / "manifest.json").stat()
    bench()
    after = (tmp_path / "out" / "manifest.json").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    bench(seeds=[1])
    assert manifest(tmp_path / "out")["seeds"] == [1]


def test_another_run_in_the_same_folder_has_a_start_of_its_own(bench, tmp_path, monkeypatch):
    times = iter(["first", "second"])
    monkeypatch.setattr(runner, "now", lambda: next(times))
    bench(seeds=[0])
    bench(seeds=[1])
    assert manifest(tmp_path / "out")["started"] == "second"


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
    def fall_back(state, rounds, **options):
        if state.execution == "eager":
            state.execution = "eager: a graph differs"
            state.notices.append("a graph differs")
        return advance(state, rounds, **options)

    monkeypatch.setattr("gan_zoo.engine.loop.advance", fall_back)
    listener = CtrlC("none", 1)
    bench("out", seeds=[0], variants=["sibling"], listener=listener)
    assert [text for text in listener.notices if "a graph differs" in text] == ["sibling seed 0: a graph differs"]
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


def test_peak_memory_is_of_trained_runs(bench, tmp_path):
    bench("out", seeds=[0], variants=["sibling"])
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index("variant")
    assert runs.loc["sibling", "peak_memory_bytes"] > 2**20
    assert pd.isna(runs.loc["real", "peak_memory_bytes"])
