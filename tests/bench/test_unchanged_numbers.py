"""An edit that changes no number trains nothing again; one that changes numbers without a raised version is found."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from killing import COMMAND
from results_folders import content

import gan_zoo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGE = Path(gan_zoo.__file__).parent
GOLDEN = Path(__file__).parents[1] / "golden" / "test_golden.py"
SUITE = """
title = "Digits"
data = "digits"
variants = ["gan", "cgan", "dcgan"]
extractors = ["digits-cnn"]

[presets.smoke]
seeds = 1
budget = { images = 160 }
num_samples = 140
batch_size = 16
options = { dcgan = { width = 4 } }
"""


def reworded(source):
    """The same code with other docstrings, and a comment line above every statement."""
    lines = source.encode().splitlines(keepends=True)
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    texts = [text for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)]
    for text in sorted(texts, key=lambda text: text.lineno, reverse=True):
        first, last = text.lineno - 1, text.end_lineno - 1
        before, after = lines[first][: text.col_offset], lines[last][text.end_col_offset :]
        lines[first : last + 1] = [before + b'"""Reworded.\n\n    At length.\n    """' + after]
    tree = ast.parse(b"".join(lines))
    lines = b"".join(lines).splitlines(keepends=True)
    starts = {node.lineno: node.col_offset for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    for line in sorted(starts, reverse=True):
        indent = lines[line - 1][: starts[line]]
        if not indent.strip():
            lines.insert(line - 1, indent + b"# a remark\n")
    return "# A remark.\n" + b"".join(lines).decode()


@pytest.fixture
def clone(tmp_path):
    """A copy of the package in which every file has other docstrings and comments."""
    shutil.copytree(PACKAGE, tmp_path / "clone" / "gan_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tmp_path / "clone").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        changed = reworded(source)
        assert changed != source
        path.write_text(changed, encoding="utf-8")
    return tmp_path / "clone"


def python(root, *words):
    """Run Python with the package that lies in a folder; what it prints."""
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], env=environment, cwd=root, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["bench", "train"])
def test_other_docstrings_and_comments_train_nothing_again(clone, tmp_path, command):
    (tmp_path / "digits.toml").write_text(SUITE, encoding="utf-8")
    words = {
        "bench": ["bench", tmp_path / "digits.toml", "--preset", "smoke", "--jobs", "1"],
        "train": ["train", "cgan", "--data", "digits", "--steps", "10"],
    }[command]
    out = tmp_path / "out"
    words = ["-c", COMMAND, *words, "--threads", "1", "--out", out]
    status, result = python(PACKAGE.parent, *words)
    assert status == 0, result
    before = content(out)
    assert len(before) > 4
    status, result = python(clone, *words)
    assert status == 0, result
    assert "already finished: nothing is trained" in result
    assert content(out) == before
    status, result = python(clone, "-c", "import gan_zoo; print(gan_zoo.__file__)")
    assert result.startswith(str(clone)), "it was the clone that ran"


def test_a_changed_formula_without_a_raised_version_fails_the_golden_tests(clone):
    chosen = "test_numbers_are_those_that_were_stored and (variants-lsgan] or variants-gan])"
    options = ["-q", "-n0", "-p", "no:cacheprovider", "--rootdir"]
    golden = ["-m", "pytest", GOLDEN, *options, PACKAGE.parent, "-k", chosen]
    status, result = python(clone, *golden)
    assert status == 0, result
    file = clone / "gan_zoo" / "losses" / "adversarial.py"
    loss = "mse_loss(values, torch.full_like(values, target))"
    source = file.read_text(encoding="utf-8")
    assert source.count(loss) == 1
    file.write_text(source.replace(loss, f"0.5 * {loss}"), encoding="utf-8")
    status, result = python(clone, *golden)
    assert status == 1, result
    assert "golden values of lsgan changed" in result
    assert "golden values of gan changed" not in result
