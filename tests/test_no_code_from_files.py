"""No file that is read can run code: over the syntax trees, no pickle, no eval, and code of paths for plugins alone."""

import ast

import pytest

from benchmarks.common import ROOT

PLUGINS = "gan_zoo/plugins.py"
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve", "yaml"}
"""Modules whose readers run what is in a file."""
CALLS = {"eval", "builtins.eval", "torch.load", "torch.jit.load", "torch.hub.load", "pandas.read_pickle"}
"""Functions that do, also ``numpy.load`` with ``allow_pickle``."""
CODE = {"exec", "compile", "__import__", "runpy", "importlib.util.spec_from_file_location", "importlib.machinery"}
"""Functions and modules that run the code of a path."""
FILES = sorted(path for folder in ("gan_zoo", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def used(tree):
    """The full names of all that a module imports or names, each with its node."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for each in node.names:
                yield start + each.name, node
                local = each.asname or each.name.partition(".")[0]
                names[local] = start + each.name if each.asname or start else local
    for node in ast.walk(tree):
        first, parts = node, []
        while isinstance(first, ast.Attribute):
            parts.insert(0, first.attr)
            first = first.value
        if isinstance(first, ast.Name):
            yield ".".join([names.get(first.id, first.id), *parts]), node


def allows_pickle(node):
    return any(word.arg in ("allow_pickle", None) and ast.unparse(word.value) != "False" for word in node.keywords)


def faults(source, *, is_plugin_module=False):
    """What could run the code of a file, a line each."""
    tree, found = ast.parse(source), []
    for name, node in used(tree):
        is_code = any(name == code or name.startswith(f"{code}.") for code in CODE)
        if name.partition(".")[0] in MODULES or name in CALLS or (is_code and not is_plugin_module):
            found.append(f"line {node.lineno}: {name}")
    loads = {id(node) for name, node in used(tree) if name == "numpy.load"}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node.func) in loads]
    return found + [f"line {node.lineno}: numpy.load" for node in calls if allows_pickle(node)]


def test_no_file_that_is_read_runs_code():
    found = {}
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        found[name] = faults(path.read_text(encoding="utf-8"), is_plugin_module=name == PLUGINS)
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import load",
        "def f():\n    import joblib as j",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "import torch\nread = torch.load",
        "import pandas as pd\npd.read_pickle(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "from numpy import load\nload(path, **options)",
        "import yaml\nyaml.load(file)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "import runpy\nrunpy.run_path(path)",
        "import importlib.util\nimportlib.util.spec_from_file_location(name, path)",
    ],
)
def test_what_runs_code_is_found(source):
    assert faults(source)


def test_what_runs_no_code_is_not():
    assert faults("import numpy as np\nimport re\nnp.load(path, allow_pickle=False)\nre.compile(x)\nmodel.eval()") == []
