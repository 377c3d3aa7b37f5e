"""The verb `search`. What is slow to import is imported in the command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import (
    DataRoot,
    Device,
    Graphs,
    Jobs,
    Plugin,
    Precision,
    Preset,
    SuiteFile,
    Threads,
    Variants,
    variant_names,
)
from gan_zoo.errors import GanZooError

if TYPE_CHECKING:
    from rich.console import Console

    from gan_zoo.search import Search


def search(
    context: typer.Context,
    suite: SuiteFile,
    trials: Annotated[int, typer.Option(help="Random trials of each variant.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; by default runs/SUITE-DATA-PRESET-search.", show_default=False),
    ] = None,
    preset: Preset = "auto",
    variants: Variants = None,
    seed: Annotated[int, typer.Option(help="Seed of the trials' settings and of their training.")] = 0,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    device: Device = None,
    precision: Precision = None,
    graphs: Graphs = True,
    threads: Threads = None,
    jobs: Jobs = None,
) -> None:
    """Tune every variant with the same number of random trials.

    The best settings of each are written as a suite for `bench`.

    The same command again resumes what was interrupted; with more trials it adds them.
    """
    index.check_suite(suite, preset, variant_names(variants), precision, plugin)
    from gan_zoo.bench import launch

    if not (device or "").startswith("cuda"):
        launch.begin_early()
    from gan_zoo.cli.console import BenchListener
    from gan_zoo.search import search_suite

    console = context.obj()
    with BenchListener(console) as listener:
        found = search_suite(
            suite,
            out,
            trials=trials,
            preset=preset,
            variants=variant_names(variants),
            seed=seed,
            plugins=plugin or [],
            data_root=data_root,
            device=device,
            precision=precision,
            graphs=graphs,
            threads=threads,
            jobs=jobs,
            isolate=True,
            listener=listener,
            say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        )
    _print(found, console)
    if found.errors:
        raise GanZooError("\n".join(f"a trial failed: {line}" for line in found.errors))


def _print(found: "Search", console: "Console") -> None:
    from gan_zoo.cli.table import fitted

    console.print(fitted(found.written.table, console.width))
    written = found.written
    for name, value in (("report", written.report), ("winners", written.winners), ("next", written.command)):
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
