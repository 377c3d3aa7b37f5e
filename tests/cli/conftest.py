"""The command line as a user meets it: its output, its errors and its exit status, in this process."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import rich
from torchvision.datasets import utils as torchvision_utils

from gan_zoo import registry
from gan_zoo.cli import app

TOYS = Path(__file__).parents[1] / "toys.py"


@dataclass
class CommandResult:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def error(self):
        """The one line of an error that a person can fix."""
        assert self.status == 2, (self.out, self.err)
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0].removeprefix("error: ")


def run_main(patch, words, **console):
    """Run a command line on a terminal with these settings, and return its exit status."""
    patch.setattr(sys, "argv", ["gan-zoo", *map(str, words)])
    rich.reconfigure(**console)
    try:
        app.main()
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture(autouse=True)
def _home(own_registry, tmp_path, monkeypatch):
    """Commands run in a folder of their own, with whatever they register gone afterwards."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gan_zoo(monkeypatch, capsys):
    """Run a command line; ``columns`` is the terminal's width."""

    def run(*words, columns=100):
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            status = run_main(patch, words, width=columns)
        return CommandResult(status, *capsys.readouterr())

    return run


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """An empty data root, and a network on which every download fails."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("GAN_ZOO_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", refuse)
    return tmp_path / "empty"


@pytest.fixture(scope="session")
def _finished(tmp_path_factory):
    """A finished suite on the digits, with its report."""
    folder = tmp_path_factory.mktemp("finished")
    suite = folder / "toys.toml"
    suite.write_text(
        'title = "Toys"\ndata = "digits"\nvariants = ["by_heart", "cgan"]\nextractors = ["digits-cnn"]\n'
        "[presets.smoke]\nseeds = 2\nbudget = { images = 160 }\nevaluate_at = [0.4, 1.0]\n"
        "num_samples = 140\nbatch_size = 16\n",
        encoding="utf-8",
    )
    words = ["bench", suite, "--preset", "smoke", "--plugin", TOYS, "--out", folder / "out", "--jobs", "1"]
    with pytest.MonkeyPatch.context() as patch, (folder / "output.txt").open("w", encoding="utf-8") as output:
        registry.names()
        patch.setattr(registry, "_factories", dict(registry._factories))
        assert run_main(patch, words, width=80, file=output) == 0
    return folder


@pytest.fixture
def finished(_finished, tmp_path):
    """A copy of a finished results folder, with its suite ``toys.toml`` beside it."""
    shutil.copytree(_finished / "out", tmp_path / "finished" / "out")
    shutil.copy(_finished / "toys.toml", tmp_path / "finished" / "toys.toml")
    return tmp_path / "finished" / "out"


@pytest.fixture
def checkpoint(finished):
    """The checkpoint of a variant with seed 0."""
    return lambda variant: next((finished / "checkpoints").glob(f"{variant}-seed0-*.safetensors"))


@pytest.fixture
def unwritable(tmp_path):
    """A path at which no folder can be made, whoever asks: it lies below a file."""
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file" / "below"


@pytest.fixture
def environment():
    """The environment of a real command: one thread, and no width from the caller's terminal."""
    return {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take seconds."""
    for name, empty in (("curves", []), ("write_pngs", {})):
        monkeypatch.setattr(f"gan_zoo.report.figures.charts.{name}", lambda *_, empty=empty: empty)
