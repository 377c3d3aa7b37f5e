"""Help: quick, with an example for each verb, and a list of what is there."""

import importlib.metadata
import subprocess
import sys

import pytest
import typer

from gan_zoo.cli import app

VERBS = sorted(typer.main.get_command(app.app).commands)
LOOK = """
import sys
from gan_zoo.cli import main
for words in {commands}:
    sys.argv = ["gan-zoo", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert (end.code or 0) == {status}, (words, end.code)
    slow = {slow} & set(sys.modules)
    assert not slow, (words, slow)
"""
SLOW = {"torch", "numpy", "pandas", "sklearn", "scipy", "matplotlib", "torchvision", "rich", "pygments", "PIL"}
HELP = ["--help", "-h", "--version", "bench --help", "train -h"]
ANSWERED = ["list", "list --json", "list --long --filter *gan", "show cgan", "data", "new mine"]
MISTYPED = [
    *("list --filter x*", "show gna", "check gna", "data mnits", "new gan", "train gna", "train gan --data mnits"),
    *("train gan --set widht=3", "train gan --set lr", "train gan --set generator_optimzer.lr=1"),
    *("train gan --steps 2.5", "train gan --precision fp31", "train gan --seed=-1", "bench mnits"),
    *("bench mnist --preset quik", "bench mnist --variants gna", "bench mnist --precision fp31"),
    *("search mnits --trials 1", "bench wrong.toml"),
]
WRONG = """
title = "x"
data = "mnits"
variants = ["gan"]
extractors = ["own"]
[presets.quick]
seeds = 1
num_samples = 9
budget = { steps = 9 }
"""


def test_the_verbs():
    assert (
        " ".join(VERBS)
        == "bench check compare data doctor evaluate explore list new report sample search show study train"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(gan_zoo, verb):
    assert f" {verb} " in gan_zoo("--help").out
    for option in ("--help", "-h"):
        result = gan_zoo(verb, option, columns=200)
        assert (result.status, result.err) == (0, "")
        assert f"Example: gan-zoo {verb}" in result.out


def test_the_version(gan_zoo):
    assert gan_zoo("--version").out == f"gan-zoo {importlib.metadata.version('gan-zoo')}\n"


@pytest.mark.parametrize(
    ("commands", "status"), [(HELP, 0), (ANSWERED, 0), (MISTYPED, 2)], ids=["help", "answered", "mistyped"]
)
def test_what_answers_at_once_imports_nothing_slow(commands, status, environment, tmp_path):
    (tmp_path / "wrong.toml").write_text(WRONG, encoding="utf-8")
    code = LOOK.format(commands=commands, status=status, slow=SLOW)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == (len(commands) if status else 0)


@pytest.mark.parametrize("words", ["", "benhc", "bench --outt x", "bench", "bench x.toml --jobs 0"])
def test_a_wrong_command_line(gan_zoo, words):
    result = gan_zoo(*words.split())
    assert result.status == 2
    assert "Usage: gan-zoo" in result.err
    assert "Traceback" not in result.err
