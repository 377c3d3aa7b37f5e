"""What is here, as tables: variants, data sets, the machine, and a folder's ranking."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gan_zoo import contract, data, registry
from gan_zoo.bench.records import read_manifest
from gan_zoo.engine.device import describe as describe_device
from gan_zoo.engine.device import pick
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import EXTRACTORS, load_extractor
from gan_zoo.report import ranking_table
from gan_zoo.variant import describe


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


def variant_table(rows: list[dict[str, Any]]) -> Table:
    """The variants as a table."""
    table = Table("name", "title", "paper", "loss", "labels to", "side", "batch", title="Variants")
    table.add_column("parameters G / D", justify="right")
    for row in rows:
        sizes = " / ".join(f"{row['parameters'][side] / 1e6:.2f}M" for side in ("generator", "discriminator"))
        cells = (
            row["name"],
            row["title"],
            row["paper"],
            row["objective"],
            row["conditioning"],
            row["side"],
            row["batch_size"],
        )
        table.add_row(*map(str, cells), sizes)
    return table


def print_variant(name: str, console: Console) -> None:
    """A variant's settings, networks and deviations."""
    variant = registry.get(name)
    settings = describe(variant)
    deviations = settings.pop("deviations")
    table = Table("setting", "value", title=f"{name}: {variant.title}")
    for key, value in settings.items():
        if key not in ("name", "title", "options"):
            table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    table.add_row("hyperparameters", json.dumps(registry.hyperparameters(name), default=str))
    console.print(table)
    for network in variant.build((1, variant.image_side, variant.image_side), 10):
        console.print(str(network), highlight=False, markup=False)
    console.print("departs from its paper:" if deviations else "no deviations from its paper are listed")
    for line in deviations:
        console.print(f"  - {line}", highlight=False, markup=False)


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


def data_table(names: list[str] | None, root: Path | None) -> Table:
    """The data sets: those named, fetched and checked; or all, with whether they are here."""
    table = Table("data set", "train", "test", "classes", "extractor", "fingerprint", "", title="Data sets (at 32x32)")
    for name in names or data.names():
        try:
            loaded = data.load(name, root=root, download=bool(names))
        except data.DataMissing as missing:
            if names:
                raise
            table.add_row(name, "-", "-", "-", "-", "-", f"not here: {missing.problem}")
            continue
        sizes = (f"{len(loaded.train):,}", f"{len(loaded.test):,}", str(loaded.classes))
        table.add_row(name, *sizes, loaded.extractor, loaded.fingerprint[:12], loaded.note or "here")
    return table


def doctor_table(root: Path | None, inception_weights: Path | None) -> Table:
    """Device, versions, data sets, extractors and plugins."""
    table = Table("what", "here", title="gan-zoo doctor")
    table.add_row("device", describe_device(pick()))
    for package in ("gan-zoo", "torch", "torchvision", "torch-fidelity", "pandas", "seaborn"):
        table.add_row(package, importlib.metadata.version(package))
    for name in data.names():
        table.add_row(f"data: {name}", _state_of_data(name, root))
    for name in EXTRACTORS:
        table.add_row(f"extractor: {name}", _state_of_extractor(name, inception_weights))
    table.add_row("variants", ", ".join(registry.names()))
    plugins = [point.value for point in importlib.metadata.entry_points(group=registry.ENTRY_POINTS)]
    table.add_row("plugins installed", ", ".join(plugins) or "none")
    return table


def _state_of_data(name: str, root: Path | None) -> str:
    try:
        loaded = data.load(name, root=root, download=False)
    except GanZooError as error:
        return f"[red]{error}[/]"
    return f"{len(loaded.train):,} + {len(loaded.test):,} images"


def _state_of_extractor(name: str, inception_weights: Path | None) -> str:
    try:
        extractor = load_extractor(name, inception_weights=inception_weights)
    except GanZooError as error:
        return f"[red]{error}[/]"
    return "verified" if extractor.accuracy is None else f"verified, test accuracy {extractor.accuracy:.2%}"


def print_ranking(folder: Path, console: Console) -> None:
    """The ranking of a results folder, with the data set, N and budget that it is of."""
    manifest, frame = read_manifest(folder), ranking_table(folder)
    what = (
        f"{manifest['data']['title']} ({manifest['data']['name']}), preset {manifest['preset']}, N = {manifest['n']:,}"
    )
    table = Table(
        title=f"{what}, {next(iter(manifest['extractors']))}, {manifest['device']}",
        caption="† departs from the article",
    )
    for column in frame.columns:
        table.add_column(str(column), justify="left" if column == "variant" else "right", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)
