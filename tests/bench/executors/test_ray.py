"""A suite on a Ray cluster has the tables of the local executor, whatever dies on the way."""

import os
import signal
import sys
import time
from dataclasses import replace

import psutil
import pytest
from killing import kill_when, kinds, rows
from results_folders import Notices, assert_same_tables

from gan_zoo.bench.records import read_run, records_path
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.options import RunOptions
from gan_zoo.search import search_suite

ray = pytest.importorskip("ray")
connection = pytest.importorskip("gan_zoo.bench.executors.ray_connection").connection
pytestmark = pytest.mark.slow

LONG = (("images = 160", "images = 9600"), ("[0.4, 1.0]", "[0.2, 0.4, 0.6, 0.8, 1.0]"))
TABLES = ("runs", "history", "metrics", "summary")


@pytest.fixture(scope="module")
def s3():
    """The endpoint of an S3 server with a bucket ``zoo``, in the environment of all processes that begin later."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="zoo")
        yield client
    server.stop()


@pytest.fixture(scope="module")
def cluster(s3):
    """Three nodes with a core each, of which tests may kill all but the first."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        node = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
        started = Cluster(initialize_head=True, head_node_args=node)
        for _ in range(2):
            started.add_node(num_cpus=1, object_store_memory=100_000_000)
        started.wait_for_nodes()
        # Workers of one connection serve all tests: a new one takes seconds to import torch.
        ray.init(started.address, log_to_driver=False)
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def nodes(cluster):
    """The cluster, with as many nodes again after a test as before."""
    yield cluster
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    cluster.wait_for_nodes()


@pytest.fixture
def on_ray(nodes, bench):
    """Run the suite of the toys on the cluster, as ``bench`` does here."""

    def run(out, *changes, **options):
        settings = {"jobs": None, "executor": "ray", "checkpoint_every": 0.0}
        return bench(out, *changes, **(settings | options))

    return run


class Once(Notices):
    """Calls a function as soon as a run has a share of its budget behind it."""

    def __init__(self, function, share=0.3):
        super().__init__()
        self.function, self.share = function, share

    def block(self, run, share, rate, values):
        if share > self.share and self.function is not None:
            function, self.function = self.function, None
            function()


def workers():
    """The worker processes of this process's cluster that train."""
    titles = ("ray::by_heart", "ray::sibling")
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if " ".join(child.cmdline()).startswith(titles):
                found.append(child)
        except psutil.Error:
            continue
    return found


def files(folder):
    """The files of a folder, without the checkpoints that later ones replaced, which stay on their nodes."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in paths if ".previous" not in path.name}


def assert_whole(folder, count):
    """Every run has ended once, and no evaluation is there twice: a row ``resume`` voids those after its step."""
    runs = rows(folder)
    assert len(runs) == count
    assert all(len(kinds(run, "end")) == 1 for run in runs.values())
    for name in runs:
        samples = read_run(records_path(folder, name)).samples
        steps = [row["step"] for row in samples if row["kind"] == "grid"]
        assert len(steps) == len(set(steps))


def test_a_suite_of_60_runs_has_the_tables_of_the_local_executor(on_ray, bench, tmp_path):
    many = ("seeds = 2", "seeds = 20")
    outcome = on_ray("ray", many, checkpoint_every=60.0)
    assert outcome.errors == ()
    bench("local", many)
    assert_whole(tmp_path / "ray", 60)
    assert_same_tables(tmp_path / "ray", tmp_path / "local", TABLES)
    assert files(tmp_path / "ray") == files(tmp_path / "local")


def test_an_address_without_a_cluster_is_one_line(monkeypatch):
    # Another test's cluster may be connected.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with (
        pytest.raises(GanZooError, match="no Ray cluster"),
        connection(RunOptions(executor="ray", address="127.0.0.1:1")),
    ):
        pass


def test_a_cluster_of_this_machine_has_the_threads_of_a_run(monkeypatch):
    def init(_address, **resources):
        raise ValueError(resources["num_cpus"])

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(GanZooError, match="1000"), connection(RunOptions(executor="ray", threads=1000)):
        pass


@pytest.mark.cluster
def test_a_search_has_the_trials_of_the_local_executor(nodes, suite, toys, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_zoo.search.run.write_search", lambda *_: None)
    options = {"preset": "smoke", "plugins": (toys,), "trials": 2, "variants": ["by_heart"]}
    found = {
        name: search_suite(suite(), tmp_path / name, **options, **more)
        for name, more in {"ray": {"executor": "ray"}, "local": {"jobs": 1}}.items()
    }
    one, other = ([replace(trial, seconds=0.0) for trial in each.trials] for each in found.values())
    assert len(one) == 2
    assert one == other
    assert not any(each.errors for each in found.values())


@pytest.mark.parametrize("victim", ["worker", "node"])
def test_what_dies_in_the_middle_costs_nothing(on_ray, nodes, bench, tmp_path, victim):
    def kill():
        if victim == "worker":
            workers()[0].kill()
        else:
            nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)

    listener = Once(kill)
    outcome = on_ray("ray", *LONG, listener=listener)
    assert outcome.errors == ()
    assert listener.function is None
    assert any("resumes elsewhere" in text for text in listener.texts)
    bench("local", *LONG)
    assert_whole(tmp_path / "ray", 6)
    # The node may have had a run without a checkpoint yet, or that of real images, which has none.
    if victim == "worker":
        assert any(kinds(run, "resume") for run in rows(tmp_path / "ray").values())
    assert_same_tables(tmp_path / "ray", tmp_path / "local", TABLES)


DEADLY = """

from dataclasses import replace
import os

from gan_zoo.registry import get


@register("deadly")
def deadly():
    return replace(get("sibling"), networks=lambda _: os.kill(os.getpid(), 9))
"""


@pytest.mark.cluster
def test_a_run_whose_worker_always_dies_is_an_error_and_the_others_go_on(on_ray, toys):
    toys.write_text(toys.read_text(encoding="utf-8") + DEADLY, encoding="utf-8")
    outcome = on_ray("ray", ('"by_heart"', '"deadly"'), ("seeds = 2", "seeds = 1"))
    assert [line.partition(":")[0] for line in outcome.errors] == ["deadly seed 0"]
    assert outcome.results.runs.set_index("variant")["status"].to_dict() == {
        "real": "ok",
        "deadly": "error",
        "sibling": "ok",
    }


def command(suite, toys, out, nodes):
    options = ["--preset", "smoke", "--executor", "ray", "--address", nodes.address, "--checkpoint-every", "0"]
    return ["bench", suite(*LONG), "--plugin", toys, "--out", out, *options]


def is_half_way(runs):
    done = any(kinds(run, "end") for name, run in runs.items() if not name.startswith("real"))
    return done and any(len(kinds(run, "metrics")) > 1 and not kinds(run, "end") for run in runs.values())


@pytest.mark.cluster
@pytest.mark.parametrize("executor", ["ray", "local"])
def test_the_command_resumes_after_its_driver_was_killed(on_ray, nodes, bench, suite, toys, tmp_path, executor):
    out = tmp_path / "ray"
    kill_when(is_half_way, out, command(suite, toys, out, nodes))
    finished = {name: run for name, run in rows(out).items() if kinds(run, "end")}
    # Tasks of a killed driver live for some seconds.
    while workers():
        time.sleep(0.5)
    (on_ray if executor == "ray" else bench)("ray", *LONG)
    bench("local", *LONG)
    after = rows(out)
    assert_whole(out, 6)
    assert all(after[name] == run for name, run in finished.items())
    assert any(kinds(run, "resume") for run in after.values())
    assert_same_tables(out, tmp_path / "local", TABLES)


@pytest.mark.cluster
def test_a_run_that_takes_too_long_resumes_with_a_longer_limit(on_ray, bench, tmp_path):
    longer = (*LONG, ("seeds = 2", "seeds = 1"))
    outcome = on_ray("ray", *longer, run_timeout=2)
    late = {name for name, run in rows(tmp_path / "ray").items() if kinds(run, "end")[-1]["status"] == "timeout"}
    assert len(outcome.errors) == len(late)
    assert on_ray("ray", *longer).errors == ()
    bench("local", *longer)
    trained = {name for name in late if not name.startswith("real")}
    assert trained
    assert all(kinds(rows(tmp_path / "ray")[name], "resume") for name in trained)
    assert_same_tables(tmp_path / "ray", tmp_path / "local", TABLES)


def test_ctrl_c_stores_checkpoints_and_the_same_call_resumes(on_ray, bench, tmp_path):
    # Early: the runs take a few seconds.
    listener = Once(lambda: signal.raise_signal(signal.SIGINT), share=0.02)
    with pytest.raises(Interrupted):
        on_ray("ray", *LONG, listener=listener, checkpoint_every=60.0)
    before = rows(tmp_path / "ray")
    assert not all(kinds(run, "end") for run in before.values())
    stored = {path.stem for path in (tmp_path / "ray" / "checkpoints").glob("*.safetensors")}
    assert stored >= {name for name, run in before.items() if kinds(run, "history") and not kinds(run, "end")}
    on_ray("ray", *LONG)
    bench("local", *LONG)
    assert_whole(tmp_path / "ray", 6)
    assert any(kinds(run, "resume") for run in rows(tmp_path / "ray").values())
    assert_same_tables(tmp_path / "ray", tmp_path / "local", TABLES)


def test_a_run_resumes_on_another_node_from_an_object_store(on_ray, nodes, bench, s3, tmp_path):
    storage = "s3://zoo/toys"
    listener = Once(lambda: nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False))
    on_ray("ray", *LONG, storage=storage, listener=listener)
    bench("local", *LONG)
    assert_whole(tmp_path / "ray", 6)
    runs = rows(tmp_path / "ray")
    assert any(kinds(run, "resume") for run in runs.values())
    assert_same_tables(tmp_path / "ray", tmp_path / "local", TABLES)
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket="zoo", Prefix="toys/checkpoints")["Contents"]}
    trained = {name for name in runs if not name.startswith("real")}
    assert keys == {f"toys/checkpoints/{name}.safetensors" for name in trained}
    assert not (tmp_path / "ray" / "checkpoints").exists()
