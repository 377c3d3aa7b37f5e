"""The report is written again after every run, by a process that ends with the suite."""

import time

import pytest
from live_page import write

from gan_zoo.bench import runner
from gan_zoo.bench.runner import LiveReport


def until(holds, seconds=60.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_REPORT_AFTER", 0.0)
    made = LiveReport(tmp_path, write)
    yield made
    made.close()


def times(folder):
    return (folder / "page").read_text().count("written") if (folder / "page").is_file() else 0


@pytest.mark.slow
def test_runs_that_end_while_it_is_written_are_in_the_next_one_and_closing_leaves_nothing(report, tmp_path):
    slow, broken = tmp_path / "slow", tmp_path / "broken"
    slow.touch()
    for _ in range(5):
        report.update()
    until((tmp_path / ".page.part").exists)
    report.update()
    slow.unlink()
    until(lambda: times(tmp_path) == 2)
    broken.touch()
    report.update()
    until(lambda: all(future.done() for future in report.pending))
    broken.unlink()
    report.update()
    until(lambda: times(tmp_path) == 3)
    (tmp_path / ".page.part").unlink()
    slow.touch()
    report.update()
    until((tmp_path / ".page.part").exists)
    process = report.process.process
    report.close()
    assert not process.is_alive()
    assert not (tmp_path / ".page.part").exists()


def test_a_command_of_a_few_seconds_begins_no_process(tmp_path):
    made = LiveReport(tmp_path, write)
    made.update()
    assert made.process is None
    made.close()
