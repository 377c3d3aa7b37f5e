"""README and docs: commands, snippets and links work, and generated tables are those of the code."""

import ast
import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer
from torch.distributed.run import get_args_parser

import gan_zoo
from gan_zoo import registry, validation
from gan_zoo.bench import suite_variants
from gan_zoo.bench.suite import read_suite
from gan_zoo.cli.app import app
from gan_zoo.search.space import read_ranges

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
DOCS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app)
SLOW = ("train(", "run_suite(")
"""Calls that a test does not run: their arguments are checked instead."""
BASE = 'title = "Base"\ndata = "digits"\nvariants = ["gan"]\nextractors = ["own"]\n'
PRESET = "[presets.quick]\nseeds = 1\nbudget = { steps = 1 }\nnum_samples = 500\n"


def blocks(language):
    """The code blocks of a language: (page, block)."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [pytest.param(block, id=f"{page}-{n}") for page in DOCS for n, block in enumerate(fence.findall(DOCS[page]))]


def commands(block):
    """The commands of a shell block, as words."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def check_gan_zoo(words):
    """Parse a gan-zoo command without running it."""
    verb, *rest = words
    if verb.startswith("-"):
        assert verb in {name for option in COMMANDS.params for name in option.opts}
        return
    COMMANDS.commands[verb].make_context(verb, [*rest])
    if verb in ("bench", "search") and not rest[0].endswith(".toml"):
        assert list(ROOT.glob(f"*/**/{rest[0]}.toml")), f"no suite {rest[0]}"


def check_make(words):
    """The target exists, the variables are used in the Makefile, and ARGS of a suite are options of `bench`."""
    target, *settings = words
    assert re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:", MAKEFILE, re.MULTILINE), f"no target {target}"
    for name, value in (setting.split("=", 1) for setting in settings):
        assert f"$({name})" in MAKEFILE, f"no variable {name}"
        if name == "ARGS" and target.startswith("bench"):
            COMMANDS.commands["bench"].make_context("bench", ["mnist", *shlex.split(value)])


def check_script(words):
    """The file or module exists and its source has the options."""
    if words[0] == "-m":
        words = [f"{words[1].replace('.', '/')}.py", *words[2:]]
    script = (ROOT / words[0]).read_text(encoding="utf-8")
    assert [word for word in words[1:] if word.startswith("--") and f'"{word}"' not in script] == []


def check_torchrun(words):
    """The options of torchrun are known to it, and the command of gan-zoo behind them parses."""
    given = get_args_parser().parse_args(words)
    assert (given.module, given.training_script) == (True, "gan_zoo")
    check_gan_zoo(given.training_script_args)


def check_command(words):
    """A command of a shell block that a reader may copy."""
    checks = {"gan-zoo": check_gan_zoo, "make": check_make, "python": check_script, "torchrun": check_torchrun}
    if words[0] in checks:
        checks[words[0]](words[1:])
    else:
        assert words[0] in ("pip", "source", "tensorboard")


def anchors(page):
    """The anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("block", blocks("sh"))
def test_commands_parse(block):
    for words in commands(block):
        check_command(words)


@pytest.mark.parametrize("page", DOCS)
def test_commands_and_options_in_the_text_exist(page):
    """Their arguments may be placeholders, so only the names are checked."""
    text = " ".join(re.findall(r"`[^`\n]*`", DOCS[page]))
    for program, name in re.findall(r"`(gan-zoo|make) ([a-z][\w-]*)", text):
        if program == "make":
            check_make([name])
        else:
            assert name in COMMANDS.commands
    params = [param for verb in COMMANDS.commands.values() for param in verb.params]
    known = {name for param in params for name in param.opts + param.secondary_opts}
    scripts = " ".join(script.read_text(encoding="utf-8") for script in (ROOT / "benchmarks").glob("**/*.py"))
    named = re.findall(r"--[a-z][a-z-]+", text)
    assert [option for option in named if option not in known and f'"{option}"' not in scripts] == []


@pytest.mark.parametrize("block", blocks("python"))
def test_python_snippets_fit_the_api(block, tmp_path, monkeypatch, own_registry):
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("gan_zoo."):
            function = getattr(gan_zoo, ast.unparse(node.func).removeprefix("gan_zoo."))
            inspect.signature(function).bind(*node.args, **{keyword.arg: None for keyword in node.keywords})
    if "@register" in block:
        (tmp_path / "plugin.py").write_text(block, encoding="utf-8")
        for name in registry.load_plugin(tmp_path / "plugin.py"):
            for check in validation.CHECKS.values():
                check(registry.get(name))
    elif not any(call in block for call in SLOW):
        monkeypatch.chdir(ROOT)
        exec(compile(tree, "snippet", "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("block", blocks("toml"))
def test_toml_snippets_are_suites(block, tmp_path):
    """A snippet without a title is a table of a suite."""
    path = tmp_path / "suite.toml"
    path.write_text(block if "title =" in block else BASE + PRESET + block, encoding="utf-8")
    suite = read_suite(path)
    read_ranges(suite)
    for name, preset in suite.presets.items():
        suite_variants.check(suite, name, preset)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_exist(page):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", DOCS[page.stem]):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link
