"""Captioned sample pictures, made from the raw tiles that the bench recorded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.io import atomic_path, writing
from gan_zoo.report.style import FAINT, INK, data_title

GAP = 3  # pixels between tiles
MARGIN = 10
_TILE = {"grid": 80, "classes": 48, "neighbors": 64, "strip": 64}  # least width of a tile; tiles grow by whole factors
_BESIDE = {"classes": ", one class a row", "neighbors": ": a sample, then the training images nearest to it"}
_TITLE, _SMALL = 15, 13


@dataclass(frozen=True)
class Picture:
    """A captioned picture of one cell; ``kind`` is ``grid``, ``classes``, ``neighbors`` or ``strip``."""

    path: Path
    variant: str
    seed: int
    kind: str
    step: int
    caption: str


def write_pictures(
    folder: Path, manifest: dict[str, Any], cells: Iterable[RunRecord]
) -> tuple[list[Picture], list[str]]:
    """Write all sample pictures into ``folder/samples``; gives them and the recorded files that could not be read.

    A cell gets its grid at each milestone, its class-by-class grid where it has one, its samples beside the training
    images nearest to them, and a strip: the first row of the grid, which is always the same latents, at every
    milestone. Older pictures of that form are removed.

    Raises:
        StorageError: the folder cannot be written to.
    """
    target, pictures, missing = folder / "samples", [], []
    for cell in cells:
        first_rows: list[tuple[Row, list[Image.Image]]] = []
        for row in {row["file"]: row for row in cell.samples}.values():
            try:
                tiles = _tiles(folder / row["file"], row)
            except (OSError, SyntaxError):
                missing.append(row["file"])
                continue
            pictures.append(_one(target, manifest, cell, row, tiles))
            if row["kind"] == "grid":
                first_rows.append((row, tiles[: row["columns"]]))
        if first_rows:
            pictures.append(_strip(target, manifest, cell, first_rows))
    for stale in set(target.glob("*-seed*-*.png")) - {picture.path for picture in pictures}:
        with writing(stale):
            stale.unlink()
    return pictures, missing


def _tiles(path: Path, row: Row) -> list[Image.Image]:
    with Image.open(path) as image:
        image.load()
        width, height = row["width"], row["height"]
        return [image.crop((column * width, line * height, (column + 1) * width, (line + 1) * height))
                for line in range(row["rows"]) for column in range(row["columns"])]  # fmt: skip


def _one(target: Path, manifest: dict[str, Any], cell: RunRecord, row: Row, tiles: list[Image.Image]) -> Picture:
    kind, seen = row["kind"], f"{row['images']:,} images seen"
    ending = f"-{kind}" if kind in _BESIDE else ""
    labels = _class_names(manifest, row["rows"]) if kind == "classes" else []
    below = f"{seen}{_BESIDE.get(kind, '')}"
    return _save(target, manifest, cell, kind, f"step{row['step']}{ending}", row, tiles, labels, below)


def _strip(
    target: Path, manifest: dict[str, Any], cell: RunRecord, rows: list[tuple[Row, list[Image.Image]]]
) -> Picture:
    rows = sorted(rows, key=lambda pair: pair[0]["step"])
    tiles = [tile for _, line in rows for tile in line]
    labels = [f"{row['images']:,}" for row, _ in rows]
    below = "the same latents over training, by images seen"
    return _save(target, manifest, cell, "strip", "over-training", rows[-1][0], tiles, labels, below)


def _save(target: Path, manifest: dict[str, Any], cell: RunRecord, kind: str, ending: str, row: Row,
          tiles: list[Image.Image], labels: list[str], below: str) -> Picture:  # fmt: skip
    variant, seed = cell.begin["variant"], cell.begin["seed"]
    title = f"{data_title(manifest)} · {variant} · seed {seed}"
    factor = -(-_TILE[kind] // row["width"])
    path = target / f"{manifest['data']['name']}-{variant}-seed{seed}-{ending}.png"
    composed = compose(tiles, row["columns"], factor, title, below, labels)
    with atomic_path(path) as part:
        composed.save(part, optimize=True)
    return Picture(path, variant, seed, kind, row["step"], f"{title} · {below}")


def compose(tiles: list[Image.Image], columns: int, factor: int, title: str, below: str,
            labels: list[str]) -> Image.Image:  # fmt: skip
    """Tiles enlarged by a whole factor (nearest pixel) on white, ``columns`` a row, under a title of two lines.

    ``labels`` stand left of the rows, one each, or there are none.
    """
    bold, small = ImageFont.load_default(size=_TITLE), ImageFont.load_default(size=_SMALL)
    width, height = tiles[0].width * factor, tiles[0].height * factor
    rows = -(-len(tiles) // columns)
    left = MARGIN + (int(max(small.getlength(label) for label in labels)) + 8 if labels else 0)
    top = MARGIN + _TITLE + _SMALL + 14
    inside = max(columns * (width + GAP) - GAP, *(int(font.getlength(line)) + 1 - left + MARGIN
                                                  for font, line in ((bold, title), (small, below))))  # fmt: skip
    color = any(tile.mode not in ("L", "1") for tile in tiles)
    canvas = Image.new("RGB" if color else "L", (left + inside + MARGIN, top + rows * (height + GAP) - GAP + MARGIN),
                       "white")  # fmt: skip
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN - 2), title, fill=INK, font=bold)
    draw.text((MARGIN, MARGIN + _TITLE + 4), below, fill=FAINT, font=small)
    for index, tile in enumerate(tiles):
        line, column = divmod(index, columns)
        place = (left + column * (width + GAP), top + line * (height + GAP))
        canvas.paste(tile.resize((width, height), Image.Resampling.NEAREST), place)
    for line, label in enumerate(labels):
        middle = top + line * (height + GAP) + height // 2
        draw.text((left - 8, middle), label, fill=INK, font=small, anchor="rm")
    return canvas


def _class_names(manifest: dict[str, Any], rows: int) -> list[str]:
    return list(manifest["data"].get("class_names") or map(str, range(rows)))[:rows]
