"""The command `explore`: one page in which trained generators run. What is slow to import is imported in it."""

from pathlib import Path
from typing import Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import Device, Plugin, split
from gan_zoo.errors import GanZooError
from gan_zoo.io import check_encoding


def explore(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Results folders with the checkpoints of their runs, or checkpoints."),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("explore.html"),
    variants: Annotated[
        str | None, typer.Option(help="Of results folders, these alone, with commas between.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of results folders, the runs of this seed; by default the first.", show_default=False),
    ] = None,
    plugin: Plugin = None,
    device: Device = None,
) -> None:
    """Write one HTML page in which trained generators run, without network access.

    The page draws images as the latent is dragged, for a class, and between two latents; it puts two generators side by
    side, and shows the samples of their training.
    """
    check_encoding(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise GanZooError(f"--out {str(out)!r} is no HTML file; name one that ends with .html")
    for run in runs:
        if not run.exists():
            raise GanZooError(f"{str(run)!r} does not exist; name a results folder or a checkpoint")
    index.names(plugin)
    from gan_zoo.cli.printing import print_line, print_note
    from gan_zoo.explore.page import write_page
    from gan_zoo.studies.trained import Trained, find_trained
    from gan_zoo.text import plural

    chosen: list[Trained] = []
    for run in runs:
        named = split(variants) if variants and run.is_dir() else None
        seeds = [seed] if seed is not None and run.is_dir() else None
        chosen += find_trained(run, variants=named, seeds=seeds, device=device, first_seed=True)
    written, left_out = write_page(chosen, out)
    for line in left_out:
        print_note(line)
    number = plural(len(chosen) - len(left_out), "generator")
    print_line(f"wrote {number} to {written} ({written.stat().st_size / 1e6:.1f} MB); open it in a browser")
