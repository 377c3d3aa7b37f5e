"""The progress of a worker process reaches the listener of the process that reports it, once each."""

import pytest

from gan_zoo.bench.callbacks import Listener, ProgressFile, ProgressFileReader
from gan_zoo.bench.plan import RunSpec
from gan_zoo.io import remove_temporary


class Events(Listener):
    def __init__(self):
        self.events = []

    def notice(self, text):
        self.events.append(("notice", text))

    def begin(self, run):
        self.events.append(("begin", run.title))

    def block(self, run, share, rate, values):
        self.events.append(("block", share, rate, values))

    def evaluate(self, run):
        self.events.append(("evaluate", run.title))


@pytest.fixture
def files(tmp_path):
    """The file of a run as its worker and as the reporting process have it, and the events of the latter."""
    run = RunSpec("gan", None, 0, {})
    (tmp_path / "records").mkdir()
    return ProgressFile(tmp_path, run), ProgressFileReader(tmp_path, run), Events(), run


def test_events_arrive_in_order_and_once(files):
    written, read, events, run = files
    assert not read.follow(events)
    written.begin(run)
    assert read.follow(events)
    written.notice("slow")
    written.block(run, 0.25, 800.0, {"generator_loss": 1.5})
    assert read.follow(events)
    assert read.follow(events)
    written.evaluate(run)
    read.follow(events)
    written.block(run, 0.5, 900.0, {"generator_loss": float("nan")})
    written.notice("again")
    read.follow(events)
    assert events.events[:4] == [
        ("begin", "gan seed 0"),
        ("notice", "slow"),
        ("block", 0.25, 800.0, {"generator_loss": 1.5}),
        ("evaluate", "gan seed 0"),
    ]
    assert [event[0] for event in events.events[4:]] == ["notice", "block"]


def test_a_file_that_a_kill_left_is_temporary_and_a_full_disk_ends_no_run(files, tmp_path):
    written, read, events, run = files
    written.begin(run)
    remove_temporary(tmp_path)
    assert not read.follow(events)
    written.begin(run)
    read.follow(events)
    read.remove()
    assert list((tmp_path / "records").iterdir()) == []
    assert read.follow(events), "the run has begun"
    written.path.parent.rmdir()
    written.block(run, 0.5, 1.0, {})
