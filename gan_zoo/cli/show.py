"""What is here, as tables: variants, data sets, the machine, and a folder's ranking."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gan_zoo import contract, data, registry
from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.tables import own_extractor
from gan_zoo.description import describe
from gan_zoo.engine.device import describe as describe_device
from gan_zoo.engine.device import pick
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import EXTRACTORS, load_extractor
from gan_zoo.metrics.inception import FILE_NAME
from gan_zoo.report import ranking_table
from gan_zoo.report.style import data_title
from gan_zoo.report.text import NOTHING

Columns = Mapping[str, list[str]]

SHORT = {
    "FID": "FID [95%]",
    "Inception Score": "IS",
    "Precision": "prec.",
    "Recall": "rec.",
    "Coverage": "cov.",
    "Label accuracy": "label acc.",
    "failures": "failed",
}
RANKING = ("rank", "variant", "FID [95%]", "KID", "label acc.", "seeds", "failed")
"""The first columns of the ranking on a terminal; the others follow while they fit."""

_WRAPPED_WIDTH, _GAP, _EDGES = 16, 2, 2


def variant_rows() -> list[dict[str, Any]]:
    """One record a variant, with the parameters of its networks for grey images and ten classes."""
    rows = []
    for name in registry.names():
        variant = registry.get(name)
        networks = variant.build((1, variant.image_side, variant.image_side), 10)
        rows.append(
            {
                "name": name,
                "title": variant.title,
                "paper": variant.paper,
                "objective": variant.objective.title,
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
    """The variants as a table."""
    columns: Columns = {
        "name": [row["name"] for row in rows],
        "title": [row["title"] for row in rows],
        "paper": [row["paper"] for row in rows],
        "loss": [row["objective"] for row in rows],
        "labels to": [row["conditioning"] for row in rows],
        "side": [str(row["side"]) for row in rows],
        "batch": [str(row["batch_size"]) for row in rows],
        "parameters G + D": [" + ".join(f"{count / 1e6:.2f}M" for count in row["parameters"].values()) for row in rows],
    }
    console.print(fitted(columns, console.width, wrapped=("title", "loss")))


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
    for network in variant.build((1, variant.image_side, variant.image_side), 10):
        console.print(str(network), highlight=False, markup=False, soft_wrap=True)
    console.print("departs from its paper:" if deviations else "no deviations from its paper are listed")
    for line in deviations:
        console.print(f"  - {line}", highlight=False, markup=False, soft_wrap=True)


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


def check_variant(name: str, console: Console) -> None:
    """Run the contract's checks over a variant.

    Raises:
        GanZooError: a check fails.
    """
    variant = registry.get(name)
    broken = []
    for check_name, check in contract.CHECKS.items():
        try:
            check(variant)
        except Exception as error:
            why = (
                str(error) if isinstance(error, (contract.Broken, GanZooError)) else f"{type(error).__name__}: {error}"
            )
            broken.append(f"{check_name}: {' '.join(why.split())}")
        console.print(
            f"{'FAILED' if broken and broken[-1].startswith(f'{check_name}:') else 'ok':>6}  {check_name}",
            highlight=False,
        )
    if broken:
        raise GanZooError("\n".join(f"variant {name!r} breaks the contract: {line}" for line in broken))


def print_data(names: list[str] | None, root: Path | None, console: Console) -> None:
    """The data sets: those named, fetched and checked; or all, with whether they are here."""
    rows, notes = [], []
    for name in names or data.names():
        try:
            loaded = data.load(name, root=root, download=bool(names))
        except data.DataMissing as missing:
            if names:
                raise
            rows.append((name, *["-"] * 5, "not here"))
            notes.append(str(missing))
            continue
        sizes = (f"{len(loaded.train):,}", f"{len(loaded.test):,}", str(loaded.classes))
        rows.append((name, *sizes, loaded.extractor, loaded.fingerprint[:12], "here"))
        notes += [f"{name}: {loaded.note}"] if loaded.note else []
    heads = ("data set", "train", "test", "classes", "extractor", "fingerprint", "")
    console.print(fitted(dict(zip(heads, map(list, zip(*rows, strict=True)), strict=True)), console.width))
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


def print_doctor(root: Path | None, inception_weights: Path | None, console: Console) -> None:
    """Device, versions, data sets, extractors and plugins."""
    table = Table("what", "here", title="gan-zoo doctor", box=box.SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    table.add_row("device", escape(describe_device(pick())))
    for package in ("gan-zoo", "torch", "torchvision", "torch-fidelity", "pandas", "seaborn"):
        table.add_row(package, importlib.metadata.version(package))
    for name in data.names():
        table.add_row(f"data: {name}", _state_of_data(name, root))
    for name in EXTRACTORS:
        table.add_row(f"extractor: {name}", _state_of_extractor(name, inception_weights))
    table.add_row("variants", ", ".join(registry.names()))
    plugins = [point.value for point in importlib.metadata.entry_points(group=registry.ENTRY_POINTS)]
    table.add_row("plugins installed", ", ".join(plugins) or "none")
    console.print(table)


def _state_of_data(name: str, root: Path | None) -> str:
    try:
        loaded = data.load(name, root=root, download=False)
    except GanZooError as error:
        return f"[red]{escape(str(error))}[/]"
    return f"{len(loaded.train):,} + {len(loaded.test):,} images"


def _state_of_extractor(name: str, inception_weights: Path | None) -> str:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if name == "inception" and inception_weights is None and not cached.is_file():
        return escape(f"not here (looked for at {cached}); a suite that asks for it downloads it")
    try:
        extractor = load_extractor(name, inception_weights=inception_weights)
    except GanZooError as error:
        return f"[red]{escape(str(error))}[/]"
    return "verified" if extractor.accuracy is None else f"verified, test accuracy {extractor.accuracy:.2%}"


def print_ranking(folder: Path, console: Console) -> None:
    """The ranking of a results folder, with the data set, N and budget that it is of."""
    manifest, frame = read_manifest(folder), ranking_table(folder)
    known = {"preset": manifest.get("preset"), "N =": manifest.get("n"), "": manifest.get("device")}
    data_set = f"{data_title(manifest)} ({manifest['data']['name']})"
    facts = [data_set, *(f"{name} {value}".strip() for name, value in known.items() if value)]
    console.print(", ".join([*facts, own_extractor(manifest)]), highlight=False, markup=False, soft_wrap=True)
    frame = frame.rename(columns=SHORT)
    heads = [head for head in RANKING if head in frame.columns]
    heads += [head for head in frame.columns if head not in RANKING]
    console.print(fitted({head: frame[head].astype(str).tolist() for head in heads}, console.width))
    if frame["variant"].str.endswith("†").any():
        console.print("† departs from the article: see the report", highlight=False, soft_wrap=True)


def fitted(columns: Columns, width: int, wrapped: Sequence[str] = ()) -> Table:
    """A compact table of the columns that fit into ``width``, the last ones left out where they do not.

    Only ``wrapped`` columns may break their lines. Text stands at the left, numbers at the right.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    left = width - _EDGES + _GAP
    for head, cells in columns.items():
        wide = max(map(cell_len, [head, *cells]))
        left -= (min(wide, _WRAPPED_WIDTH) if head in wrapped else wide) + _GAP
        if left < 0:
            break
        numbers = all(cell[:1].isdigit() or cell in ("", "-", NOTHING) for cell in cells)
        table.add_column(escape(head), justify="right" if numbers else "left", no_wrap=head not in wrapped)
    for row in zip(*list(columns.values())[: len(table.columns)], strict=True):
        table.add_row(*map(escape, row))
    return table
