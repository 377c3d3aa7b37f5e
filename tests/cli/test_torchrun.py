"""Commands by two processes of torchrun on the CPU: errors, signals, a killed process, and the same command again."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from killing import kinds, rows

from gan_zoo.engine import checkpoint

SLOW = """

import pathlib
import time
from dataclasses import replace

from gan_zoo.registry import get

BED = pathlib.Path(__file__).with_name("bed")


def wait(*_):
    if BED.exists():
        time.sleep(0.1)


@register("slow")
def slow():
    return replace(get("sibling"), after_discriminator_step=wait, ema=0.9)
"""


@pytest.fixture
def words(toys):
    """The arguments of a run of 150 steps, which take 15 s while the file ``bed`` exists; no report is written."""
    plugin = SLOW + "\n\nfrom gan_zoo import api\n\napi.write_report = lambda folder: folder / 'report.html'\n"
    toys.write_text(toys.read_text() + plugin, encoding="utf-8")
    toys.with_name("bed").touch()
    given = ["train", "slow", "--plugin", toys, "--data", "digits", "--device", "cpu", "--steps", 150]
    return [*given, "--no-evaluate", "--checkpoint-every", 0.5]


def start(words, processes=2):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    command = map(str, [*launcher, "-m", "gan_zoo", *words])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)


def lines(process):
    """Exit status, the lines of the command's errors, and its standard output."""
    out, err = process.communicate(timeout=200)
    return process.returncode, [line for line in err.splitlines() if line.startswith("error:")], out


def wait_for_checkpoint(process, folder, after):
    """Wait for a checkpoint of a step ``after`` one, and return it."""
    end = time.monotonic() + 150
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        for path in (folder / "checkpoints").glob("*[0-9a-f].safetensors"):
            step = checkpoint.load(path).facts["counts"]["rounds"]
            if step > after:
                return step
        time.sleep(0.1)


def by_rank(process):
    """The processes that torchrun has started, by their rank."""
    return {int(child.environ()["RANK"]): child for child in psutil.Process(process.pid).children()}


def last(folder):
    """The last checkpoint of the run in a folder."""
    (path,) = (folder / "checkpoints").glob("*[0-9a-f].safetensors")
    return checkpoint.load(path)


@pytest.fixture
def among_two(monkeypatch):
    """Make this process the one of a rank among two of torchrun."""

    def become(rank):
        given = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank}
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))

    return become


@pytest.mark.parametrize("command", ["bench", "search --trials 2"])
def test_a_suite_is_refused_by_the_first_process_alone(gan_zoo, among_two, tmp_path, command):
    words = [*command.split(), "digits", "--preset", "smoke", "--out", "out"]
    among_two(0)
    error = gan_zoo(*words).error
    for part in ("2 processes", "gan-zoo train", f"gan-zoo {words[0]}", "--jobs", "without torchrun"):
        assert part in error
    among_two(1)
    result = gan_zoo(*words)
    assert (result.status, result.out, result.err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--seed", "-1"], "--seed -1"),
        (["--steps", "-3"], "-3.0 steps"),
        (["--set", "lr"], "NAME=VALUE"),
        (["--precision", "fp8"], "'fp8'"),
        (["--channels", "2"], "2 image channels"),
        (["--device", "cuda:1"], "--device cuda:1"),
    ],
)
def test_a_bad_option_is_reported_by_the_first_process_alone(gan_zoo, among_two, tmp_path, words, part):
    among_two(0)
    assert part in gan_zoo("train", "gan", *words).error
    among_two(1)
    result = gan_zoo("train", "gan", *words)
    assert (result.status, result.out, result.err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("bench digits --preset smoke", "without torchrun"),
        ("train gan --data digits --seed -1", "--seed -1"),
        ("train gna --data digits --device cpu", "unknown variant 'gna'"),
        pytest.param(
            "train gan --data digits --device cuda",
            "'cuda' is not here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device"),
        ),
    ],
)
def test_two_processes_print_one_error(tmp_path, command, part):
    status, errors, _ = lines(start([*command.split(), "--out", tmp_path / "out"]))
    assert status != 0
    assert len(errors) == 1
    assert part in errors[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_stops_loses_a_process_and_resumes_to_the_bit(words, toys, tmp_path):
    out = [*words, "--out", tmp_path / "out"]
    process = start(out)
    wait_for_checkpoint(process, tmp_path / "out", 0)
    os.killpg(process.pid, signal.SIGINT)
    status, errors, shown = lines(process)
    assert status != 0
    assert len(errors) == 1
    assert "stopped at step" in errors[0]
    assert shown.count("2 processes") == 1
    stopped = last(tmp_path / "out").facts["counts"]["rounds"]

    process = start(out)
    saved = wait_for_checkpoint(process, tmp_path / "out", stopped)
    by_rank(process)[1].kill()
    status, errors, _ = lines(process)
    assert status != 0
    assert len(errors) == 1
    assert "process 0 of 2 lost another" in errors[0]
    assert "run the same command again" in errors[0]

    toys.with_name("bed").unlink()
    status, errors, shown = lines(start(out))
    assert (status, errors) == (0, [])
    assert "150 steps" in shown
    ((_, run),) = rows(tmp_path / "out").items()
    resumed = [row["step"] for row in kinds(run, "resume")]
    assert resumed[0] == stopped
    assert resumed[1] >= saved
    assert run[0]["identity"]["processes"] == 2

    assert lines(start([*words, "--out", tmp_path / "whole"]))[0] == 0
    one, other = last(tmp_path / "out"), last(tmp_path / "whole")
    assert one.tensors.keys() == other.tensors.keys()
    assert [name for name, value in one.tensors.items() if not value.equal(other.tensors[name])] == []
