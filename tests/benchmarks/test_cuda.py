"""`make gpu` on a machine without a device: what it refuses and skips, and that it stops in time."""

import subprocess
import sys
import tarfile
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks.common import NotReproduced
from benchmarks.speed import cuda
from gan_zoo.errors import GanZooError


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.slow
def test_without_a_device_it_is_one_clear_line():
    command = [sys.executable, "-m", "benchmarks.speed.cuda"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cuda.ROOT)
    assert ended.returncode == 2
    assert "CUDA device" in ended.stderr
    assert ended.stderr.count("\n") == 1


def _options(tmp_path, **changes):
    settings = {"minutes": 9.0, "data_root": tmp_path, "results": tmp_path / "results", "precision": "tf32"}
    return Namespace(**(settings | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"minutes": 0.5}, "--minutes 0.5"), ({"data_root": Path("nowhere")}, "'nowhere'")],
)
def test_bad_input_is_refused(monkeypatch, tmp_path, changes, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(GanZooError, match=message):
        cuda.check(_options(tmp_path, **changes))


WORKS = [
    *("tests", "speed", "mnist full", "losses full", "conditioning full", "least_squares full"),
    *("dcgan_rules full", "architectures full", "fashion_mnist full", "stacked_mnist full"),
]


@pytest.fixture
def device(monkeypatch):
    """A device by name, to be changed."""
    name = ["a device"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name[0])
    return name


@pytest.fixture
def run(tmp_path, monkeypatch, device):
    """Run what is left, each work with status 0, or with those given; returns the names of what ran."""

    works = list(cuda.works(_options(tmp_path), 0.0))

    def go(**statuses):
        ran = []

        def child(arguments, _limit):
            (work,) = [work for work in works if ("-m", *work.command) == arguments]
            ran.append(work.name)
            work.out.parent.mkdir(parents=True, exist_ok=True)
            work.out.mkdir(exist_ok=True)
            return statuses.get(work.name.split()[0], 0)

        monkeypatch.setattr(cuda, "check", lambda _: None)
        monkeypatch.setattr(cuda, "works", lambda *_: works)
        monkeypatch.setattr(cuda, "child", child)
        try:
            cuda.run_all(_options(tmp_path, pack=None))
        except NotReproduced:
            assert any(statuses.values())
        return ran

    return go


def test_what_is_finished_is_not_run_again(run, device, tmp_path):
    """The speed table is always run: it resumes by itself, and ends in time with what it has."""
    assert run() == WORKS
    assert run() == ["speed"]
    (tmp_path / "results" / "mnist-full-tf32").rmdir()
    assert run() == ["speed", "mnist full"]
    device[0] = "another"
    assert run() == WORKS


def test_what_failed_or_ran_out_of_time_is_run_again(run):
    assert run(tests=1, losses=None) == WORKS
    assert run() == ["tests", "speed", "losses full"]
    assert run() == ["speed"]


def test_another_torch_is_another_run(device, monkeypatch):
    before = cuda.code_key()
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    assert cuda.code_key() != before


def test_a_child_ends_when_its_time_is_over():
    began = time.monotonic()
    assert cuda.child(["-c", "import time; time.sleep(60)"], 0.5) is None
    assert time.monotonic() - began < 30
    assert cuda.child(["-c", "raise SystemExit(3)"], 30) == 3


def test_the_pack_has_no_checkpoints(tmp_path):
    for name in ("a/records/x.jsonl", "a/checkpoints/x.safetensors"):
        (tmp_path / "results" / name).parent.mkdir(parents=True)
        (tmp_path / "results" / name).write_text("1")
    cuda.pack(tmp_path / "results", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "results.tar.gz") as archive:
        names = archive.getnames()
    assert "results/a/records/x.jsonl" in names
    assert not [name for name in names if "checkpoints" in name]
