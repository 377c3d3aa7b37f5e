"""Options that several verbs share, and how the texts given to them are read."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_zoo.errors import GanZooError
from gan_zoo.options import EXACT, PRECISIONS

Channels = Annotated[
    int | None, typer.Option(help="1 (grey) or 3 (color); by default the data set's own.", show_default=False)
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file that registers variants. May be given again.", show_default=False),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder that holds the data sets; else GAN_ZOO_DATA, else the cache.", show_default=False),
]
Device = Annotated[
    str | None, typer.Option(help="cuda, cuda:1 ... or cpu; by default CUDA if it is there.", show_default=False)
]
Inception = Annotated[
    Path | None,
    typer.Option(help="Weights file for the extractor `inception`, and measure with it.", show_default=False),
]
Precision = Annotated[
    str | None,
    typer.Option(help=f"{', '.join(PRECISIONS)}; by default {EXACT}, or the suite's own.", show_default=False),
]

SuiteFile = Annotated[
    str, typer.Argument(metavar="SUITE", help="A suite file, or the name of a suite of this package, e.g. mnist.")
]
Out = Annotated[
    Path | None, typer.Option(help="Folder to write to; by default runs/SUITE-DATA-PRESET.", show_default=False)
]
Preset = Annotated[str, typer.Option(help="smoke, quick, standard, full, or auto: standard on CUDA, quick on a CPU.")]
Variants = Annotated[
    str | None, typer.Option(help="Variants in place of the suite's, with commas between.", show_default=False)
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads a run; by default 1.", show_default=False)]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Runs side by side; by default one a core on a CPU, 1 on CUDA.", show_default=False),
]
RunTimeout = Annotated[
    float | None,
    typer.Option(min=1, help="Seconds after which one run is ended, status timeout.", show_default=False),
]
CheckpointEvery = Annotated[
    float, typer.Option(min=1, help="Seconds between two checkpoints, beside those at every evaluation.")
]
Graphs = Annotated[
    bool, typer.Option("--graphs/--no-graphs", help="On CUDA, record steps as graphs, which launch faster.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Delete runs in --out that have other settings or a larger budget.")
]


def load_plugins(paths: list[Path] | None) -> None:
    """Run the files that register variants."""
    from gan_zoo import registry

    for path in paths or []:
        registry.load_plugin(path)


def settings(texts: list[str] | None) -> dict[str, Any]:
    """The options of a variant from ``--set NAME=VALUE``, values as JSON, or as text if they are none."""
    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise GanZooError(f"--set {text!r} is not of the form NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def variant_names(text: str | None) -> list[str] | None:
    names = _split(text)
    if names == []:
        raise GanZooError(f"--variants {text!r} names none; name them with commas between, e.g. gan,dcgan")
    return names


def seed_numbers(text: str | None) -> list[int] | None:
    names = _split(text)
    if names is None:
        return None
    if not names or not all(name.isdecimal() for name in names) or len(set(map(int, names))) != len(names):
        raise GanZooError(f"--seeds {text!r} must be different whole numbers with commas between, e.g. 0,1,2")
    return [int(name) for name in names]
