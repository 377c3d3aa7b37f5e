"""The commands of a suite: `bench`, `search` and `report`. What is slow to import is imported in the command."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import with_run_options
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.options import RunOptions
from gan_zoo.torchrun import check_alone

if TYPE_CHECKING:
    from gan_zoo.cli.console import BenchListener


@with_run_options
def bench(
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
    check_alone("bench")
    index.check_suite(options)
    start_worker_early(options)
    run_and_print(options, out)


@with_run_options
def search(
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
    check_alone("search")
    index.check_suite(options)
    start_worker_early(options)
    from gan_zoo.cli.printing import print_line, print_table
    from gan_zoo.search import search_suite

    options = replace(options, isolate=True)
    with _listener(options) as listener:
        found = search_suite(out=out, trials=trials, seed=seed, listener=listener, say=print_line, **vars(options))
    written = found.written
    print_table(written.table)
    for name, value in (("report", written.report), ("winners", written.winners), ("next", written.command)):
        print_line(f"{name}: {value}")
    if found.errors:
        raise GanZooError("\n".join(f"a trial failed: {line}" for line in found.errors))


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that `bench` or `train` wrote.")],
    index: Annotated[
        bool, typer.Option("--index", help="Write index.html, README.md and index.csv of the results folders below it.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="Print the ranking as latex, markdown or csv; nothing is written.", show_default=False
        ),
    ] = None,
) -> None:
    """Write tables, plots and report again from the records."""
    if form is not None:
        _print_ranking(folder, form)
        return
    if index:
        _write_index(folder)
        return
    from gan_zoo.bench.folder import read_manifest
    from gan_zoo.bench.records import MANIFEST
    from gan_zoo.cli import results
    from gan_zoo.cli.printing import print_note
    from gan_zoo.io import read_only_note, swept
    from gan_zoo.report.context import write_report

    if not (folder / MANIFEST).exists() and any(folder.glob(f"*/{MANIFEST}")):
        raise GanZooError(f"{str(folder)!r} is no results folder, but has some below it: name one, or add --index")
    read_manifest(folder)
    if note := read_only_note(folder):
        print_note(note)
        results.print_report(folder, folder / "report.html")
        return
    with swept(folder):
        page = write_report(folder)
    results.print_report(folder, page)


def _write_index(folder: Path) -> None:
    from gan_zoo.cli.printing import print_line, print_note
    from gan_zoo.report.index import write_index

    for line in write_index(folder):
        print_note(line)
    print_line(f"index: {folder / 'index.html'}")


def _print_ranking(folder: Path, form: str) -> None:
    from gan_zoo.bench.tables import read_results
    from gan_zoo.report.tables import FORMATS, ranking_as

    check_known("format", form, FORMATS)
    sys.stdout.write(ranking_as(read_results(folder), form))


def start_worker_early(options: RunOptions) -> None:
    """Let the process that starts workers import torch, which takes seconds, while this one does."""
    from gan_zoo.bench.executors import processes

    processes.begin_early(options.device)


def _listener(options: RunOptions) -> "BenchListener":
    """What shows the progress of runs in the terminal."""
    if options.executor == "ray":
        from gan_zoo.cli.cluster import ClusterListener

        return ClusterListener()
    from gan_zoo.cli.console import BenchListener

    return BenchListener()


def run_and_print(options: RunOptions, out: Path | None) -> None:
    """Run what options ask for into a folder, each run in a process of its own, and print the result.

    Raises:
        GanZooError: as ``api.run_options``, and if a run ended in an error or timeout.
    """
    from gan_zoo import api

    with _listener(options) as listener:
        outcome = api.run_options(replace(options, isolate=True), out, listener=listener)
    # pandas and scipy, which it needs, are imported while nothing waits for them.
    from gan_zoo.cli import results

    results.print_report(outcome.folder, outcome.report)
    if outcome.errors:
        raise GanZooError("\n".join(f"a run failed: {line}" for line in outcome.errors))
