"""The verb `search`. What is slow to import is imported in the command."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import with_run_options
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions

if TYPE_CHECKING:
    from rich.console import Console

    from gan_zoo.search import Search


@with_run_options
def search(
    context: typer.Context,
    options: RunOptions,
    trials: Annotated[int, typer.Option(help="Random trials of each variant.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; by default runs/SUITE-DATA-PRESET-search.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the trials' settings and of their training.")] = 0,
) -> None:
    """Tune every variant with the same number of random trials.

    The best settings of each are written as a suite for `bench`.

    The same command again resumes what was interrupted; with more trials it adds them.
    """
    index.check_suite(options)
    from gan_zoo.bench.executors import processes

    processes.begin_early(options.device)
    from gan_zoo.cli.console import BenchListener
    from gan_zoo.search import search_suite

    console = context.obj()
    with BenchListener(console) as listener:
        found = search_suite(
            out=out,
            trials=trials,
            seed=seed,
            listener=listener,
            say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
            **vars(replace(options, isolate=True)),
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
