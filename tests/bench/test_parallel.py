"""The processes of a run: rank 0 is an ordinary run, the others do what it says and report only what it cannot know."""

import threading

import pytest
import torch
import torch.distributed as dist
from killing import kinds, rows
from processes import in_threads
from states import differing
from torch.distributed.distributed_c10d import PrefixStore

from gan_zoo import api, registry
from gan_zoo.bench import parallel as bench_parallel
from gan_zoo.bench.parallel import _silent, follow, receive_state, send_state
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.runner import run_plan
from gan_zoo.bench.train import single_options, single_suite
from gan_zoo.data import load
from gan_zoo.engine import Budget, advance, init
from gan_zoo.engine.parallel import END, LOST, Parallel, join
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.options import DataOptions, RunOptions

LOCK = threading.Lock()


def planned(options):
    """A plan, made by one thread at a time: Python 3.11 parses source in one thread only."""
    with LOCK:
        return make_plan(options)


@pytest.fixture
def options(toys):
    """Makes the options of a single run of a toy on the digits, of 60 steps, without metrics."""

    def make(name="sibling", **more):
        registry.load_plugin(toys)
        suite = single_suite(registry.get(name), "digits", Budget("steps", 60), seed=0, data_options=DataOptions())
        return single_options(suite, RunOptions(plugins=[toys], device="cpu", threads=1, evaluate=False, **more))

    return make


@pytest.fixture
def joined(monkeypatch):
    """A place for the process that a thread is."""
    place = threading.local()
    monkeypatch.setattr("gan_zoo.bench.plan.joined", lambda: getattr(place, "parallel", None))
    monkeypatch.setattr(bench_parallel, "make_plan", planned)
    return place


def run_by_two(options, joined, folder):
    """Run by two threads as processes; the lines of failed runs, and what the follower raised."""

    def run(parallel):
        joined.parallel = parallel
        if parallel.rank == 0:
            try:
                return run_plan(planned(options), folder)
            finally:
                parallel.send(END)
        try:
            with _silent(parallel):
                follow(parallel, options)
        except SystemExit as end:
            return end.code
        return None

    return in_threads(2, run)


def test_a_run_of_two_processes_has_the_records_of_a_run(options, joined, tmp_path):
    failed, code = run_by_two(options(), joined, tmp_path)
    assert (failed, code) == ([], None)
    ((_, run),) = rows(tmp_path).items()
    (end,) = kinds(run, "end")
    assert (end["status"], end["steps"], end["execution"]) == ("ok", 60, "eager")
    assert run[0]["identity"]["processes"] == 2
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_variant_that_fails_in_all_processes_is_the_status_of_the_run_alone(options, joined, tmp_path):
    failed, code = run_by_two(options("raises"), joined, tmp_path)
    assert len(failed) == 1
    assert "a planned failure" in failed[0]
    assert code == 0
    ((_, run),) = rows(tmp_path).items()
    assert kinds(run, "end")[0]["status"] == "error"


def test_a_run_of_another_number_of_processes_is_refused(options, joined, tmp_path, no_report):
    api.run_options(options(), tmp_path)
    joined.parallel = Parallel(0, 2, dist.HashStore())
    with pytest.raises(GanZooError, match="processes of torchrun none, not 2"):
        run_plan(make_plan(options()), tmp_path)


def test_processes_are_part_of_what_is_trained_and_not_of_what_measures(options, joined):
    alone = make_plan(options())
    joined.parallel = Parallel(0, 2, dist.HashStore())
    together = make_plan(options())
    assert [run.name for run in alone.runs()] != [run.name for run in together.runs()]
    assert alone.measurement_digests == together.measurement_digests


def test_the_state_of_the_first_process_is_that_of_all():
    """With moments, counts, the order of the epoch and random states; the second has another seed at first."""
    variant = registry.get("gan", batch_size=16)
    data = load("digits")
    trained = advance(init(variant, data, 0), 3)

    def exchange(parallel):
        if parallel.rank == 0:
            send_state(parallel, trained)
            return trained
        state = init(variant, data, 0)
        receive_state(parallel, state, int(parallel.receive()))
        return state

    first, second = in_threads(2, exchange)
    assert second is not first
    assert differing(first, second) == []


def test_a_state_of_another_run_is_refused():
    data = load("digits")
    states = [init(registry.get("gan", batch_size=16), data, seed) for seed in (0, 1)]

    def exchange(parallel):
        if parallel.rank == 0:
            send_state(parallel, states[0])
        else:
            receive_state(parallel, states[1], int(parallel.receive()))

    with pytest.raises(GanZooError, match="seed 0, not 1"):
        in_threads(2, exchange)


@pytest.mark.parametrize(
    ("rank", "error", "command", "expected", "words"),
    [
        (1, ValueError("bad"), END, SystemExit, "0"),
        (1, ValueError("bad"), None, GanZooError, "process 1 of 3 on .*ValueError: bad"),
        (2, GanZooError("no data"), "7", GanZooError, "process 2 of 3 on .*no data"),
        (1, Interrupted("lost", LOST), END, SystemExit, "0"),
        (1, Interrupted("lost", LOST), None, Interrupted, "lost; run the same command again"),
        (2, Interrupted("lost", LOST), None, SystemExit, str(LOST)),
    ],
)
def test_a_process_reports_what_the_first_does_not(monkeypatch, rank, error, command, expected, words):
    monkeypatch.setattr(bench_parallel, "_PATIENCE", 0.05)
    parallel = Parallel(rank, 3, dist.HashStore())
    if command is not None:
        Parallel(0, 3, parallel.store).send(command)
    with pytest.raises(expected, match=words), _silent(parallel):
        raise error


def among(monkeypatch, rank, size):
    given = {"TORCHELASTIC_RUN_ID": "none", "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"device": "cuda:1"}, "--device cuda:1"),
        ({"device": "cpu", "run_timeout": 60.0}, "--run-timeout"),
        ({"device": "cpu", "sync_batch_norm": True}, "--sync-batch-norm needs CUDA"),
        ({"device": "cuda"}, "'cuda' is not here"),
        ({"device": "tpu"}, "'tpu' is not one"),
    ],
)
def test_options_that_do_not_fit_are_reported_by_the_first_process_alone(monkeypatch, given, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    among(monkeypatch, 0, 2)
    with pytest.raises(GanZooError, match=words), join(RunOptions(**given)):
        pass
    among(monkeypatch, 1, 2)
    with pytest.raises(SystemExit) as end, join(RunOptions(**given)):
        pass
    assert end.value.code == 0


def test_a_single_process_of_torchrun_trains_by_itself(monkeypatch):
    among(monkeypatch, 0, 1)
    given = RunOptions(device="cpu")
    with join(given) as (parallel, options):
        assert parallel is None
        assert options is given


def test_synchronized_batch_norm_needs_several_processes(options):
    with pytest.raises(GanZooError, match="torchrun"):
        make_plan(options(sync_batch_norm=True))


def test_commands_come_in_their_order_and_none_is_empty():
    first, other = (Parallel(rank, 2, dist.HashStore()) for rank in range(2))
    other.store = first.store
    for command in ("3", "5"):
        first.send(command)
    assert [other.receive(), other.receive(), other.receive(within=0.01)] == ["3", "5", ""]


def test_a_command_stays_in_the_store_until_all_have_read_it():
    store = dist.TCPStore("127.0.0.1", 0, is_master=True)
    before = store.num_keys()
    first, *others = (Parallel(rank, 3, PrefixStore("commands", store)) for rank in range(3))
    for command in ("800", "1", "2"):
        first.send(command)
    assert [others[0].receive() for _ in range(3)] == ["800", "1", "2"]
    assert store.num_keys() > before
    assert [others[1].receive() for _ in range(3)] == ["800", "1", "2"]
    assert store.num_keys() == before
    assert others[0].receive(within=0.01) == ""


def test_a_failed_exchange_is_one_line_without_the_source_of_gloo(monkeypatch):
    message = "[/a/pair.cc:545] Read error [127.0.0.1]:9: Connection reset by peer. This is caused by a bug"

    def fail(_values):
        raise RuntimeError(message)

    monkeypatch.setattr(dist, "all_reduce", fail)
    with pytest.raises(Interrupted, match=r"process 1 of 2 lost another.*\(Read error .*reset by peer\)$") as lost:
        Parallel(1, 2, dist.HashStore()).all_reduce(torch.ones(1))
    assert lost.value.status == LOST
