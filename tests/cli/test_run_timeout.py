"""A run that takes too long or runs out of memory: its status, the exit status, and the same command again."""

import json

import pandas as pd
import pytest
from results_folders import assert_same_tables

from gan_zoo.bench.callbacks import Listener
from gan_zoo.engine import checkpoint

pytestmark = pytest.mark.slow

SLEEPER = """

import pathlib
import time
from dataclasses import replace

from gan_zoo.registry import get

BED = pathlib.Path(__file__).with_name("bed")
calls = []


def sleep(*_):
    calls.append(1)
    if BED.exists():
        time.sleep(1000 if len(calls) > 6 else float(BED.read_text()))


@register("sleeper")
def sleeper():
    return replace(get("sibling"), after_discriminator_step=sleep)


@register("stuck")
def stuck():
    def networks(spec):
        if BED.exists():
            time.sleep(1000)
        return get("sibling").networks(spec)

    return replace(get("sibling"), networks=networks)


@register("large")
def large():
    return toy(failing(lambda _: torch.empty(1 << 55)))
"""
WITH_SLEEPERS = ('"by_heart", "sibling"', '"sleeper", "stuck", "sibling"')


@pytest.fixture
def sleeper(toys):
    """A file: while it exists, a step of ``sleeper`` takes as many seconds as it says, and the seventh has no end."""
    toys.write_text(toys.read_text() + SLEEPER, encoding="utf-8")
    bed = toys.with_name("bed")
    bed.write_text("0")
    return bed


def rows(folder, name, kind):
    (path,) = (folder / "records").glob(f"{name}-*.jsonl")
    return [row for row in map(json.loads, path.read_text().splitlines()) if row["row"] == kind]


def runs_of(folder):
    return pd.read_csv(folder / "runs.csv").set_index("variant")


def test_bench_ends_runs_that_take_too_long_and_resumes_them(gan_zoo, suite, toys, sleeper, no_report, tmp_path):
    words = ["bench", suite(WITH_SLEEPERS), "--preset", "smoke", "--plugin", toys, "--seeds", "0", "--jobs", "2"]
    result = gan_zoo(*words, "--out", "out", "--run-timeout", "20")
    assert result.status == 2
    limit = "took longer than 20 s; the same command with a longer --run-timeout resumes it"
    failed = [f"error: a run failed: {name} seed 0: {limit}" for name in ("sleeper", "stuck")]
    assert sorted(result.err.splitlines()) == failed
    runs = runs_of(tmp_path / "out")
    assert runs["status"].to_dict() == {"real": "ok", "sleeper": "timeout", "stuck": "timeout", "sibling": "ok"}
    assert runs.loc["sleeper", ["steps", "images"]].tolist() == [4, 64], "as far as its last evaluation"
    assert set(pd.read_csv(tmp_path / "out" / "summary.csv").set_index("variant").loc[["sleeper"], "failures"]) == {1}
    (sibling,) = (tmp_path / "out" / "records").glob("sibling-*.jsonl")
    finished = sibling.read_bytes()

    sleeper.unlink()
    result = gan_zoo(*words, "--out", "out")
    assert result.status == 0, result.err
    assert [row["step"] for row in rows(tmp_path / "out", "sleeper", "resume")] == [4]
    assert len(rows(tmp_path / "out", "sleeper", "begin")) == 1
    assert sibling.read_bytes() == finished
    assert gan_zoo(*words, "--out", "whole").status == 0
    assert_same_tables(tmp_path / "out", tmp_path / "whole")


def test_train_resumes_from_a_checkpoint_between_evaluations(gan_zoo, toys, sleeper, no_report, tmp_path):
    """No evaluation comes before the end: the checkpoint is of ``--checkpoint-every``."""
    sleeper.write_text("0.4")
    words = ["train", "sleeper", "--plugin", toys, "--data", "digits", "--steps", "12", "--checkpoint-every", "1"]
    result = gan_zoo(*words, "--out", "out", "--run-timeout", "15")
    assert "took longer than 15 s" in result.error
    assert runs_of(tmp_path / "out").loc["sleeper", "status"] == "timeout"
    sleeper.unlink()
    result = gan_zoo(*words, "--out", "out", "--run-timeout", "300")
    assert result.status == 0, result.err
    (resumed,) = rows(tmp_path / "out", "sleeper", "resume")
    assert 1 < resumed["step"] <= 6
    assert gan_zoo(*words, "--out", "whole").status == 0
    assert_same_tables(tmp_path / "out", tmp_path / "whole")


def test_a_run_without_memory_is_a_result(gan_zoo, toys, sleeper, no_report, tmp_path):
    result = gan_zoo("train", "large", "--plugin", toys, "--data", "digits", "--steps", "9", "--out", "run")
    assert result.status == 0, result.err
    assert runs_of(tmp_path / "run").loc["large", "status"] == "out_of_memory"


def test_checkpoints_are_written_by_time_beside_the_previous_one(bench, tmp_path):
    """Every time is due; evaluations are at steps 4 and 10."""

    class Watch(Listener):
        def __init__(self):
            self.steps = []

        def block(self, run, share, rate, values):
            for path in (tmp_path / "out" / "checkpoints").glob("by_heart-*"):
                if "previous" not in path.name and checkpoint.previous(path).is_file():
                    pair = (checkpoint.previous(path), path)
                    self.steps.append([checkpoint.load(each).facts["counts"]["rounds"] for each in pair])

    watch = Watch()
    bench(listener=watch, checkpoint_every=0, seeds=[0], variants=["by_heart"])
    assert {last for _, last in watch.steps} - {4, 10}
    assert all(previous <= last for previous, last in watch.steps)
    assert any(previous < last for previous, last in watch.steps)
    assert len(list((tmp_path / "out" / "checkpoints").iterdir())) == 2
