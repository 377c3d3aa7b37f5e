"""The verbs. torch and what needs it are imported inside the command that uses them: `--help` must answer at once."""

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_zoo.cli.interrupt import STATUS, Interrupted
from gan_zoo.cli.options import (
    Channels,
    DataRoot,
    Device,
    Fallback,
    Inception,
    Plugin,
    Precision,
    seed_numbers,
    variant_names,
)
from gan_zoo.errors import GanZooError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="gan-zoo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to import than all else that help needs
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare GAN variants: same data, same engine, same measures, many seeds, one report.",
)


@cache
def _console() -> "Console":
    from rich.console import Console

    return Console()


def main() -> None:
    """Run the command line; an error that a person can mend is one line, and exit status 2."""
    try:
        app(prog_name="gan-zoo")
    except Interrupted as stop:
        _fail(str(stop), STATUS)
    except GanZooError as error:
        _fail(str(error), 2)
    except SystemExit as stop:
        # typer turns Ctrl-C into this status without a word.
        if stop.code == STATUS:
            _fail("interrupted; `gan-zoo bench` goes on where it stopped when it is called again", STATUS)
        raise
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 2)


def _fail(message: str, status: int) -> None:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    raise SystemExit(status)


def _plugins(paths: list[Path] | None) -> None:
    from gan_zoo import registry

    for path in paths or []:
        registry.load_plugin(path)


@app.command("list", epilog="Example: gan-zoo list --json | python -m json.tool")
def list_variants(
    plugin: Plugin = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False
) -> None:
    """List the variants: title, paper, loss, conditioning and size."""
    from gan_zoo.cli import show

    _plugins(plugin)
    rows = show.variant_rows()
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        show.print_variants(rows, _console())


@app.command("show", epilog="Example: gan-zoo show lsgan")
def show_variant(
    name: Annotated[str, typer.Argument(help="A variant; `gan-zoo list` names them.")], plugin: Plugin = None
) -> None:
    """Show all that makes a variant: its settings, its networks, and how it departs from its paper."""
    from gan_zoo.cli import show

    _plugins(plugin)
    show.print_variant(name, _console())


@app.command(epilog="Example: gan-zoo train cgan --epochs 5 --out runs/cgan")
def train(
    name: Annotated[str, typer.Argument(help="A variant; `gan-zoo list` names them.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default runs/NAME-seedSEED.", show_default=False)
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
            "--set", help="A hyperparameter, e.g. --set batch_size=128. May be given again.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite another run's files in --out.")] = False,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    fallback: Fallback = None,
    device: Device = None,
    precision: Precision = None,
) -> None:
    """Train one variant, and write its checkpoint, history and samples.

    Ctrl-C ends the training early, and keeps what was trained.
    """
    from gan_zoo.cli import single

    _plugins(plugin)
    units = {"epochs": epochs, "images": images, "steps": steps, "seconds": seconds}
    budget = {unit: amount for unit, amount in units.items() if amount is not None} or {"epochs": 200.0}
    single.train(
        name,
        out or Path("runs") / f"{name}-seed{seed}",
        _console(),
        data=data,
        channels=channels,
        budget=budget,
        seed=seed,
        settings=setting or [],
        data_root=data_root,
        fallback=fallback,
        device=device,
        precision=precision,
        force=force,
    )


@app.command(epilog="Example: gan-zoo bench benchmarks/mnist.toml --preset quick --out results/mine")
def bench(
    suite: Annotated[Path, typer.Argument(help="A suite file; see benchmarks/.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default runs/SUITE-PRESET.", show_default=False)
    ] = None,
    preset: Annotated[str, typer.Option(help="smoke, quick, full, or auto: full on CUDA, quick on a CPU.")] = "auto",
    variants: Annotated[
        str | None, typer.Option(help="Variants in place of the suite's, with commas between.", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds in place of the suite's, e.g. 0,1,2.", show_default=False)
    ] = None,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    fallback: Fallback = None,
    inception_weights: Inception = None,
    device: Device = None,
    precision: Precision = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads a cell; by default 1.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells side by side; by default one a core on a CPU, 1 on CUDA.", show_default=False),
    ] = None,
) -> None:
    """Run a suite: train every variant with every seed, measure, and write tables, plots and a report.

    Killed or interrupted, the same command goes on with what is missing.
    """
    from gan_zoo.bench import launch

    if jobs != 1 and not (device or "").startswith("cuda"):
        launch.begin_early()
    from gan_zoo.cli import progress
    from gan_zoo.pipeline import run_suite

    folder = out or Path("runs") / f"{suite.stem}-{preset}"
    with progress.BenchListener(_console()) as listener:
        outcome = run_suite(
            suite,
            folder,
            preset=preset,
            variants=variant_names(variants),
            seeds=seed_numbers(seeds),
            plugins=plugin or [],
            data_root=data_root,
            fallback=fallback,
            inception_weights=inception_weights,
            device=device,
            precision=precision,
            threads=threads,
            jobs=jobs,
            listener=listener,
        )
    _print_ranking(folder, outcome.report)
    if outcome.errors:
        raise GanZooError("\n".join(f"a cell failed: {line}" for line in outcome.errors))


@app.command(epilog="Example: gan-zoo report results/mnist-quick")
def report(folder: Annotated[Path, typer.Argument(help="A folder that `gan-zoo bench` wrote.")]) -> None:
    """Write the tables, plots and report of a results folder anew, from its records."""
    from gan_zoo.report import write_report

    _print_ranking(folder, write_report(folder))


@app.command(epilog="Example: gan-zoo sample runs/cgan-seed0/checkpoint.safetensors --class 7 --n 25")
def sample(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `train` or `bench` wrote.")],
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

    _plugins(plugin)
    single.sample(checkpoint, out, _console(), label=label, n=n, seed=seed, device=device)


@app.command(epilog="Example: gan-zoo new my_gan && gan-zoo check my_gan --plugin my_gan.py")
def new(
    name: Annotated[str, typer.Argument(help="Name of the variant, a Python identifier.")],
    out: Annotated[Path | None, typer.Option(help="File to write; by default NAME.py.", show_default=False)] = None,
) -> None:
    """Write a variant file to start from; it passes the contract tests as it stands."""
    from gan_zoo.cli import scaffold

    path = scaffold.write_variant(name, out or Path(f"{name}.py"))
    check, smoke = f"gan-zoo check {name}", "gan-zoo bench benchmarks/digits.toml --preset smoke"
    for line in (
        f"wrote {path}; next:",
        f"  {check} --plugin {path}",
        f"  {smoke} --variants {name},gan --plugin {path}",
    ):
        _console().print(line, highlight=False, markup=False, soft_wrap=True)


@app.command(epilog="Example: gan-zoo check my_gan --plugin my_gan.py")
def check(
    name: Annotated[str, typer.Argument(help="A variant; `gan-zoo list` names them.")], plugin: Plugin = None
) -> None:
    """Run the contract tests over one variant."""
    from gan_zoo.cli import check as checks

    _plugins(plugin)
    checks.check_variant(name, _console())


@app.command(epilog="Example: gan-zoo data mnist --data-root ~/data")
def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Data sets to fetch and check, or folder:PATH; without, all are listed."),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """List the data sets, or fetch and check those named."""
    from gan_zoo.cli import here

    here.print_data(names, data_root, _console())


@app.command(epilog="Example: gan-zoo doctor")
def doctor(data_root: DataRoot = None, inception_weights: Inception = None) -> None:
    """Tell what is here: device, versions, data sets, extractors and plugins."""
    from gan_zoo.cli import here

    here.print_doctor(data_root, inception_weights, _console())


def _print_ranking(folder: Path, path: Path) -> None:
    from gan_zoo.cli import ranking

    ranking.print_ranking(folder, _console())
    _console().print(f"report: {path}", highlight=False, soft_wrap=True)
