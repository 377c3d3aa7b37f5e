"""Runs are spread over the devices; how long one takes is measured in steps of the variant itself."""

import time
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest
import torch

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.executors import local
from gan_zoo.bench.executors.local import training_seconds
from gan_zoo.bench.executors.processes import Stop
from gan_zoo.bench.plan import make_plan
from gan_zoo.engine import Budget, advance, init
from gan_zoo.options import RunOptions


@pytest.fixture
def plan(suite):
    path = suite(('["by_heart", "sibling"]', '["gan"]'))
    return make_plan(RunOptions(suite=path, preset="smoke", device="cpu"))


def test_the_estimate_is_the_time_of_a_step_times_the_steps(plan):
    run = plan.runs()[-1]
    state = init(run.variant, plan.data[run.variant.image_side], 0)
    advance(state, 3)
    started = time.process_time()
    advance(state, 10)
    step = (time.process_time() - started) / 10
    longer = replace(plan, budget=Budget("steps", 1000))
    assert training_seconds(longer, run) == pytest.approx(1000 * step, rel=0.75)


def test_a_budget_in_seconds_is_its_own_estimate(plan):
    assert training_seconds(replace(plan, budget=Budget("seconds", 77.0)), plan.runs()[-1]) == 77.0


class Process:
    """In place of a worker process: every run ends at once, but the first on the device ``dies_on``, which kills it."""

    made: list[str] = []  # noqa: RUF012
    dies_on = ""

    def __init__(self, _initializer, options, *_args):
        self.process = None
        self.device = options.device
        self.made.append(self.device)

    def submit(self, _function, _name):
        future = Future()
        if self.device == Process.dies_on:
            Process.dies_on = ""
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result({"status": "ok", "device": self.device})
        return future

    def exit_status(self):
        return -9

    def kill(self):
        pass


@pytest.fixture
def execute(plan, monkeypatch, tmp_path):
    """Executes 20 runs on a made-up machine with 4 CUDA devices; the last rows and the devices of the processes."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(local, "SingleProcess", Process)
    Process.made = []
    (tmp_path / "records").mkdir()

    def run(device, jobs=None):
        options = replace(plan.options, seeds=list(range(20)), jobs=jobs, isolate=True)
        many = replace(plan, options=options, device=torch.device(device))
        runs = [run for run in many.runs() if run.variant is not None]
        rows = [row for _, row in local.execute(many, runs, tmp_path, Listener(), Stop())]
        return rows, Process.made

    return run


@pytest.mark.parametrize(
    ("device", "jobs", "expected"),
    [
        ("cuda", None, {"cuda:0": 1, "cuda:1": 1, "cuda:2": 1, "cuda:3": 1}),
        ("cuda", 8, {"cuda:0": 2, "cuda:1": 2, "cuda:2": 2, "cuda:3": 2}),
        ("cuda", 6, {"cuda:0": 2, "cuda:1": 2, "cuda:2": 1, "cuda:3": 1}),
        ("cuda", 2, {"cuda:0": 1, "cuda:1": 1}),
        ("cuda:1", None, {"cuda:1": 1}),
        ("cuda:1", 3, {"cuda:1": 3}),
        ("cpu", 3, {"cpu": 3}),
    ],
)
def test_workers_are_spread_evenly_over_the_devices(execute, device, jobs, expected):
    rows, made = execute(device, jobs)
    assert len(rows) == 20
    assert Counter(made) == expected
    # A process gets the next run when it has ended one.
    assert set(Counter(row["device"] for row in rows)) == set(expected)


def test_a_dead_worker_is_replaced_on_its_device(execute):
    Process.dies_on = "cuda:2"
    rows, made = execute("cuda", 4)
    assert Counter(row["status"] for row in rows) == {"ok": 19, "error": 1}
    assert made == ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:2"]


def test_the_index_of_a_device_is_no_part_of_a_run(plan):
    plans = [replace(plan, device=torch.device(device)) for device in ("cuda", "cuda:0", "cuda:3")]
    first, *others = [[run.name for run in each.runs()] for each in plans]
    assert others == [first, first]
