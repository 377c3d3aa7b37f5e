"""What a worker of a cluster sends and stores, without Ray: the session has a plan that was made here."""

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from killing import kinds, rows

from gan_zoo.bench.executors import ray_worker, storage
from gan_zoo.bench.executors.ray_worker import Setup
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.records import append_lines, checkpoint_path, records_path
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions

LONG = (("images = 160", "images = 1600"), ("[0.4, 1.0]", "[0.2, 0.4, 0.6, 0.8, 1.0]"), ("seeds = 2", "seeds = 1"))


@dataclass
class Session:
    setup: Setup
    planned: Any


@pytest.fixture
def plan(suite, toys):
    return make_plan(RunOptions(suite=suite(*LONG), preset="smoke", plugins=(toys,), device="cpu", checkpoint_every=0))


@pytest.fixture
def session(plan, tmp_path):
    setup = Setup(plan.options, (), plan.measurement_digests, str(tmp_path / "storage"), "", 0.01, [])
    return Session(setup, (plan, {run.name: run for run in plan.runs()}, plan.evaluator()))


@pytest.fixture
def run(plan):
    return next(run for run in plan.runs() if run.variant is not None)


def begin(session, run, scratch, records=b""):
    made = ray_worker._Run(session, run.name, scratch)
    made.restore(records)
    return made


@pytest.fixture
def stopped(session, run, tmp_path):
    """The first row of a run that was stopped after an evaluation; the storage has all."""
    updates = begin(session, run, tmp_path / "stopped").updates()
    next(update for update in updates if b'"row":"metrics"' in update.records)
    updates.close()
    first, *others = stored_rows(tmp_path).splitlines(keepends=True)
    assert any(b'"row":"metrics"' in line for line in others)
    return first


def stored_rows(tmp_path):
    (path,) = (tmp_path / "storage" / "checkpoints").glob("*.jsonl")
    return path.read_bytes()


def test_the_updates_are_the_records_and_files_of_the_run(session, run, tmp_path):
    scratch = tmp_path / "scratch"
    updates = list(begin(session, run, scratch).updates())
    home = records_path(tmp_path / "home", run.name)
    assert all(append_lines(home, update.records, update.offset) for update in updates)
    assert home.read_bytes() == records_path(scratch, run.name).read_bytes()
    assert [update.end is not None for update in updates] == [False] * (len(updates) - 1) + [True]
    ((_, written),) = rows(tmp_path / "home").items()
    files = {file: content for update in updates for file, content in update.files.items()}
    named = [row["file"] for row in written if "file" in row]
    assert sorted(files) == sorted(named)
    assert all((scratch / file).read_bytes() == content for file, content in files.items())
    stored = checkpoint_path(tmp_path / "storage", run.name)
    assert stored.read_bytes() == checkpoint_path(scratch, run.name).read_bytes()


def test_an_update_that_was_sent_before_is_not_written_again(session, run, tmp_path):
    first = next(update for update in begin(session, run, tmp_path / "scratch").updates() if update.records)
    home = records_path(tmp_path / "home", run.name)
    assert append_lines(home, first.records, first.offset)
    before = home.read_bytes()
    assert before
    assert not append_lines(home, first.records, first.offset)
    assert home.read_bytes() == before


def test_a_closed_run_has_stored_what_it_resumes_from(session, run, tmp_path):
    whole = list(begin(session, run, tmp_path / "whole").updates())
    updates = begin(session, run, tmp_path / "first").updates()
    sent = next(update.records for update in updates if update.records)
    updates.close()
    records = (tmp_path / "storage" / "checkpoints" / f"{run.name}.jsonl").read_bytes()
    assert records.startswith(sent)
    assert b'"end"' not in records
    assert checkpoint_path(tmp_path / "storage", run.name).is_file()
    *_, last = begin(session, run, tmp_path / "second", records).updates()
    assert last.end["steps"] == whole[-1].end["steps"] == 100
    ((_, one),), ((_, other),) = rows(tmp_path / "whole").items(), rows(tmp_path / "second").items()
    assert kinds(other, "resume")
    assert [row["values"] for row in kinds(one, "metrics")] == [row["values"] for row in kinds(other, "metrics")]
    assert [row["values"] for row in kinds(one, "history")][-1] == [row["values"] for row in kinds(other, "history")][
        -1
    ]


def test_a_run_from_the_start_deletes_the_checkpoint_of_another(session, run, tmp_path):
    list(begin(session, run, tmp_path / "first").updates())
    assert checkpoint_path(tmp_path / "storage", run.name).is_file()
    begin(session, run, tmp_path / "second")
    assert not any((tmp_path / "storage" / "checkpoints").iterdir())


def test_what_an_earlier_task_has_stored_since_is_sent_again(session, run, stopped, tmp_path):
    home = records_path(tmp_path / "home", run.name)
    append_lines(home, stopped, 0)
    updates = list(begin(session, run, tmp_path / "second", stopped).updates())
    assert all(append_lines(home, update.records, update.offset) for update in updates)
    assert home.read_bytes() == records_path(tmp_path / "second", run.name).read_bytes()
    ((_, written),) = rows(tmp_path / "home").items()
    assert [row["step"] for row in kinds(written, "history")] == list(range(50, 101, 50))
    assert len({row["fraction"] for row in kinds(written, "metrics")}) == 5
    files = {file for update in updates for file in update.files}
    named = {row["file"] for row in written if "file" in row}
    assert files >= named - set(storage.named_files(stopped))


def test_a_checkpoint_of_other_records_is_not_taken(session, run, stopped, tmp_path):
    other = stopped.replace(b'"row":"begin"', b'"row":"begin" ', 1)
    assert other != stopped
    second = begin(session, run, tmp_path / "second", other)
    assert not second.checkpoint.exists()
    assert not any((tmp_path / "storage" / "checkpoints").iterdir())


def test_no_part_of_a_line_is_stored(session, run, stopped, tmp_path):
    second = begin(session, run, tmp_path / "second", stopped)
    with second.path.open("ab") as file:
        file.write(b'{"row":"samples","file"')
    os.utime(second.checkpoint)
    second._store()
    assert stored_rows(tmp_path).endswith(b"\n")


def test_a_folder_takes_what_was_stored_in_it_and_not_received(session, run, stopped, tmp_path):
    folder = tmp_path / "storage"
    append_lines(records_path(folder, run.name), stopped, 0)
    stored = stored_rows(tmp_path)
    storage.complete_folder(folder)
    assert records_path(folder, run.name).read_bytes() == stored
    assert checkpoint_path(folder, run.name).is_file()
    assert not [*folder.rglob("checkpoints/*.jsonl")]


def test_a_folder_loses_a_checkpoint_of_other_records(session, run, stopped, tmp_path):
    folder = tmp_path / "storage"
    append_lines(records_path(folder, run.name), stopped.replace(b":", b": ", 1), 0)
    storage.complete_folder(folder)
    assert not any((folder / "checkpoints").iterdir())


def test_a_node_without_the_results_folder_is_named(session, run, tmp_path):
    session.setup = Setup(session.setup.options, (), {}, str(tmp_path / "elsewhere"), "token", 0.01, [])
    with pytest.raises(GanZooError, match="--storage"):
        begin(session, run, tmp_path / "scratch")


def test_another_version_is_named(session):
    expected = ray_worker.versions() | {"torch": "1.0"}
    with pytest.raises(GanZooError, match=r"torch .*, not 1\.0"):
        next(ray_worker.work(expected, [session], "run", b""))


def test_a_data_set_arrives_as_it_was(plan):
    (data,) = plan.data.values()
    arrived = ray_worker._unpack(ray_worker.pack(data))
    assert torch.equal(arrived.train.images, data.train.images)
    assert torch.equal(arrived.test.labels, data.test.labels)
    assert arrived.fingerprint == data.fingerprint


def test_a_plan_from_given_data_has_the_same_runs(plan, monkeypatch):
    monkeypatch.setattr("gan_zoo.data.load", lambda *_args, **_options: 1 / 0)
    made = make_plan(plan.options, plan.data, plan.extractors)
    assert [run.name for run in made.runs()] == [run.name for run in plan.runs()]
    assert made.measurement_digests == plan.measurement_digests


@pytest.mark.slow
def test_nothing_imports_ray_that_does_not_use_it():
    code = "import sys, gan_zoo, gan_zoo.cli.bench, gan_zoo.search, gan_zoo.bench.executors.ray_worker\n"
    assert subprocess.run([sys.executable, "-c", code + "assert 'ray' not in sys.modules"], timeout=60).returncode == 0
