"""The commands of a suite: `bench` and `report`. What is slow to import is imported in the command."""

from pathlib import Path
from typing import Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import (
    CheckpointEvery,
    DataRoot,
    Device,
    Force,
    Graphs,
    Inception,
    Jobs,
    Out,
    Plugin,
    Precision,
    Preset,
    RunTimeout,
    SuiteFile,
    Threads,
    Variants,
    seed_numbers,
    variant_names,
)


def bench(
    context: typer.Context,
    suite: SuiteFile,
    out: Out = None,
    preset: Preset = "auto",
    variants: Variants = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds in place of the suite's, e.g. 0,1,2.", show_default=False)
    ] = None,
    force: Force = False,
    checkpoint_every: CheckpointEvery = 60.0,
    run_timeout: RunTimeout = None,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    inception_weights: Inception = None,
    device: Device = None,
    precision: Precision = None,
    graphs: Graphs = True,
    threads: Threads = None,
    jobs: Jobs = None,
) -> None:
    """Train and compare the variants of a suite, and write a report.

    The same command again resumes what was interrupted, and a longer preset of the same settings extends what is
    finished. Ctrl-C and SIGTERM stop after a checkpoint of every run in training, a second Ctrl-C at once.

    Exit status: 0 if every run is ok, diverged, collapsed or out_of_memory, which are results; 2 for bad input, and if
    a run ends in error or timeout, with the others finished and the report written; 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    index.check_suite(suite, preset, variant_names(variants), precision, plugin)
    from gan_zoo.bench import launch

    if not (device or "").startswith("cuda"):
        launch.begin_early()
    from gan_zoo.api import run_suite
    from gan_zoo.cli import console

    with console.BenchListener(context.obj()) as listener:
        outcome = run_suite(
            suite,
            out,
            preset=preset,
            variants=variant_names(variants),
            seeds=seed_numbers(seeds),
            plugins=plugin or [],
            data_root=data_root,
            inception_weights=inception_weights,
            device=device,
            precision=precision,
            graphs=graphs,
            threads=threads,
            jobs=jobs,
            isolate=True,
            run_timeout=run_timeout,
            checkpoint_every=checkpoint_every,
            force=force,
            listener=listener,
        )
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
