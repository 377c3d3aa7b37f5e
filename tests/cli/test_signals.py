"""Ctrl-C and SIGTERM of real commands, as a terminal or a job scheduler sends them, and the same command again."""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from killing import COMMAND, kinds, rows
from results_folders import assert_same_tables

from gan_zoo.bench.callbacks import Listener
from gan_zoo.engine import checkpoint
from gan_zoo.errors import Interrupted
from gan_zoo.metrics.evaluator import Evaluator

pytestmark = pytest.mark.slow

LONG = (("images = 160", "images = 9600"), ("[0.4, 1.0]", "[1.0]"))


STUCK = """

import pathlib
import time
from dataclasses import replace

from gan_zoo.registry import get

BED = pathlib.Path(__file__).with_name("bed")
calls = []


def wait(*_):
    calls.append(1)
    if BED.exists():
        if len(calls) > 120:
            BED.with_name("asleep").touch()
        time.sleep(1000 if len(calls) > 120 else 0.02)


@register("stuck")
def stuck():
    return replace(get("sibling"), after_discriminator_step=wait)
"""


def wait_for(holds, process, within=120):
    end = time.monotonic() + within
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the command did not come so far"
        time.sleep(0.02)


@contextlib.contextmanager
def started(words, holds):
    """A real command in a session of its own, once ``holds()``; whatever is left of it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        wait_for(holds, process)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(process):
    """Exit status, standard output and standard error; no process of the session outlives the command."""
    out, err = process.communicate(timeout=60)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return process.returncode, out, err
        time.sleep(0.05)
    raise AssertionError("a process outlives the command")


def training(folder, *variants):
    """Whether all these variants have rows of history in a folder, and have not ended."""

    def holds():
        begun = [name for name, run in rows(folder).items() if kinds(run, "history") and not kinds(run, "end")]
        return {*variants} <= {name.split("-")[0] for name in begun}

    return holds


def checkpoints(folder):
    """The last checkpoints by the run's name."""
    paths = [path for path in (folder / "checkpoints").glob("*.safetensors") if "previous" not in path.name]
    return {path.stem: checkpoint.load(path) for path in paths}


def assert_same(one, other):
    """The same tables, and the same last states to the bit."""
    assert_same_tables(one, other)
    mine, theirs = checkpoints(one), checkpoints(other)
    assert mine.keys() == theirs.keys()
    for name, saved in mine.items():
        assert saved.tensors.keys() == theirs[name].tensors.keys()
        assert all(value.equal(theirs[name].tensors[key]) for key, value in saved.tensors.items())


@pytest.fixture
def bed(toys):
    """A file: while it exists, a step of the toys' variant ``stuck`` takes 0.02 s, and step 121 has no end."""
    toys.write_text(toys.read_text() + STUCK, encoding="utf-8")
    toys.with_name("bed").touch()
    return toys.with_name("bed")


def test_train_is_one_command_a_folder_and_ctrl_c_stops_it_after_a_checkpoint(gan_zoo, toys, bed, no_report, tmp_path):
    words = ["train", "stuck", "--plugin", toys, "--data", "digits", "--threads", "1", "--steps", "140"]
    with started([*words, "--out", "out"], training(tmp_path / "out", "stuck")) as process:
        os.killpg(process.pid, signal.SIGINT)
        status, out, err = ended(process)
    assert status == 130
    assert "stopping after a checkpoint; press Ctrl-C again" in " ".join(out.split())
    assert err.count("\n") == 1
    assert "run the same command again" in err
    ((name, saved),) = checkpoints(tmp_path / "out").items()
    step = saved.facts["counts"]["rounds"]
    assert 50 <= step < 120
    bed.unlink()
    result = gan_zoo(*words, "--out", "out")
    assert result.status == 0, result.err
    assert [row["step"] for row in kinds(rows(tmp_path / "out")[name], "resume")] == [step], "not one step is lost"
    assert gan_zoo(*words, "--out", "whole").status == 0
    assert_same(tmp_path / "out", tmp_path / "whole")


@pytest.fixture
def bench_words(suite, toys, tmp_path):
    words = ["bench", suite(*LONG), "--preset", "smoke", "--plugin", toys, "--seeds", "0", "--jobs", "2"]
    return [*words, "--out", tmp_path / "out"]


def test_sigterm_stops_every_run_of_a_bench_after_a_checkpoint(gan_zoo, bench_words, bench, tmp_path):
    with started(bench_words, training(tmp_path / "out", "by_heart", "sibling")) as process:
        process.terminate()
        status, _, err = ended(process)
    assert status == 143
    assert err.count("\n") == 1
    assert len(checkpoints(tmp_path / "out")) == 2
    steps = {name: saved.facts["counts"]["rounds"] for name, saved in checkpoints(tmp_path / "out").items()}
    assert gan_zoo(*bench_words).status == 0
    bench("whole", *LONG, seeds=[0])
    after = rows(tmp_path / "out")
    assert {name: kinds(after[name], "resume")[0]["step"] for name in steps} == steps
    assert_same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_second_ctrl_c_stops_at_once_and_what_was_saved_is_resumed(
    gan_zoo, bench_words, toys, bed, no_report, tmp_path, command
):
    """In a step that has no end, for which the first Ctrl-C waits; a second command is refused meanwhile."""
    words = {
        "train": ["train", "stuck", "--plugin", toys, "--data", "digits", "--steps", "140", "--out", tmp_path / "out"],
        "bench": [*bench_words, "--variants", "stuck,sibling"],
    }[command]
    with started([*words, "--checkpoint-every", "1"], training(tmp_path / "out", "stuck")) as process:
        wait_for(bed.with_name("asleep").exists, process)
        assert list((tmp_path / "out" / "checkpoints").glob("*stuck*"))
        assert "is writing to" in gan_zoo(*words).error
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(1)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        status, _, err = ended(process)
    assert (status, err.count("\n"), "Traceback" in err) == (130, 1, False), err
    bed.unlink()
    result = gan_zoo(*words)
    assert result.status == 0, result.err
    (stuck,) = (run for name, run in rows(tmp_path / "out").items() if name.startswith("stuck"))
    assert kinds(stuck, "resume")[0]["step"] > 0
    assert len(kinds(stuck, "begin")) == 1


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_two_quick_ctrl_c_are_one_line_too(gan_zoo, toys, bed, no_report, tmp_path, pause):
    """The second may come while the command ends already."""
    words = ["train", "stuck", "--plugin", toys, "--data", "digits", "--steps", "140", "--out", tmp_path / "out"]
    with started([*words, "--checkpoint-every", "1"], training(tmp_path / "out", "stuck")) as process:
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(pause)
        status, _, err = ended(process)
    assert (status, err.count("\n"), "Traceback" in err) == (130, 1, False), err
    bed.unlink()
    assert gan_zoo(*words).status == 0


@pytest.mark.parametrize("command", ["train", "bench"])
def test_ctrl_c_before_training_leaves_nothing(suite, toys, tmp_path, command):
    """The plugin's file is slow to run: the plan is not made yet."""
    text = (
        toys.read_text() + "\nimport pathlib, time\npathlib.Path(__file__).with_name('here').touch()\ntime.sleep(99)\n"
    )
    toys.write_text(text, encoding="utf-8")
    words = {
        "train": ["train", "sibling", "--data", "digits"],
        "bench": ["bench", suite(), "--preset", "smoke"],
    }[command]
    with started([*words, "--plugin", toys, "--out", tmp_path / "out"], (tmp_path / "here").exists) as process:
        os.killpg(process.pid, signal.SIGINT)
        status, _, err = ended(process)
    assert status == 130
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


class Signal(Listener):
    """Sends SIGTERM to the worker processes alone, once a run of ``variant`` is in training."""

    def __init__(self):
        self.sent = False

    def block(self, run, share, rate, values):
        if not self.sent and share > 0.2:
            self.sent = True
            for process in multiprocessing.active_children():
                process.terminate()


def test_workers_that_are_terminated_alone_cost_their_own_runs(bench, tmp_path):
    outcome = bench("out", *LONG, seeds=[0], jobs=2, listener=Signal())
    runs = outcome.results.runs.set_index("variant")["status"].to_dict()
    assert runs["real"] == "ok"
    assert "error" in (runs["by_heart"], runs["sibling"])
    assert all("ended with exit status 143" in line for line in outcome.errors)
    assert bench("out", *LONG, seeds=[0]).errors == ()
    bench("whole", *LONG, seeds=[0])
    assert_same(tmp_path / "out", tmp_path / "whole")
    for name, run in rows(tmp_path / "out").items():
        if len(kinds(run, "end")) > 1:
            assert kinds(run, "resume")[0]["step"] > 0, name


@pytest.mark.parametrize("evaluation", [1, 2, 4])
def test_a_stop_during_an_evaluation_waits_for_its_end(bench, tmp_path, monkeypatch, evaluation):
    """The second of two evaluations of a run is its end; after the fourth, real images alone are left to measure."""
    measure, calls = Evaluator.measure, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == evaluation:
            signal.raise_signal(signal.SIGTERM)
        return measure(*args, **kwargs)

    monkeypatch.setattr(Evaluator, "measure", interrupted)
    with pytest.raises(Interrupted) as stopped:
        bench(seeds=[0])
    assert stopped.value.status == 143
    text = "".join(path.read_text() for path in sorted((tmp_path / "out" / "records").glob("[bs]*.jsonl")))
    assert [json.loads(line)["row"] for line in text.splitlines()].count("metrics") == evaluation
    assert bench(seeds=[0]).errors == ()
    bench("whole", seeds=[0])
    assert_same(tmp_path / "out", tmp_path / "whole")
