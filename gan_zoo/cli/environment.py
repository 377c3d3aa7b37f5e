"""The environment: data sets, the device, versions, extractors and plugins."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich import box, get_console
from rich.markup import escape
from rich.table import Table

from gan_zoo import data, registry, text
from gan_zoo.cli.console import image_facts
from gan_zoo.cli.printing import print_line, print_table
from gan_zoo.device import describe, pick, unused_gpu
from gan_zoo.errors import GanZooError
from gan_zoo.options import DataOptions
from gan_zoo.samples import IMAGE_FORMATS, check_sample_file, save_samples

_SHEET_SIDE = 64
_SHEET_IMAGES = 100


def print_data(names: list[str], root: Path | None, options: DataOptions, sheet: Path | None) -> None:
    """Data sets, fetched and checked, with their sizes and fingerprints; of folders also what is in them.

    Raises:
        GanZooError: a sheet that is no image file, or one for several folders.
        StorageError: the contact sheet of a folder cannot be written.
    """
    if sheet is not None:
        check_sample_file(sheet, tuple(IMAGE_FORMATS))
        if sum(name.startswith("folder:") for name in names) > 1:
            raise GanZooError(
                f"--sheet {str(sheet)!r} is one file for several folders; leave it out or name one folder"
            )
    rows = []
    notes = []
    folders = []
    for name in names:
        loaded = data.load(name, root=root if data.needs_root(name) else None, **vars(options))
        folders += [loaded] if loaded.sizes else []
        rows.append(
            {
                "data set": name,
                "train": f"{len(loaded.train):,}",
                "test": f"{len(loaded.test):,}",
                "classes": f"{loaded.classes:,}",
                "extractor": loaded.extractor or "-",
                "fingerprint": loaded.fingerprint[:12],
            }
        )
        notes += [f"{name}: {part}" for part in loaded.note.split("; ") if part]
    print_table({head: [row[head] for row in rows] for head in rows[0]})
    for note in notes:
        print_line(note)
    written: Counter[str] = Counter()
    for folder in folders:
        written[folder.name] += 1
        number = f"-{written[folder.name]}" if written[folder.name] > 1 else ""
        _print_folder(folder, sheet or Path(f"{folder.name}{number}.png"))


def _print_folder(loaded: data.Dataset, sheet: Path) -> None:
    """The images of a folder by class, and the path of a contact sheet that is written of them."""
    print_line(f"{loaded.requested}: {image_facts(loaded)}")
    if loaded.classes:
        counted = {"images": loaded.labels, "train": loaded.train.labels, "test": loaded.test.labels}
        counts = {head: labels.bincount(minlength=loaded.classes).tolist() for head, labels in counted.items()}
        print_table(
            {"class": list(loaded.class_names)} | {head: [f"{n:,}" for n in each] for head, each in counts.items()}
        )
    larger = data.load(loaded.requested, side=_SHEET_SIDE, **vars(replace(loaded.options, mirror=False)))
    splits = [larger.train, larger.test] if larger.reference == "test" else [larger.test]
    members = larger.labels.argsort(stable=True).split(larger.labels.bincount().tolist())
    shown = [each[: max(1, _SHEET_IMAGES // len(members))] for each in members]
    images = torch.cat([split.images for split in splits])[torch.cat(shown)[:_SHEET_IMAGES]]
    print_line(f"contact sheet: {save_samples(images, sheet)} ({text.plural(len(images), 'image')}, class by class)")


def print_doctor(root: Path | None, inception_weights: Path | None, files: Sequence[Path]) -> None:
    """Device, versions, data sets, extractors and plugins, those of files included."""
    table = Table("what", "here", title="gan-zoo doctor", box=box.SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    table.add_row("device", escape(describe(pick())))
    if unused := unused_gpu():
        table.add_row("GPU", escape(unused))
    for package in ("gan-zoo", "torch", "torchvision", "torch-fidelity", "pandas", "seaborn"):
        table.add_row(package, importlib.metadata.version(package))
    for name in data.names():
        table.add_row(f"data: {name}", _state_of_data(name, root))
    table.add_row("data: folder:PATH", "images of your own")
    # The metrics are slow to import, and `gan-zoo data` needs none.
    from gan_zoo.metrics.custom import extractor_names
    from gan_zoo.metrics.features import EXTRACTORS

    for name in (*EXTRACTORS, *extractor_names()):
        table.add_row(f"extractor: {name}", _state_of_extractor(name, inception_weights))
    table.add_row("variants", ", ".join(registry.names()))
    plugins = [point.value for point in importlib.metadata.entry_points(group=registry.ENTRY_POINTS)]
    table.add_row("plugins", escape(text.visible(", ".join([*plugins, *map(str, files)]))) or "none")
    get_console().print(table)


def _state_of_data(name: str, root: Path | None) -> str:
    root = root if data.needs_root(name) else None
    try:
        # At its native side nothing has to be resized.
        loaded = data.load(name, side=data.native_side(name), root=root, download=False)
    except data.DataMissing:
        return f"not here; `gan-zoo data {name}` downloads it"
    except GanZooError as error:
        return f"[red]{escape(str(error))}[/]"
    return f"{len(loaded.train):,} + {len(loaded.test):,} {loaded.kind}"


def _state_of_extractor(name: str, inception_weights: Path | None) -> str:
    from gan_zoo.metrics.extractors import FILE_NAME, load_extractor

    cached = Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if name == "inception" and inception_weights is None and not cached.is_file():
        return "not here; a suite that uses it downloads it"
    try:
        extractor = load_extractor(name, inception_weights=inception_weights)
    except GanZooError as error:
        return f"[red]{escape(str(error))}[/]"
    return "verified" if extractor.accuracy is None else f"verified, test accuracy {extractor.accuracy:.2%}"
