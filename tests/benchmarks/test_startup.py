"""Times of commands: each in turn, and a row each beside import torch."""

import sys

import startup as script
from timing import startup


def test_commands_run_in_turn_in_empty_folders(tmp_path):
    log = tmp_path / "log"
    code = "import os, sys; open({!r}, 'a').write(sys.argv[1] + str(len(os.listdir()))); open('made', 'w'); sys.exit(2)"
    commands = {name: [sys.executable, "-c", code.format(str(log)), name] for name in "ab"}
    times = startup.interleaved(commands, 2)
    assert log.read_text() == "a0b0a0b0"
    assert startup.interleaved({"fails": [sys.executable, "-c", "raise SystemExit(1)"]}, 1) == {"fails": []}
    assert all(0 < seconds < 60 for name in "ab" for seconds in times[name])


def test_the_table_has_medians_and_multiples_of_torch():
    times = {"gan-zoo list": [0.4, 0.6, 9.0], script.TORCH: [2.0, 3.0, 1.0], "never": []}
    machine = {"processor": "A CPU", "cores": 2, "versions": {"torch": "2.9"}}
    text = script.markdown(times, machine, "0123")
    assert "| `gan-zoo list` | 0.60 | 0.40 to 9.00 | 0.30 |" in text
    assert "ran 3 times" in text
    assert "never" not in text


def test_a_mistyped_name_is_among_the_commands():
    assert {"list", "bench mnits", "--version"} <= set(startup.COMMANDS)
