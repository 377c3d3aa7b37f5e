"""A console that cannot show every character: what it lacks is replaced, and the command ends well."""

import subprocess
import sys

import pytest

NAME = "\u03bb\u2020\u2013.py"
REPORT = """
import sys
from pathlib import Path
from gan_zoo import report
from gan_zoo.cli import main
report.write_report = lambda folder: Path(folder) / "report.html"
sys.argv = ["gan-zoo", "report", sys.argv[1]]
main()
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def ended(words, environment, tmp_path):
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, env=environment, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Error" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "settings",
    [*({"PYTHONIOENCODING": name} for name in ("latin-1", "cp437", "gbk", "cp932")), ASCII],
    ids=lambda settings: settings.get("PYTHONIOENCODING", "C"),
)
def test_a_file_name_that_the_console_lacks(settings, environment, tmp_path):
    result = ended(["-m", "gan_zoo", "new", "mine", "--out", NAME], environment | settings, tmp_path)
    assert result.startswith(b"wrote ")
    assert b"?" in result.splitlines()[0]
    assert (tmp_path / NAME).is_file()


@pytest.mark.slow
def test_a_ranking_with_marks_that_the_console_lacks(finished, environment, tmp_path):
    result = ended(["-c", REPORT, finished], environment | {"PYTHONIOENCODING": "latin-1"}, tmp_path)
    assert b"report: " in result
    assert b"?" in result
