"""What the driver requests of a Ray cluster, whose GPUs are made up."""

import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from results_folders import Notices

from gan_zoo.bench.executors.processes import Stop
from gan_zoo.bench.executors.storage import StorageUnavailable
from gan_zoo.bench.plan import make_plan
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions

ray = pytest.importorskip("ray")
executor = pytest.importorskip("gan_zoo.bench.executors.ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def connected():
    """A cluster of this machine with 4 cores and 4 GPUs, by what it is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        resources = {"num_cpus": 4, "num_gpus": 4, "object_store_memory": 100_000_000}
        ray.init("local", **resources, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture
def cluster(connected, suite, toys, tmp_path, monkeypatch):
    """The driver of 40 runs on GPUs of 80 GiB."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 << 30))
    many = suite(("seeds = 2", "seeds = 20"))
    plan = make_plan(RunOptions(suite=many, preset="smoke", plugins=(toys,), device="cpu"))
    runs = [run for run in plan.runs() if run.variant is not None]
    plan = replace(plan, device=torch.device("cuda"))
    return executor._Cluster(plan, runs, tmp_path / "out", Notices(), Stop(), str(tmp_path / "out"), "")


def with_options(cluster, **options):
    cluster.plan = replace(cluster.plan, options=replace(cluster.plan.options, executor="ray", **options))


def test_a_process_trains_on_one_gpu(connected, monkeypatch):
    def where(*_):
        yield os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]

    monkeypatch.setattr(executor, "work", where)
    task = executor._remote("cuda").options(num_gpus=1)
    seen = [ray.get(next(task.remote())) for _ in range(3)]
    assert len({process for process, _ in seen}) == 3
    assert all(len(devices.split(",")) == 1 for _, devices in seen)


def test_on_a_cpu_a_process_serves_many_runs(connected, monkeypatch):
    def where(*_):
        yield os.getpid()

    monkeypatch.setattr(executor, "work", where)
    task = executor._remote("cpu")
    # One for each of the 4 cores at most.
    assert len({ray.get(next(task.remote())) for _ in range(6)}) < 6


def test_a_run_has_a_gpu_until_the_memory_of_its_variant_is_known(cluster, monkeypatch):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 1000.0, "GPU": 4.0})
    first, other = cluster.waiting[0], next(run for run in cluster.waiting if run.variant_name == "sibling")
    assert cluster._num_gpus(first) == 1
    cluster._measure(first, 7 << 30)
    cluster._measure(first, 2 << 30)
    # 1.3 times the 7 GiB and 1 GiB, of 80.
    assert cluster._num_gpus(first) == 0.13
    assert cluster._num_gpus(other) == 1


@pytest.mark.parametrize(
    ("cores", "left", "share"), [(1000, 39, 0.1), (16, 39, 0.25), (1000, 1, 1), (1000, 11, 0.3333)]
)
def test_shares_are_large_enough_that_runs_are_spread_over_all_gpus(cluster, monkeypatch, cores, left, share):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": cores, "GPU": 4.0})
    run = cluster.waiting.popleft()
    cluster._measure(run, 1 << 20)
    while len(cluster.waiting) > left:
        cluster.waiting.pop()
    assert cluster._num_gpus(run) == share


def test_a_stated_share_is_taken(cluster):
    with_options(cluster, num_gpus=0.5)
    assert cluster._num_gpus(cluster.waiting[0]) == 0.5


def test_no_more_is_requested_than_twice_the_gpus(cluster):
    requested = [SimpleNamespace(num_gpus=1.0)] * 7
    cluster.tasks = dict(enumerate(requested))
    assert cluster._has_demand()
    cluster.tasks[7] = requested[0]
    assert not cluster._has_demand()


def test_an_outage_of_the_storage_costs_a_pause(cluster):
    waiting = len(cluster.waiting)
    assert "down" in cluster._failure(StorageUnavailable("down"))
    assert list(cluster._submit()) == []
    assert (len(cluster.waiting), len(cluster.tasks)) == (waiting, 0)


def test_what_every_task_would_raise_ends_the_suite(cluster):
    with pytest.raises(GanZooError, match="ValueError: odd"):
        cluster._failure(ValueError("odd"))
    with pytest.raises(GanZooError, match="other versions"):
        cluster._failure(GanZooError("other versions"))


def test_what_no_node_has_is_named_with_a_way_out(cluster):
    with_options(cluster, num_gpus=8)
    cluster.plan = replace(cluster.plan, threads=6)
    cluster._check_nodes()
    assert ["--threads" in text or "--num-gpus" in text for text in cluster.listener.texts] == [True, True]
