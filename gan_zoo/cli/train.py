"""The commands of one variant by itself: `train` and `sample`. What is slow to import is imported in the command."""

from pathlib import Path
from typing import Annotated

import typer

from gan_zoo.budget import Budget
from gan_zoo.cli import index
from gan_zoo.cli.options import (
    Channels,
    CheckpointEvery,
    DataRoot,
    Device,
    Force,
    Graphs,
    Inception,
    Plugin,
    Precision,
    RunTimeout,
    load_plugins,
    settings,
)
from gan_zoo.errors import GanZooError


def train(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A variant; `gan-zoo list` names them.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default runs/NAME-DATA-seedSEED.", show_default=False)
    ] = None,
    data: Annotated[
        str, typer.Option(help="A data set, as `gan-zoo data` names them, or folder:PATH for images of your own.")
    ] = "mnist",
    channels: Channels = None,
    epochs: Annotated[
        float | None, typer.Option(help="Budget in epochs [by default 200, as in the articles].", show_default=False)
    ] = None,
    images: Annotated[float | None, typer.Option(help="Budget in real images.", show_default=False)] = None,
    steps: Annotated[float | None, typer.Option(help="Budget in steps.", show_default=False)] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in seconds of training.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="An option of the variant, e.g. --set lr=1e-4. May be given again.", show_default=False
        ),
    ] = None,
    evaluate: Annotated[bool, typer.Option(help="Compute the metrics of the data set's default extractor.")] = True,
    force: Force = False,
    checkpoint_every: CheckpointEvery = 60.0,
    run_timeout: RunTimeout = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; by default all cores.", show_default=False)
    ] = None,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    inception_weights: Inception = None,
    device: Device = None,
    precision: Precision = None,
    graphs: Graphs = True,
) -> None:
    """Train one variant with one seed into a results folder.

    The folder has checkpoints, tables, samples and a report, as that of `bench`.

    The same command again resumes an interrupted run. A larger budget extends a finished one; a budget is always the
    total. Ctrl-C and SIGTERM stop after a checkpoint, a second Ctrl-C at once.

    Exit status: 0 if the run is ok, diverged, collapsed or out_of_memory, which are results; 2 for bad input, and for
    a run that ends in error or timeout; 130 after Ctrl-C, 143 after SIGTERM.
    """
    if seed < 0:
        raise GanZooError(f"--seed {seed} must be a whole number from 0 on")
    units = {"epochs": epochs, "images": images, "steps": steps, "seconds": seconds}
    budget = Budget.of({unit: amount for unit, amount in units.items() if amount is not None} or {"epochs": 200.0})
    options = settings(setting)
    index.check_precision(precision)
    index.check_variants([name], plugin)
    index.check_options(name, options)
    if not plugin:
        index.check_data(data)
    # torch takes seconds to import.
    from gan_zoo.cli import single

    single.train(
        name,
        out,
        context.obj(),
        data=data,
        channels=channels,
        budget=budget,
        seed=seed,
        settings=options,
        force=force,
        evaluate=evaluate,
        checkpoint_every=checkpoint_every,
        run_timeout=run_timeout,
        threads=threads,
        plugins=tuple(plugin or ()),
        data_root=data_root,
        inception_weights=inception_weights,
        device=device,
        precision=precision,
        graphs=graphs,
    )


def sample(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(help="A folder that `train` wrote, or a file of a checkpoints folder.")],
    label: Annotated[
        int | None, typer.Option("--class", help="The class to ask a conditional generator for.", show_default=False)
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="How many images.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 0,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("samples.png"),
    plugin: Plugin = None,
    device: Device = None,
) -> None:
    """Draw images from a trained generator."""
    from gan_zoo.cli import single

    load_plugins(plugin)
    single.sample(checkpoint, out, context.obj(), label=label, n=n, seed=seed, device=device)
