"""The command line, and its small verbs; `train`, `bench`, `search` and the like have modules of their own.

torch and what needs it are imported inside the command that uses them: `--help` must answer at once.
"""

import io
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from gan_zoo import __version__
from gan_zoo.cli import index, inspect
from gan_zoo.cli.bench import bench, report, search
from gan_zoo.cli.compare import compare
from gan_zoo.cli.evaluate import evaluate
from gan_zoo.cli.explore import explore
from gan_zoo.cli.options import Channels, DataRoot, Inception, Mirror, Plugin, TestShare, VariantName
from gan_zoo.cli.study import study
from gan_zoo.cli.train import sample, train
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.options import DataOptions
from gan_zoo.text import visible

_INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended, as in shells."""

app = typer.Typer(
    name="gan-zoo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to import than all else that help needs
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare GAN variants: same data, engine and metrics, many seeds, one report.",
)


def main() -> None:
    """Run the command line; an error that the user can fix is one line, and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Not every console can show what is printed: an arrow becomes a question mark there.
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="gan-zoo")
    except Interrupted as stop:
        _fail(str(stop), stop.status)
    except GanZooError as error:
        _fail(str(error), 2)
    except SystemExit as stop:
        # typer turns Ctrl-C into this status without a message.
        if stop.code == _INTERRUPTED:
            _fail("interrupted; `train`, `bench` and `search` resume when the same command is run again", _INTERRUPTED)
        raise
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 2)


def _fail(message: str, status: int) -> None:
    if status >= _INTERRUPTED:
        # A second Ctrl-C would end the interpreter's own shutdown with a traceback or another status.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in message.split("\n"):
        print(f"error: {visible(line)}", file=sys.stderr)
    raise SystemExit(status)


def _print(text: str) -> None:
    for line in text.split("\n"):
        print(visible(line))


def _print_version(requested: bool) -> None:
    if requested:
        print(f"gan-zoo {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command("list", epilog="Example: gan-zoo list --filter 'wgan*' --long")
def list_variants(
    pattern: Annotated[
        str | None, typer.Option("--filter", help="Only names that match, e.g. 'wgan*'.", show_default=False)
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="With latent, parameters, batch size and paper.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all that `show` prints.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="List the metrics in place of the variants.")] = False,
    plugin: Plugin = None,
) -> None:
    """List the variants: title, loss, networks, labels, year."""
    if metrics:
        known = inspect.matching(index.metrics(plugin), pattern, "metric")
        _print(json.dumps(known, indent=2) if as_json else inspect.metrics_table(known))
        return
    found = inspect.matching(index.records(plugin), pattern)
    _print(json.dumps(found, indent=2, default=str) if as_json else inspect.variants_table(found, long=long))


@app.command("show", epilog="Example: gan-zoo show lsgan")
def show_variant(name: VariantName, plugin: Plugin = None) -> None:
    """Show a variant: settings, networks, deviations from the paper."""
    _print(inspect.variant_text(index.record(name, plugin)))


app.command(epilog="Example: gan-zoo train cgan --epochs 2 --set batch_size=32 --set ema=0.99")(train)
app.command(epilog="Example: gan-zoo bench mnist --preset quick --out results/mine")(bench)
app.command(epilog="Example: gan-zoo search mnist --trials 8 --variants gan,cgan")(search)
app.command(epilog="Example: gan-zoo report results/mnist-quick")(report)
app.command(epilog="Example: gan-zoo compare results/mnist-quick runs/mine --allow versions --fail-on-regression")(
    compare
)
app.command(epilog="Example: gan-zoo evaluate images --data mnist --csv images.csv")(evaluate)
app.command(epilog="Example: gan-zoo study walk runs/mnist-quick --variants cgan")(study)
app.command(epilog="Example: gan-zoo explore runs/mnist-quick --variants cgan,dcgan")(explore)
app.command(epilog="Example: gan-zoo sample runs/cgan-mnist-seed0 --class 7 --num-samples 25")(sample)


@app.command(epilog="Example: gan-zoo new my_gan && gan-zoo check my_gan --plugin my_gan.py")
def new(
    name: Annotated[str, typer.Argument(help="Name of the variant, a Python identifier.")],
    out: Annotated[Path | None, typer.Option(help="File to write; by default NAME.py.", show_default=False)] = None,
    like: Annotated[
        str | None,
        typer.Option(help="A variant to change; without, the file has networks of its own.", show_default=False),
    ] = None,
    penalty: Annotated[
        str | None,
        typer.Option(
            help="r1, r2, gradient_penalty or noise_penalty [by default r1 without --like].", show_default=False
        ),
    ] = None,
) -> None:
    """Write a variant file to start from.

    It passes the contract tests as it stands.
    """
    from gan_zoo.cli import scaffold

    path = scaffold.write_variant(name, out or Path(f"{name}.py"), like=like, penalty=penalty)
    _print(f"wrote {path}; next:")
    _print(f"  gan-zoo check {name} --plugin {path}")
    _print(f"  gan-zoo bench digits --preset smoke --variants {name},gan --plugin {path}")


@app.command(epilog="Example: gan-zoo check my_gan --plugin my_gan.py")
def check(name: VariantName, plugin: Plugin = None) -> None:
    """Check one variant: shapes, gradients, finite values, seeds, labels, checkpoints.

    It trains a few steps on random images, and prints what each check requires.
    """
    index.check_variants([name], plugin)
    from gan_zoo.cli import scaffold

    scaffold.check_variant(name)


@app.command(epilog="Example: gan-zoo data mnist --data-root ~/data")
def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Data sets to fetch and check, or folder:PATH; without, all are listed."),
    ] = None,
    data_root: DataRoot = None,
    channels: Channels = None,
    test_share: TestShare = None,
    mirror: Mirror = False,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Of folder:PATH, image file for a contact sheet; by default NAME.png.", show_default=False),
    ] = None,
    plugin: Plugin = None,
) -> None:
    """List the data sets, or fetch and check those named.

    Of folder:PATH also the sizes, the images of each class, the split, what is left out, and a contact sheet.
    """
    if not names:
        _print(inspect.data_table(index.data_sets(plugin)))
        return
    index.names(plugin)
    for name in [] if plugin else names:
        index.check_data(name)
    from gan_zoo.cli import environment

    environment.print_data(
        names, data_root, DataOptions(channels=channels, test_share=test_share, mirror=mirror), sheet
    )


@app.command(epilog="Example: gan-zoo doctor")
def doctor(data_root: DataRoot = None, inception_weights: Inception = None, plugin: Plugin = None) -> None:
    """Print the device, versions, data sets, extractors and plugins."""
    index.names(plugin)
    from gan_zoo.cli import environment

    environment.print_doctor(data_root, inception_weights, plugin or [])
