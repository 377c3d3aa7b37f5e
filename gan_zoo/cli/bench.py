"""The commands of a suite: `bench` and `report`. What is slow to import is imported in the command."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import with_run_options
from gan_zoo.options import RunOptions


@with_run_options
def bench(
    context: typer.Context,
    options: RunOptions,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default runs/SUITE-DATA-PRESET.", show_default=False)
    ] = None,
) -> None:
    """Train and compare the variants of a suite, and write a report.

    The same command again resumes what was interrupted, and a longer preset of the same settings extends what is
    finished. Ctrl-C and SIGTERM stop after a checkpoint of every run in training, a second Ctrl-C at once.

    Exit status: 0 if every run is ok, diverged, collapsed or out_of_memory, which are results; 2 for bad input, and if
    a run ends in error or timeout, with the others finished and the report written; 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    index.check_suite(options)
    from gan_zoo.bench.executors import processes

    processes.begin_early(options.device)
    from gan_zoo import api
    from gan_zoo.cli import console

    with console.BenchListener(context.obj()) as listener:
        outcome = api.run_options(replace(options, isolate=True), out, listener=listener)
    # pandas and scipy, which it needs, are imported while nothing waits for them.
    from gan_zoo.cli import ranking

    ranking.print_outcome(outcome, context.obj())


def report(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="A folder that `bench` or `train` wrote.")]
) -> None:
    """Write tables, plots and report again from the records."""
    from gan_zoo.cli import ranking
    from gan_zoo.report.context import write_report

    ranking.print_report(folder, write_report(folder), context.obj())
