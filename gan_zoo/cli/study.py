"""The command `study`: what a trained GAN has learned. What is slow to import is imported in it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import DataRoot, Device, Plugin, parse_seeds, settings, split
from gan_zoo.errors import GanZooError, Interrupted, check_known
from gan_zoo.io import check_encoding
from gan_zoo.studies import STUDIES

if TYPE_CHECKING:
    from gan_zoo.studies.study import Study, StudyResult
    from gan_zoo.studies.trained import Trained

ALL = "all"


def study(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}, or all.")],
    run: Annotated[
        Path, typer.Argument(help="A results folder with the checkpoints of its runs, or one checkpoint file.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; by default RUN/studies, of a checkpoint runs/studies/NAME.", show_default=False
        ),
    ] = None,
    variants: Annotated[
        str | None, typer.Option(help="Of a results folder, these alone, with commas between.", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Of a results folder, these alone, e.g. 0,1,2.", show_default=False)
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the study, e.g. --set num_samples=500.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    device: Device = None,
) -> None:
    """Study what a trained GAN has learned: its latent space, networks and samples.

    walk: interpolation between latents, and how smooth it is. arithmetic: sums of the mean latents of classes.
    features: the discriminator's features for classification. filters: what its filters respond to. dropout: the
    generator's feature maps that draw one thing, switched off. optimum: the discriminator against its optimum, on
    mixtures of Gaussians. collapse: the classes that are drawn over training. memorization: the nearest training
    images.

    Each gives numbers, over the seeds of a results folder with intervals, beside a baseline, and pictures. They become
    a section of the folder's report.
    """
    check_known("study", name, [*STUDIES, ALL])
    check_encoding(out or "")
    options = settings(setting)
    if options and name == ALL:
        raise GanZooError("--set is an option of one study; name the study in place of `all`")
    chosen_seeds = parse_seeds(seeds) if seeds is not None else None
    if not run.exists():
        raise GanZooError(f"{str(run)!r} does not exist; name a results folder or a checkpoint")
    index.names(plugin)
    from gan_zoo import studies
    from gan_zoo.cli.printing import print_line
    from gan_zoo.report.context import write_report
    from gan_zoo.studies.records import FOLDER
    from gan_zoo.studies.trained import find_trained

    trained = find_trained(
        run, variants=split(variants) if variants else None, seeds=chosen_seeds, data_root=data_root, device=device
    )
    folder = out or (run / FOLDER if run.is_dir() else Path("runs", FOLDER, run.stem))
    chosen = [getattr(studies, each) for each in (STUDIES if name == ALL else [name])]
    found = _study_all(chosen, trained, options, folder)
    is_part = run.is_dir() and folder.resolve() == (run / FOLDER).resolve()
    report = write_report(run) if is_part else None
    if as_json:
        typer.echo(json.dumps([_as_json(result) for result in found], indent=2))
        return
    for result in found:
        _print(result)
    print_line(f"wrote {folder}")
    if report is not None:
        print_line(f"report: {report}")


def _study_all(
    chosen: list["Study"], trained: list["Trained"], options: dict[str, Any], folder: Path
) -> list["StudyResult"]:
    """The results of studies under a line of progress, each saved when it ends; of several, those with an answer."""
    from rich import get_console

    from gan_zoo.cli.printing import print_note
    from gan_zoo.report.studies import write_page
    from gan_zoo.studies.records import read_record

    found = []
    with get_console().status("") as status:
        for each in chosen:

            def show(one: "Trained", place: int, of: int, name: str = each.name) -> None:
                status.update(f"{name}: {one.name} seed {one.seed} ({place + 1} of {of})")

            try:
                result = each(trained, on_run=show, **options)
            except Interrupted:
                raise
            except GanZooError as error:
                if len(chosen) == 1:
                    raise
                print_note(f"{each.name} is left out: {error}")
                continue
            write_page(folder, read_record(result.save(folder)))
            found.append(result)
    if not found:
        raise GanZooError("no study has an answer for these runs; `gan-zoo study -h` describes them")
    return found


def _as_json(result: "StudyResult") -> dict[str, Any]:
    from gan_zoo.bench.records import plain

    return {
        "study": result.record.study,
        "settings": plain(dict(result.record.settings)),
        "summary": plain(result.summary.to_dict("records")),
        "notes": list(result.record.notes),
    }


def _print(result: "StudyResult") -> None:
    from gan_zoo.cli.printing import print_line, print_note, print_paragraph, print_table
    from gan_zoo.report.studies import condition_table, titled
    from gan_zoo.studies.records import summarize

    print_line("")
    print_paragraph(f"{result.record.title}: {result.record.question}")
    for note in result.record.notes:
        print_note(note)
    summaries = summarize(result.record)
    for measure in result.record.measures:
        mine = [each for each in summaries if each.measure == measure]
        if mine:
            print_line("")
            print_line(titled(measure))
            print_table(condition_table(mine))
