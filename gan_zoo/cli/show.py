"""The variants: all in a table, and each in full."""

import contextlib
from dataclasses import fields
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from torch.overrides import TorchFunctionMode

from gan_zoo import registry
from gan_zoo.cli.table import Columns, fitted
from gan_zoo.description import describe
from gan_zoo.errors import PLUGIN_FAILURES, GanZooError
from gan_zoo.networks import backbones
from gan_zoo.variant import GROUPS, Networks, Variant


def variant_rows() -> list[dict[str, Any]]:
    """One record a variant, with the parameters of its networks for grey images and ten classes."""
    rows = []
    for name in registry.names():
        variant = registry.get(name)
        networks = _networks(variant)
        rows.append(
            {
                "name": name,
                "title": variant.title,
                "paper": variant.paper,
                "group": variant.group,
                "objective": variant.objective.title,
                "backbone": backbones.describe(variant.networks),
                "conditioning": variant.conditioning,
                "latent": str(variant.latent),
                "side": variant.image_side,
                "batch_size": variant.batch_size,
                "parameters": {
                    k: sum(p.numel() for p in network.parameters()) for k, network in networks._asdict().items()
                },
                "hyperparameters": registry.hyperparameters(name),
                "deviations": list(variant.deviations),
            }
        )
    return rows


def print_variants(rows: list[dict[str, Any]], console: Console) -> None:
    """The variants, a table a group, with how each departs from its paper below it."""
    groups = dict.fromkeys([*GROUPS, *(row["group"] for row in rows)])
    for group in groups:
        if mine := [row for row in rows if row["group"] == group]:
            console.print(f"[bold]{escape(group)}[/]")
            _print_group(mine, console)
            for row in (row for row in mine if row["deviations"]):
                text = Text(f"{row['name']} departs: {'; '.join(row['deviations'])}", style="dim")
                console.print(Padding(text, (0, 0, 0, 1)))
            console.print()


def _print_group(rows: list[dict[str, Any]], console: Console) -> None:
    columns: Columns = {
        "name": [row["name"] for row in rows],
        "title": [row["title"] for row in rows],
        "paper": [row["paper"] for row in rows],
        "loss": [row["objective"] for row in rows],
        "backbone": [row["backbone"] for row in rows],
        "labels to": [row["conditioning"] for row in rows],
        "parameters G + D": [" + ".join(f"{count / 1e6:.2f}M" for count in row["parameters"].values()) for row in rows],
        "side": [str(row["side"]) for row in rows],
        "batch": [str(row["batch_size"]) for row in rows],
    }
    console.print(fitted(columns, console.width, wrapped=("title", "loss", "backbone")))


def print_variant(name: str, console: Console) -> None:
    """A variant's settings, networks and deviations."""
    variant = registry.get(name)
    settings = describe(variant)
    deviations, defaults = settings.pop("deviations"), {field.name: field.default for field in fields(variant)}
    table = Table("setting", "value", title=escape(f"{name}: {variant.title}"), box=box.SIMPLE_HEAD)
    for key, value in settings.items():
        if key not in ("name", "title", "options"):
            default = callable(defaults[key]) and getattr(variant, key) is defaults[key]
            table.add_row(key.replace("_", " "), "default" if default else escape(_words(value)))
    hyperparameters = registry.hyperparameters(name)
    table.add_row("hyperparameters", escape(_words(hyperparameters)) if hyperparameters else "none")
    console.print(table)
    for network in _networks(variant):
        console.print(str(network), highlight=False, markup=False, soft_wrap=True)
    console.print("departs from its paper:" if deviations else "no deviations from its paper are listed")
    for line in deviations:
        console.print(f"  - {line}", highlight=False, markup=False, soft_wrap=True)


class _Undrawn(TorchFunctionMode):
    """Leaves normal weights undrawn: for a tensor without values torch would import its compiler, for seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "normal_":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _networks(variant: Variant) -> Networks:
    """Networks for grey images and ten classes: their shapes alone where they can be made so, which takes no time.

    Raises:
        GanZooError: they cannot be made.
    """
    shape = (1, variant.image_side, variant.image_side)
    # A network may compute with its first weights, which a shape alone has not; spectral norm does.
    if variant.norm != "spectral":
        with contextlib.suppress(*PLUGIN_FAILURES), torch.device("meta"), _Undrawn():
            return variant.build(shape, 10)
    try:
        return variant.build(shape, 10)
    except GanZooError:
        raise
    except PLUGIN_FAILURES as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        file = ", ".join(str(path) for path in registry.sources(variant.name))
        raise GanZooError(f"the networks of variant {variant.name!r} ({file}) cannot be made: {why}") from error


def _words(value: Any) -> str:
    """A setting of ``describe`` in words: ``Adam, lr 0.0002, betas 0.5, 0.999``; a function by its name."""
    if isinstance(value, dict):
        if "function" in value:
            return _call(value)
        if "title" in value:
            return str(value["title"])
        named = {key: inner for key, inner in value.items() if key not in ("name", "settings")}
        parts = [str(value["name"])] if "name" in value else []
        parts += [_words(value["settings"])] if value.get("settings") else []
        return ", ".join(parts + [f"{key} {_words(inner)}" for key, inner in named.items()])
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    plain = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return plain[value]
    return str(value).removeprefix("gan_zoo.").replace(".<locals>.", ".")


def _call(made: dict[str, Any]) -> str:
    """A function by its name, with the values that it was made with."""
    inner, values = made["function"], {**made.get("with", {}), **made.get("keywords", {})}
    if isinstance(inner, dict):
        inner, values = inner["function"], {**inner.get("with", {}), **values}
    given = [_words(value) for value in made.get("args", [])] + [
        f"{key} {_words(value)}" for key, value in values.items()
    ]
    return ", ".join([_words(inner), *given])
