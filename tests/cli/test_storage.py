"""A full disk or a read-only folder while runs are trained: one line with the path, and nothing of a run is lost."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from killing import COMMAND
from results_folders import assert_same_tables

from gan_zoo import io
from gan_zoo.errors import StorageError


def statuses(folder):
    """The statuses of all end rows on record."""
    lines = [line for path in (folder / "records").glob("*.jsonl") for line in path.read_text().splitlines()]
    return {row["status"] for row in map(json.loads, lines) if row["row"] == "end"}


def fill_disk(patch, pattern, after):
    """Let the disk be full when a file whose path matches is flushed for the ``after``-th time, and from then on."""
    fsync, calls = os.fsync, []

    def flush(descriptor):
        if re.search(pattern, str(Path(f"/proc/self/fd/{descriptor}").readlink())):
            calls.append(1)
            if len(calls) >= after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    patch.setattr(os, "fsync", flush)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The folder of an unbroken run, once it was made."""
    return tmp_path_factory.mktemp("unbroken") / "whole"


@pytest.mark.parametrize(
    ("pattern", "after", "named"),
    [
        (r"sibling.*\.jsonl$", 1, r"sibling-seed0-\w+\.jsonl"),
        (r"sibling.*\.jsonl$", 3, r"sibling-seed0-\w+\.jsonl"),
        (r"sibling.*\.jsonl$", 7, r"sibling-seed0-\w+\.jsonl"),
        (r"checkpoints/.*\.part\.safetensors$", 2, r"by_heart-seed0-\S+\.safetensors"),
        (r"records/sibling.*\.part\.png$", 1, r"grid-\d+\.png"),
        (r"\.part\.json$", 2, r"manifest\.json"),
        (r"\.part\.csv$", 1, r"\w+\.csv"),
    ],
    ids=["first row", "row", "last rows", "checkpoint", "samples", "manifest", "table"],
)
def test_a_full_disk_at_any_write_of_a_run(bench, unbroken, tmp_path, monkeypatch, pattern, after, named):
    if not unbroken.exists():
        bench("whole", seeds=[0])
        (tmp_path / "whole").rename(unbroken)
    with monkeypatch.context() as patch:
        fill_disk(patch, pattern, after)
        with pytest.raises(StorageError, match="No space left on device") as error:
            bench(seeds=[0])
    assert re.search(rf"cannot write \S*({named}): ", str(error.value))
    assert "\n" not in str(error.value)
    assert statuses(tmp_path / "out") <= {"ok"}
    assert bench(seeds=[0]).errors == ()
    assert_same_tables(tmp_path / "out", unbroken)
    assert not list((tmp_path / "out").rglob(".*.part*"))


def run_limited(words, kilobytes):
    """A real command none of whose files, its workers' included, grows beyond so many kilobytes."""
    return subprocess.run(
        ["bash", "-c", f'ulimit -S -f {kilobytes}; exec "$@"', "-", sys.executable, "-c", COMMAND, *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.slow
def test_a_full_disk_in_worker_processes_of_bench(gan_zoo, suite, toys, no_report, bench, tmp_path):
    """6 KB hold neither a checkpoint nor the records of a whole run."""
    words = ["bench", suite(), "--preset", "smoke", "--plugin", toys, "--seeds", "0", "--jobs", "2"]
    ended = run_limited([*words, "--out", tmp_path / "out"], 6)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert re.search(r"error: cannot write \S+: File too large", ended.stderr)
    assert statuses(tmp_path / "out") <= {"ok"}
    assert gan_zoo(*words, "--out", tmp_path / "out").status == 0
    bench("whole", seeds=[0])
    assert_same_tables(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
def test_a_full_disk_in_train_loses_no_step_before_its_last_checkpoint(gan_zoo, no_report, tmp_path):
    words = ["train", "gan", "--data", "digits", "--set", "batch_size=8", "--no-evaluate", "--out", tmp_path / "out"]
    assert gan_zoo(*words, "--steps", "60").status == 0
    (saved,) = (path for path in (tmp_path / "out" / "checkpoints").iterdir())
    before = saved.read_bytes()
    ended = run_limited([*words, "--steps", "120"], 1000)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert re.search(r"error: cannot write \S+\.safetensors: .*File too large", ended.stderr)
    assert saved.read_bytes() == before
    result = gan_zoo(*words, "--steps", "120")
    assert result.status == 0, result.err
    (records,) = (tmp_path / "out" / "records").glob("gan-*.jsonl")
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    assert [row["step"] for row in rows if row["row"] == "resume"] == [60, 60]
    assert pd.read_csv(tmp_path / "out" / "runs.csv")["status"].tolist() == ["ok"]
    assert pd.read_csv(tmp_path / "out" / "history.csv")["step"].tolist() == [50, 100, 120]


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_read_only_folder_is_found_before_training(gan_zoo, suite, toys, monkeypatch, command):
    def read_only(*_args, **_kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(io.tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr("gan_zoo.bench.runner._execute", lambda *_: pytest.fail("training has begun"))
    words = {
        "train": ["train", "sibling", "--data", "digits", "--steps", "5"],
        "bench": ["bench", suite(), "--preset", "smoke"],
    }[command]
    assert "cannot write out: Read-only file system" in gan_zoo(*words, "--plugin", toys, "--out", "out").error
