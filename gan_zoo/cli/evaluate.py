"""The command `evaluate`: measures of a checkpoint, or of any images. What is slow to import is imported in it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gan_zoo.cli import index
from gan_zoo.cli.options import DataRoot, Device, Inception, Plugin, TestShare, split


def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            help="A checkpoint, the folder of a run, a folder of images, or a file .npy, .npz or .safetensors."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="A data set; by default that of the checkpoint, else mnist.", show_default=False),
    ] = None,
    num_samples: Annotated[
        int | None, typer.Option(help="How many images; by default 2,000, or as many as there are.", show_default=False)
    ] = None,
    extractors: Annotated[
        str | None, typer.Option(help="By default the data set's own, e.g. own,inception.", show_default=False)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="1 (grayscale) or 3 (color); by default the data set's own.", show_default=False)
    ] = None,
    test_share: TestShare = None,
    seed: Annotated[int, typer.Option(help="Seed of a generator's samples, and of the real images.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
    csv: Annotated[Path | None, typer.Option(help="CSV file to write as well.", show_default=False)] = None,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    inception_weights: Inception = None,
    device: Device = None,
) -> None:
    """Measure a generator or any images against a data set.

    Beside them, real training images are measured in the same way. Arrays have the shape (N, H, W), (N, C, H, W) or
    (N, H, W, C), and are uint8, or floats in [0, 1], or in [-1, 1] if any value is below -0.01.
    """
    index.names(plugin)
    if data is not None and not plugin:
        index.check_data(data)
    from gan_zoo.bench import evaluation
    from gan_zoo.bench.records import plain
    from gan_zoo.cli.printing import print_line, print_note
    from gan_zoo.cli.results import print_evaluation
    from gan_zoo.io import write_csv

    options = evaluation.EvaluationOptions(
        num_samples=num_samples,
        seed=seed,
        extractors=split(extractors) if extractors else None,
        channels=channels,
        test_share=test_share,
        data_root=data_root,
        inception_weights=inception_weights,
        device=device,
    )
    found = evaluation.evaluate(source, data, options)
    if csv is not None:
        write_csv(csv, found.table().reset_index())
    if as_json:
        content = {"data": found.data.name, "notes": list(found.notes), "rows": found.records()}
        typer.echo(json.dumps(plain(content), indent=2))
        return
    for note in found.notes:
        print_note(note)
    print_evaluation(found.records(), found.data.title)
    if csv is not None:
        print_line(f"wrote {csv}")
