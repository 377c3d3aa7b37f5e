"""A console that cannot show every character: what it lacks is replaced, and the command ends well."""

import json
import subprocess
import sys

import pytest

NAME = "\u03bb\u2020\u2013.py"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def output(words, environment):
    words = [sys.executable, *map(str, words)]
    ended = subprocess.run(words, capture_output=True, env=environment, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b"Error" not in ended.stderr
    return ended.stdout


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "gbk", "cp932", None])
def test_a_file_name_that_the_console_lacks(encoding, environment, tmp_path):
    settings = {"PYTHONIOENCODING": encoding} if encoding else ASCII
    result = output(["-m", "gan_zoo", "new", "mine", "--out", NAME], environment | settings)
    assert result.startswith(b"wrote ")
    assert (b"?" if encoding else rb"\udcce") in result.splitlines()[0]
    assert (tmp_path / NAME).is_file()


@pytest.mark.slow
def test_a_ranking_with_marks_that_the_console_lacks(finished, environment):
    result = output(["-m", "gan_zoo", "report", finished], environment | {"PYTHONIOENCODING": "latin-1"})
    assert b"report: " in result
    assert b"?" in result


@pytest.mark.parametrize(
    "words", [("report", "\x1b[31m"), ("list", "--plugin", "\x1b]0;x\x07.py"), ("data", "folder:\x9b1m")]
)
def test_an_error_shows_the_control_characters_of_a_name(gan_zoo, words):
    error = gan_zoo(*words).error
    assert error.isprintable()
    assert "\\x" in error


@pytest.mark.usefixtures("no_figures")
def test_a_report_shows_control_characters_of_titles(gan_zoo, finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    manifest["data"]["title"] = manifest["preset"] = "\x1b[31mred\nerror: forged"
    (finished / "manifest.json").write_text(json.dumps(manifest))
    result = gan_zoo("report", finished)
    assert result.status == 0, result.err
    assert r"\x1b[31mred" in result.out
    assert "\x1b" not in result.out
    assert "\nerror" not in result.out
