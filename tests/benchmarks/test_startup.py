"""Times of commands."""

import sys

from benchmarks.speed import startup


def test_commands_run_in_empty_folders_and_mistakes_count():
    code = "import os, sys; sys.exit(2 if not os.listdir() else 1)"
    assert all(0 < seconds < 60 for seconds in startup.timed([sys.executable, "-c", code]))
    assert len(startup.timed([sys.executable, "-c", code])) == 1
    assert startup.timed([sys.executable, "-c", "raise SystemExit(1)"]) == []


def test_the_table_has_medians_and_multiples_of_torch():
    times = {"gan-zoo list": [0.4, 0.6, 9.0], startup.TORCH: [2.0, 3.0, 1.0], "never": []}
    machine = {"processor": "A CPU", "cores": 2, "versions": {"torch": "2.9"}}
    text = startup.markdown(times, {"machine": machine, "commit": "0123abcd"})
    assert "| gan-zoo list | 0.60 | 0.40 to 9.00 | 0.30 |" in text
    assert "never" not in text
