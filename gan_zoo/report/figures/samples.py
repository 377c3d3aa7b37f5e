"""Captioned sample images, made from the raw tiles in the records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from gan_zoo.bench.artifacts import read_tiles
from gan_zoo.bench.packed import PACKED
from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.io import atomic_path, writing
from gan_zoo.report.figures.style import FAINT, INK, data_title

_GAP = 3  # pixels between tiles
_MARGIN = 10
_TILE = {"grid": 80, "classes": 48, "neighbors": 64, "strip": 64}  # least width of a tile; tiles grow by whole factors
_DETAILS = {"classes": ", one class per row", "neighbors": ": a sample, then the nearest training images"}
_TITLE, _SMALL = 15, 13  # font sizes


@dataclass(frozen=True)
class SampleImage:
    """A captioned image of one run; ``kind`` is ``grid``, ``classes``, ``neighbors`` or ``strip``."""

    path: Path
    variant: str
    seed: int
    kind: str
    step: int
    caption: str


@dataclass(frozen=True)
class _Sheet:
    """Tiles of a run, with what is written around them; ``name`` ends the file name."""

    kind: str
    name: str
    step: int
    columns: int
    tiles: list[Image.Image]
    caption: str
    labels: Sequence[str] = ()


def write_samples(folder: Path, manifest: dict[str, Any], records: Iterable[RunRecord]) -> list[SampleImage]:
    """Write all sample images into ``folder/samples``; returns them without those whose tiles cannot be read.

    A run has its grid at each milestone, its class grid, its samples with the nearest training images, and a strip:
    the first row of the grid, which has the same latents at every milestone. Older images of that form are removed.
    Packed records have no recorded files: their images are those that lie in the folder.

    Raises:
        StorageError: the folder cannot be written to.
    """
    is_packed = (folder / PACKED).is_file()
    images: list[SampleImage] = []
    for record in records:
        variant, seed = record.begin["variant"], record.begin["seed"]
        title = f"{data_title(manifest)} · {variant} · seed {seed}"
        for sheet in _sheets(folder, manifest, record):
            path = folder / "samples" / f"{manifest['data']['name']}-{variant}-seed{seed}-{sheet.name}.png"
            if sheet.tiles:
                composed = _compose(sheet, title)
                with atomic_path(path) as part:
                    composed.save(part, optimize=True)
            elif not (is_packed and path.is_file()):
                continue
            images.append(SampleImage(path, variant, seed, sheet.kind, sheet.step, f"{title} · {sheet.caption}"))
    for stale in set((folder / "samples").glob("*-seed*-*.png")) - {image.path for image in images}:
        with writing(stale):
            if not stale.is_dir():
                stale.unlink()
    return images


def _sheets(folder: Path, manifest: dict[str, Any], record: RunRecord) -> Iterator[_Sheet]:
    """The images of a run; those that cannot be read have no tiles."""
    grids: list[tuple[Row, list[Image.Image]]] = []
    for row in {row["file"]: row for row in record.samples}.values():
        kind = row["kind"]
        tiles = read_tiles(folder, row)
        names = manifest["data"].get("class_names") or map(str, range(row["rows"]))
        yield _Sheet(
            kind,
            f"step{row['step']}-{kind}" if kind in _DETAILS else f"step{row['step']}",
            row["step"],
            row["columns"],
            tiles,
            f"{row['images']:,} images seen{_DETAILS.get(kind, '')}",
            list(names)[: row["rows"]] if kind == "classes" else (),
        )
        if kind == "grid":
            grids.append((row, tiles[: row["columns"]]))
    grids = sorted(grids, key=lambda grid: grid[0]["step"])
    readable = [grid for grid in grids if grid[1]]
    if grids:
        last, _ = (readable or grids)[-1]
        first_rows = [tile for _, tiles in readable for tile in tiles]
        labels = [f"{row['images']:,}" for row, _ in readable]
        caption = "same latents over training, by images seen"
        yield _Sheet("strip", "over-training", last["step"], last["columns"], first_rows, caption, labels)


def _compose(sheet: _Sheet, title: str) -> Image.Image:
    """The tiles enlarged by a whole factor (nearest pixel) on white, below the title and the caption.

    The labels, one per row, are to its left.
    """
    bold, small = ImageFont.load_default(size=_TITLE), ImageFont.load_default(size=_SMALL)
    factor = -(-_TILE[sheet.kind] // sheet.tiles[0].width)
    width, height = sheet.tiles[0].width * factor, sheet.tiles[0].height * factor
    rows = -(-len(sheet.tiles) // sheet.columns)
    left = _MARGIN + (int(max(small.getlength(label) for label in sheet.labels)) + 8 if sheet.labels else 0)
    top = _MARGIN + _TITLE + _SMALL + 14
    words = max(bold.getlength(title), small.getlength(sheet.caption))
    inside = max(sheet.columns * (width + _GAP) - _GAP, int(words) + 1 - left + _MARGIN)
    mode = "RGB" if any(tile.mode not in ("L", "1") for tile in sheet.tiles) else "L"
    canvas = Image.new(mode, (left + inside + _MARGIN, top + rows * (height + _GAP) - _GAP + _MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, _MARGIN - 2), title, fill=INK, font=bold)
    draw.text((_MARGIN, _MARGIN + _TITLE + 4), sheet.caption, fill=FAINT, font=small)
    for index, tile in enumerate(sheet.tiles):
        line, column = divmod(index, sheet.columns)
        corner = (left + column * (width + _GAP), top + line * (height + _GAP))
        canvas.paste(tile.resize((width, height), Image.Resampling.NEAREST), corner)
    for line, label in enumerate(sheet.labels):
        middle = top + line * (height + _GAP) + height // 2
        draw.text((left - 8, middle), label, fill=INK, font=small, anchor="rm")
    return canvas
