"""The commands of one variant by itself: `train` and `sample`. What is slow to import is imported in the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.bench import run_and_print, start_worker_early
from gan_zoo.cli.options import (
    Channels,
    Device,
    Mirror,
    Plugin,
    TestShare,
    VariantName,
    settings,
    with_run_options,
)
from gan_zoo.errors import GanZooError
from gan_zoo.options import Budget, DataOptions, RunOptions, are_seeds
from gan_zoo.torchrun import num_processes, reported_once

if TYPE_CHECKING:
    from gan_zoo.engine.parallel import Parallel

_Out = Annotated[
    Path | None, typer.Option(help="Folder to write to; by default runs/NAME-DATA-seedSEED.", show_default=False)
]
_Data = Annotated[
    str, typer.Option(help="A data set, as `gan-zoo data` names them, or folder:PATH for images of your own.")
]
_Epochs = Annotated[
    float | None, typer.Option(help="Budget in epochs [by default 200, as in the articles].", show_default=False)
]
_Images = Annotated[float | None, typer.Option(help="Budget in real images.", show_default=False)]
_Steps = Annotated[float | None, typer.Option(help="Budget in steps.", show_default=False)]
_Seconds = Annotated[float | None, typer.Option(help="Budget in seconds of training.", show_default=False)]
_Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the variant, e.g. --set lr=1e-4. May be given again.", show_default=False),
]


@with_run_options
def train(
    name: VariantName,
    options: RunOptions,
    out: _Out = None,
    data: _Data = "mnist",
    channels: Channels = None,
    test_share: TestShare = None,
    mirror: Mirror = False,
    epochs: _Epochs = None,
    images: _Images = None,
    steps: _Steps = None,
    seconds: _Seconds = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    setting: _Settings = None,
) -> None:
    """Train one variant with one seed into a results folder.

    The folder has checkpoints, tables, samples and a report, as that of `bench`.

    The same command again resumes an interrupted run. A larger budget extends a finished one; a budget is always the
    total. Ctrl-C and SIGTERM stop after a checkpoint, a second Ctrl-C at once.

    With `torchrun --nproc-per-node N -m gan_zoo train ...`, N processes share each batch.

    Exit status: 0 if the run is ok, diverged, collapsed or out_of_memory, which are results; 2 for bad input, and for
    a run that ends in error or timeout; 130 after Ctrl-C, 143 after SIGTERM.
    """
    with reported_once():
        if not are_seeds([seed]):
            raise GanZooError(f"--seed {seed} must be a whole number from 0 on, and at most 2^53")
        units = {"epochs": epochs, "images": images, "steps": steps, "seconds": seconds}
        budget = Budget.of({unit: amount for unit, amount in units.items() if amount is not None} or {"epochs": 200.0})
        data_options = DataOptions(channels=channels, test_share=test_share, mirror=mirror)
        hyperparameters = settings(setting)
    with _processes(options) as (parallel, options):
        index.check_run(name, hyperparameters, data, options)
        if parallel is None:
            start_worker_early(options)
        from gan_zoo import registry
        from gan_zoo.bench.train import single_options, single_suite

        variant = registry.get(name, **hyperparameters)
        suite = single_suite(variant, data, budget, seed=seed, data_options=data_options)
        options = single_options(suite, options)
        if parallel is None or parallel.rank == 0:
            run_and_print(options, out)
        else:
            from gan_zoo.bench.parallel import follow

            follow(parallel, options)


@contextmanager
def _processes(options: RunOptions) -> "Iterator[tuple[Parallel | None, RunOptions]]":
    """This process among those that torchrun has started, and its options; None if it is the only one."""
    if num_processes() == 1:
        yield None, options
        return
    from gan_zoo.bench.parallel import processes

    with processes(options) as joined:
        yield joined


def sample(
    checkpoint: Annotated[Path, typer.Argument(help="A folder that `train` wrote, or a file of a checkpoints folder.")],
    label: Annotated[
        int | None, typer.Option("--class", help="The class to ask a conditional generator for.", show_default=False)
    ] = None,
    num_samples: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many samples [by default 20].", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 0,
    out: Annotated[Path, typer.Option(help="PNG or JPEG file to write; of points, a CSV file.")] = Path("samples.png"),
    grid: Annotated[bool, typer.Option("--grid", help="White lines between the images.")] = False,
    each: Annotated[
        Path | None,
        typer.Option(help="In place of --out: a new folder of single PNG files, or one .npz file.", show_default=False),
    ] = None,
    interpolate: Annotated[
        int | None,
        typer.Option(min=2, max=10_000, help="So many images from one latent to another.", show_default=False),
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(help="Latents of your own, (number, size): .npy, .npz or .safetensors.", show_default=False),
    ] = None,
    plugin: Plugin = None,
    device: Device = None,
) -> None:
    """Draw images from a trained generator."""
    from gan_zoo import api, registry, samples
    from gan_zoo.cli.printing import print_line

    counts = {"--num-samples": num_samples, "--interpolate": interpolate, "--latents": latents}
    if len(both := [name for name, value in counts.items() if value is not None]) > 1:
        raise GanZooError(f"{both[0]} and {both[1]} both say how many samples; leave one of them out")
    samples.check_sample_file(out) if each is None else samples.check_each(each)
    given = None if latents is None else samples.read_latents(latents)
    for path in plugin or []:
        registry.load_plugin(path)
    sampler = api.load(checkpoint, device=device)
    if label is not None and sampler.conditional and not 0 <= label < sampler.classes:
        known = f"{sampler.variant.name!r} knows the classes from 0 to {sampler.classes - 1}"
        raise GanZooError(f"--class {label}: {known}; ask for one of them")
    if interpolate is not None:
        inputs = sampler.interpolate(interpolate, label=label, seed=seed)
    else:
        number = (num_samples or 20) if given is None else len(given)
        inputs = sampler.draw(number, labels=None if label is None else [label] * number, latents=given, seed=seed)
    drawn = sampler.generate(*inputs)
    if each is None:
        written = samples.save_samples(drawn, out, columns=interpolate, gap=samples.GAP if grid else 0)
    else:
        written = samples.save_each(drawn, each, *inputs[1:])
    kind = "points" if drawn.dim() == 2 else "images"
    of_class = "" if label is None else f" of class {label}"
    print_line(f"wrote {len(drawn)} {kind}{of_class} by {sampler.variant.name} to {written}")
