"""Options that several commands share: those of a run are made from the fields of ``RunOptions``."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_zoo.errors import GanZooError, shown
from gan_zoo.io import check_encoding
from gan_zoo.options import MAX_SEEDS, RunOptions, are_seeds
from gan_zoo.torchrun import reported_once

_HELP = {option.name: option.metadata["help"] for option in fields(RunOptions)}
_TYPES: dict[str, Any] = {"suite": str, "variants": str | None, "seeds": str | None, "plugins": list[Path] | None}
"""Types on the command line that are not the field's own."""

VariantName = Annotated[str, typer.Argument(help="A variant; `gan-zoo list` names them.")]
Plugin = Annotated[list[Path] | None, typer.Option("--plugin", help=_HELP["plugins"], show_default=False)]
DataRoot = Annotated[Path | None, typer.Option(help=_HELP["data_root"], show_default=False)]
Channels = Annotated[
    int | None, typer.Option(help="1 (grayscale) or 3 (color); by default the data set's own.", show_default=False)
]
TestShare = Annotated[
    float | None,
    typer.Option(
        help="Of folder:PATH, the share of each class that is not trained on but the reference [by default 0.1]; "
        "0: the whole set is both.",
        show_default=False,
    ),
]
Mirror = Annotated[bool, typer.Option("--mirror", help="Add the mirror image of each training image.")]
Device = Annotated[str | None, typer.Option(help=_HELP["device"], show_default=False)]
Inception = Annotated[Path | None, typer.Option(help=_HELP["inception_weights"], show_default=False)]


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose argument ``options``, a ``RunOptions``, becomes an option for each field that names the command.

    A field ``suite`` becomes its argument.
    """
    offered = RunOptions.offered(command.__name__)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        with reported_once():
            # At once, before data are read and a plan is made.
            check_encoding(given.get("out") or "")
            options = RunOptions(**{option.name: _value(option.name, given.pop(option.name)) for option in offered})
        command(**given, options=options)

    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "options"]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters += [_parameter(option) for option in offered]
    # Arguments, which have no default, come first.
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _parameter(option: "Field[Any]") -> inspect.Parameter:
    """The field as typer reads it."""
    name, default, metadata = option.name, option.default, option.metadata
    flag = name.replace("_", "-")
    if name == "suite":
        default = inspect.Parameter.empty
        info = typer.Argument(metavar="SUITE", help=metadata["help"])
    elif name == "plugins":
        default = None
        info = typer.Option("--plugin", help=metadata["help"], show_default=False)
    elif isinstance(default, bool):
        info = typer.Option(f"--{flag}/--no-{flag}" if default else f"--{flag}", help=metadata["help"])
    else:
        info = typer.Option(
            help=metadata["help"], min=metadata["minimum"], max=metadata["maximum"], show_default=default is not None
        )
    annotation = Annotated[_TYPES.get(name, option.type), info]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _value(name: str, value: Any) -> Any:
    """The value of a field from that of its option."""
    if name == "plugins":
        return tuple(value or ())
    if name not in ("variants", "seeds") or value is None:
        return value
    if name == "variants":
        found = split(value)
        if not found:
            raise GanZooError(f"--variants {value!r} names none; name them with commas between, e.g. gan,dcgan")
        return found
    return parse_seeds(value)


def parse_seeds(value: str) -> list[int]:
    """Seeds with commas between.

    Raises:
        GanZooError: anything else.
    """
    found = split(value)
    numbers = [int(part) for part in found if part.isdecimal() and len(part) < 20]
    if len(numbers) != len(found) or not are_seeds(numbers):
        raise GanZooError(
            f"--seeds {shown(value)} must be different whole numbers with commas between, e.g. 0,1,2, and at most "
            f"{MAX_SEEDS:,}"
        )
    return numbers


def split(names: str) -> list[str]:
    """Names with commas between as a list."""
    return [name.strip() for name in names.split(",") if name.strip()]


def settings(texts: list[str] | None) -> dict[str, Any]:
    """The options of a variant from ``--set NAME=VALUE``, values as JSON, or as text if they are none."""
    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise GanZooError(f"--set {text!r} is not of the form NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found
