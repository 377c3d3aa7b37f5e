"""The report is written again after every run, by a process that ends with the suite."""

import time

import pytest

from gan_zoo.bench.callbacks import Listener
from gan_zoo.report import live
from gan_zoo.report.live import LiveReport


class Closed(Listener):
    closed = False

    def close(self):
        self.closed = True


def until(holds, seconds=180.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def report(make_folder, monkeypatch):
    """A live report of a folder without a report, that is written from the first run on."""
    monkeypatch.setattr(live, "_BEGIN_AFTER", 0.0)
    folder = make_folder(["gan", "cgan"], seeds=1, inception=False)
    made = LiveReport(Closed())
    made.plan(None, folder, [])
    yield made
    made.close()


@pytest.mark.slow
def test_it_is_written_after_a_run_and_again_after_the_next(report):
    page = report.folder / "report.html"
    report.end(None, {})
    until(page.is_file)
    age = page.stat().st_mtime_ns
    report.end(None, {})
    until(lambda: page.stat().st_mtime_ns > age)


@pytest.mark.slow
def test_closing_ends_the_process_and_leaves_no_temporary_file(report):
    report.end(None, {})
    until(lambda: any(report.folder.rglob("*.png")))
    process = report.process
    report.close()
    assert not process.is_alive()
    assert not [path for path in report.folder.rglob(".*") if ".part" in path.name]
    assert report.listener.closed


@pytest.mark.slow
def test_a_report_that_fails_does_not_end_the_process(report):
    manifest = report.folder / "manifest.json"
    content = manifest.read_text()
    manifest.write_text("{")
    report.end(None, {})
    time.sleep(0.5)
    manifest.write_text(content)
    report.end(None, {})
    until((report.folder / "report.html").is_file)


def test_a_command_of_a_few_seconds_begins_no_process(make_folder):
    made = LiveReport(Listener())
    made.plan(None, make_folder(["gan"], seeds=1, inception=False), [])
    made.end(None, {})
    assert made.process is None
    made.close()
