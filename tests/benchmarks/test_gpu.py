"""`make gpu` as far as a machine without a device can tell: what it refuses and skips, and that it stops in time."""

import importlib.util
import json
import subprocess
import sys
import tarfile
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parent.parent.parent / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_is_one_clear_line():
    said = subprocess.run([sys.executable, PATH, "--minutes", "9"], capture_output=True, text=True, timeout=120)
    assert said.returncode == 2
    assert said.stderr.startswith("error: torch ")
    assert "no CUDA device here; `make speed` measures a CPU" in said.stderr
    assert said.stderr.count("\n") == 1


def _options(tmp_path, **changes):
    settings = {"minutes": 9.0, "data_root": tmp_path, "results": tmp_path / "results", "precision": "tf32"}
    return Namespace(**(settings | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"minutes": 0.5}, "--minutes 0.5 is too few"), ({"data_root": Path("nowhere")}, "'nowhere' is not a folder")],
)
def test_bad_input_is_refused(gpu, monkeypatch, tmp_path, changes, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert message in gpu._refusal(_options(tmp_path, **changes))


def test_tests_are_run_once_on_the_same_code(gpu, tmp_path):
    options, end = _options(tmp_path), time.monotonic() + 100
    assert [work.name for work in gpu._plan(options, end)] == [
        *("tests", "speed", "mnist full", "losses full", "conditioning full", "least_squares full"),
        *("dcgan_rules full", "architectures full", "fashion_mnist full", "stacked_mnist full"),
    ]
    assert not next(gpu._plan(options, end)).done
    record = tmp_path / "results" / "cuda" / "tests.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"code": gpu._code()}))
    assert next(gpu._plan(options, end)).done
    record.write_text(json.dumps({"code": "of another day"}))
    assert not next(gpu._plan(options, end)).done


def test_a_child_ends_when_its_time_is_over(gpu):
    began = time.monotonic()
    assert gpu._child([sys.executable, "-c", "import time; time.sleep(60)"], 0.5) is None
    assert time.monotonic() - began < 30
    assert gpu._child([sys.executable, "-c", "raise SystemExit(3)"], 30) == 3


def test_failing_tests_are_named_and_tried_again(gpu, tmp_path, monkeypatch):
    report = (
        '<testsuites><testsuite tests="2" failures="1" errors="0" skipped="0">'
        '<testcase classname="a" name="b"><failure message="no&#10;more"/></testcase><testcase classname="a" name="c"/>'
        "</testsuite></testsuites>"
    )
    path = tmp_path / "cuda" / "tests.json"

    def child(command, limit):
        path.with_suffix(".xml").write_text(report)
        return 1

    monkeypatch.setattr(gpu, "_child", child)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a device")
    assert gpu._test(path, 10) == 1
    kept = json.loads(path.read_text())
    assert (kept["failed"], kept["failures"], kept["tests"], kept["code"]) == (["a.b: ['no']"], 1, 2, "")


def test_the_pack_has_no_checkpoints(gpu, tmp_path):
    for name in ("a/cells/x.jsonl", "a/checkpoints/x.safetensors"):
        (tmp_path / "results" / name).parent.mkdir(parents=True)
        (tmp_path / "results" / name).write_text("1")
    gpu._pack(tmp_path / "results", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "results.tar.gz") as archive:
        names = archive.getnames()
    assert "results/a/cells/x.jsonl" in names
    assert not [name for name in names if "checkpoints" in name]
