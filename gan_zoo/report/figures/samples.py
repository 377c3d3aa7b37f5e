"""Captioned sample images, made from the raw tiles in the records."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from gan_zoo.bench.packed import PACKED
from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.io import atomic_path, writing
from gan_zoo.report.figures.style import FAINT, INK, data_title

GAP = 3  # pixels between tiles
MARGIN = 10
_TILE = {"grid": 80, "classes": 48, "neighbors": 64, "strip": 64}  # least width of a tile; tiles grow by whole factors
_DETAILS = {"classes": ", one class per row", "neighbors": ": a sample, then the nearest training images"}
_TITLE, _SMALL = 15, 13


@dataclass(frozen=True)
class SampleImage:
    """A captioned image of one run; ``kind`` is ``grid``, ``classes``, ``neighbors`` or ``strip``."""

    path: Path
    variant: str
    seed: int
    kind: str
    step: int
    caption: str


def write_samples(
    folder: Path, manifest: dict[str, Any], records: Iterable[RunRecord]
) -> tuple[list[SampleImage], list[str]]:
    """Write all sample images into ``folder/samples``; returns them and the recorded files that cannot be read.

    A run has its grid at each milestone, its class grid, its samples with the nearest training images, and a strip:
    the first row of the grid, which has the same latents at every milestone. Older images of that form are removed.

    Raises:
        StorageError: the folder cannot be written to.
    """
    writer = _Writer(folder / "samples", manifest)
    unreadable = []
    for record in records:
        first_rows: list[tuple[Row, list[Image.Image]]] = []
        for row in {row["file"]: row for row in record.samples}.values():
            tiles = _tiles(folder / row["file"], row)
            if not writer.sheet(record, row, tiles):
                unreadable.append(row["file"])
            elif row["kind"] == "grid":
                first_rows.append((row, tiles[: row["columns"]]))
        if first_rows:
            writer.strip(record, sorted(first_rows, key=lambda pair: pair[0]["step"]))
    for stale in set(writer.folder.glob("*-seed*-*.png")) - {image.path for image in writer.images}:
        with writing(stale):
            stale.unlink()
    return writer.images, unreadable


def _tiles(path: Path, row: Row) -> list[Image.Image]:
    """The images of a recorded file; none if it cannot be read."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError):
        return []
    width, height = row["width"], row["height"]
    return [
        image.crop((column * width, line * height, (column + 1) * width, (line + 1) * height))
        for line in range(row["rows"])
        for column in range(row["columns"])
    ]


class _Writer:
    """Writes the images of runs into a folder, and lists them.

    Packed records have no recorded files: their images are those that lie in the folder.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.is_packed = (folder.parent / PACKED).is_file()
        self.manifest = manifest
        self.images: list[SampleImage] = []

    def sheet(self, record: RunRecord, row: Row, tiles: list[Image.Image]) -> bool:
        """Add the image of a recorded file; False if there is none."""
        kind = row["kind"]
        ending = f"step{row['step']}-{kind}" if kind in _DETAILS else f"step{row['step']}"
        names = self.manifest["data"].get("class_names") or map(str, range(row["rows"]))
        labels = list(names)[: row["rows"]] if kind == "classes" else []
        below = f"{row['images']:,} images seen{_DETAILS.get(kind, '')}"
        return self._save(record, kind, ending, row, tiles, labels, below)

    def strip(self, record: RunRecord, rows: list[tuple[Row, list[Image.Image]]]) -> None:
        tiles = [tile for _, line in rows for tile in line]
        labels = [f"{row['images']:,}" for row, _ in rows]
        self._save(
            record, "strip", "over-training", rows[-1][0], tiles, labels, "same latents over training, by images seen"
        )

    def _save(
        self,
        record: RunRecord,
        kind: str,
        ending: str,
        row: Row,
        tiles: list[Image.Image],
        labels: list[str],
        below: str,
    ) -> bool:
        variant, seed = record.begin["variant"], record.begin["seed"]
        title = f"{data_title(self.manifest)} · {variant} · seed {seed}"
        factor = -(-_TILE[kind] // row["width"])
        path = self.folder / f"{self.manifest['data']['name']}-{variant}-seed{seed}-{ending}.png"
        if tiles:
            composed = compose(tiles, row["columns"], factor, title, below, labels)
            with atomic_path(path) as part:
                composed.save(part, optimize=True)
        elif not (self.is_packed and path.is_file()):
            return False
        self.images.append(SampleImage(path, variant, seed, kind, row["step"], f"{title} · {below}"))
        return True


def compose(
    tiles: list[Image.Image], columns: int, factor: int, title: str, below: str, labels: list[str]
) -> Image.Image:
    """Tiles enlarged by a whole factor (nearest pixel) on white, ``columns`` per row, below a title of two lines.

    ``labels`` has one label per row, written to its left, or is empty.
    """
    bold, small = ImageFont.load_default(size=_TITLE), ImageFont.load_default(size=_SMALL)
    width, height = tiles[0].width * factor, tiles[0].height * factor
    rows = -(-len(tiles) // columns)
    left = MARGIN + (int(max(small.getlength(label) for label in labels)) + 8 if labels else 0)
    top = MARGIN + _TITLE + _SMALL + 14
    words = max(bold.getlength(title), small.getlength(below))
    inside = max(columns * (width + GAP) - GAP, int(words) + 1 - left + MARGIN)
    mode = "RGB" if any(tile.mode not in ("L", "1") for tile in tiles) else "L"
    canvas = Image.new(mode, (left + inside + MARGIN, top + rows * (height + GAP) - GAP + MARGIN), "white")
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
