"""Sample sheets of all runs, embedded once each, and the contact sheet of a results folder."""

import base64
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from PIL import Image, ImageDraw, ImageFont

from gan_zoo import text
from gan_zoo.bench.artifacts import cut_tiles, read_points, read_sheet
from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.bench.results import Results
from gan_zoo.io import atomic_path
from gan_zoo.mixture import Mixture
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import Look
from gan_zoo.report.point_tiles import GREY, MOST, SIDE, draw_points

_LONGEST_WEBP = 16_383  # pixels of a side
_SAMPLES = 12  # of a variant on the contact sheet
_STRIP = 6  # of a variant on a strip
_POINTS_SIDE = 72  # pixels of a strip of points
_LEAST = 48  # least side of a tile there; tiles grow by a whole factor
_FONT, _LINE = 15, 20  # pixels
_GAP, _MARGIN = 3, 12
_INK, _FAINT = "#222222", "#6b6b6b"
_LONGEST_TITLE = 40  # characters
_KINDS = {
    "grid": "samples",
    "classes": "samples, one class per row",
    "neighbors": "in each row a sample, then the nearest training images",
    "histogram": "images per class",
}
_POINT_TILE = {"kind": "grid", "columns": 1, "rows": 1, "width": SIDE, "height": SIDE}
_HISTOGRAM = {"kind": "histogram", "columns": 0, "rows": 0, "width": 0, "height": 0}


@dataclass(frozen=True)
class Frame:
    """What one evaluation of a run shows in one place of the page: a sheet of tiles, or a histogram.

    Attributes:
        images: images (or points) seen.
        place: index of the evaluation among all of the page, by its fraction of the budget; real images and those that
            were made elsewhere are at the last one.
        kind: ``grid``, ``classes``, ``neighbors`` or ``histogram``.
        name: CSS class of the sheet; empty for a histogram.
        columns, rows: of tiles; 0 for a histogram.
        width, height: pixels of a tile; 0 for a histogram.
        label: accessible text, with the counts of a histogram.
        counts: images that the classifier assigns to each class; of a histogram.
    """

    variant: str
    seed: int
    step: int
    images: int
    place: int
    kind: str
    name: str
    columns: int
    rows: int
    width: int
    height: int
    label: str
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sheets:
    """The frames of a page in the order of the runs, and a CSS rule for each sheet, which equal sheets share."""

    frames: list[Frame]
    css: str


def sheets(folder: Path, results: Results) -> Sheets:
    """All recorded samples of a results folder, those of failed runs included; what cannot be read is left out.

    Raises:
        GanZooError: a recorded file lies outside the folder.
    """
    source = _Source(folder, results)
    recorded = [(run, row, source.image(run, row)) for run in results.records for row in source.rows(run)]
    shown = [each for each in recorded if each[2] is not None or each[1]["kind"] == "histogram"]
    fractions = sorted({row["fraction"] for run, row, _ in shown if run.begin["variant"] not in results.untrained})
    frames: list[Frame] = []
    names: dict[str, str] = {}  # by the declarations of the rule
    for run, row, image in shown:
        variant = run.begin["variant"]
        is_untrained = variant in results.untrained
        frames.append(
            Frame(
                variant=variant,
                seed=run.begin["seed"],
                step=row["step"],
                images=row["images"],
                place=max(0, len(fractions) - 1) if is_untrained else fractions.index(row["fraction"]),
                name=names.setdefault(_declarations(image, row), f"s{len(names)}") if image else "",
                label=source.label(run, row),
                counts=tuple(row.get("class_counts") or ()),
                **{key: row[key] for key in _HISTOGRAM},
            )
        )
    return Sheets(frames, "\n".join(f".{name}{{{declarations}}}" for declarations, name in names.items()))


def contact_sheet(folder: Path, results: Results, path: Path) -> bool:
    """Draw a dozen samples of each variant on one PNG file, real ones first; whether there were any to draw.

    They are from the end of the first successful seed, else of the first with samples.

    Raises:
        GanZooError: a recorded file lies outside the folder.
        StorageError: the path cannot be written.
    """
    source = _Source(folder, results)
    variants = sorted((entry.variant for entry in results.entries), key=lambda variant: variant != FLOOR)
    strips = [strip for strip in map(source.strip, variants) if strip is not None]
    if not strips:
        return False
    drawn = _draw_strips(strips, columns=4 if source.mixture else 1)
    with atomic_path(path) as part:
        drawn.save(part, optimize=True)
    return True


def write_strip(folder: Path, results: Results, variant: str, path: Path) -> bool:
    """Draw a few samples of a variant side by side on a small PNG file; whether there were any to draw.

    They are from the end of its first successful seed, else of the first with samples.

    Raises:
        GanZooError: a recorded file lies outside the folder.
        StorageError: the path cannot be written.
    """
    source = _Source(folder, results)
    found = source.strip(variant)
    if found is None:
        return False
    tiles = found.tiles[:_STRIP]
    if source.mixture:
        tiles = [tile.resize((_POINTS_SIDE, _POINTS_SIDE), Image.Resampling.LANCZOS) for tile in tiles]
    width, height = tiles[0].size
    canvas = Image.new(tiles[0].mode, (len(tiles) * (width + 1) - 1, height), 255 if tiles[0].mode == "L" else "white")
    if source.mixture:
        canvas = Image.new("RGBA", canvas.size, "#00000000")
    for place, tile in enumerate(tiles):
        canvas.paste(tile, (place * (width + 1), 0))
    with atomic_path(path) as part:
        canvas.save(part, optimize=True)
    return True


@dataclass(frozen=True)
class _Strip:
    """Samples of one run, and the two lines of text beside them."""

    title: str
    note: str
    tiles: list[Image.Image]


@dataclass(frozen=True)
class _Source:
    """The recorded samples of a results folder."""

    folder: Path
    results: Results

    @cached_property
    def mixture(self) -> Mixture | None:
        """The true density of points."""
        density = self.results.manifest["data"].get("density")
        return Mixture.of(density) if density and self.results.samples == "points" else None

    @cached_property
    def _colors(self) -> dict[str, Any]:
        return Look.of(self.results).colors

    def rows(self, run: RunRecord) -> list[Row]:
        """What was recorded of a run, each with the keys of a samples row; of two at one evaluation the later."""
        found = [*run.samples, *(row | _POINT_TILE for row in run.points)]
        if self.mixture and run.begin["variant"] == FLOOR:
            found.append({"row": "density", "step": 0, "images": 0, "fraction": 1.0} | _POINT_TILE)
        mine = [row for row in run.metrics if row["extractor"] == self.results.extractor and row.get("class_counts")]
        found += [row | _HISTOGRAM for row in mine]
        return list({(row["kind"], row["fraction"]): row for row in found}.values())

    def image(self, run: RunRecord, row: Row) -> Image.Image | None:
        """The sheet of a row; None for a histogram, or if it cannot be read."""
        if row["row"] == "samples":
            return read_sheet(self.folder, row)
        if self.mixture is None:
            return None
        if row["row"] == "density":
            points, _ = self.mixture.sample(MOST, np.random.default_rng(0))
            return draw_points(self.mixture, points, GREY)
        found = read_points(self.folder, row, self.mixture) if row["row"] == "points" else None
        if found is None:
            return None
        return draw_points(self.mixture, found["points"], to_hex(self._colors.get(run.begin["variant"], GREY)))

    def label(self, run: RunRecord, row: Row) -> str:
        """Accessible text: ``cgan, seed 0, 12,800 images seen: samples``."""
        variant, samples = run.begin["variant"], self.results.samples
        who = f"{variant}, seed {run.begin['seed']}, {row['images']:,} {samples} seen"
        if variant in self.results.untrained:
            who = f"real {samples}" if variant == FLOOR else variant
        label = f"{who}: {_KINDS[row['kind']]}"
        counts = row.get("class_counts")
        if not counts:
            return label
        names = self.results.manifest["data"].get("class_names") or []
        if len(names) != len(counts):
            names = range(len(counts))
        return f"{label}, {', '.join(f'{name}: {count:,}' for name, count in zip(names, counts, strict=True))}"

    def strip(self, variant: str) -> _Strip | None:
        """Samples from the end of the first successful seed, else of the first run that has some."""
        runs = [run for run in self.results.records if run.begin["variant"] == variant]
        for run in sorted(runs, key=lambda run: (run.status != "ok", run.begin["seed"])):
            grids = [row for row in self.rows(run) if row["kind"] == "grid"]
            for row in sorted(grids, key=lambda row: row["step"], reverse=True):
                note = "" if run.status == "ok" else f"seed {run.begin['seed']}: {text.status(run.status)}"
                image = self.image(run, row)
                if image is not None:
                    title = f"real {self.results.samples}" if variant == FLOOR else variant
                    return _Strip(title, note, cut_tiles(image, row)[:_SAMPLES])
        return None


def _declarations(image: Image.Image, row: Row) -> str:
    """The CSS that shows a sheet, without loss; tiles of pixels stay crisp when they are enlarged."""
    buffer = io.BytesIO()
    if max(image.size) <= _LONGEST_WEBP:
        kind = "webp"
        image.save(buffer, "WEBP", lossless=True, exact=True)
    else:
        kind = "png"
        image.save(buffer, "PNG", optimize=True)
    content = base64.b64encode(buffer.getvalue()).decode()
    rendering = "image-rendering:pixelated" if row["row"] == "samples" else "image-rendering:auto"
    return f"background-image:url(data:image/{kind};base64,{content});{rendering}"


def _draw_strips(strips: list[_Strip], columns: int) -> Image.Image:
    """The strips on white, each right of its text, or below it if there are several columns."""
    font = ImageFont.load_default(size=_FONT)
    words = [(text.visible(strip.title)[:_LONGEST_TITLE], strip.note) for strip in strips]
    longest = int(max(font.getlength(line) for lines in words for line in lines)) + 1
    left, top = (longest + _MARGIN, 0) if columns == 1 else (0, 2 * _LINE)
    factor = -(-_LEAST // max(max(strip.tiles[0].size) for strip in strips))
    tiles = [
        [tile.resize((factor * tile.width, factor * tile.height), Image.Resampling.NEAREST) for tile in strip.tiles]
        for strip in strips
    ]
    width = max(longest, left + max(sum(tile.width + _GAP for tile in row) for row in tiles) - _GAP)
    height = max(2 * _LINE, top + max(row[0].height for row in tiles)) + (_GAP if columns == 1 else _MARGIN)
    size = (columns * (width + _MARGIN) + _MARGIN, -(-len(strips) // columns) * height + 2 * _MARGIN)
    canvas = Image.new("L" if all(tile.mode == "L" for row in tiles for tile in row) else "RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for index, ((title, note), row) in enumerate(zip(words, tiles, strict=True)):
        line, column = divmod(index, columns)
        x, y = _MARGIN + column * (width + _MARGIN), _MARGIN + line * height
        draw.text((x, y), title, fill=_INK, font=font)
        draw.text((x, y + _LINE), note, fill=_FAINT, font=font)
        for place, tile in enumerate(row):
            at = (x + left + place * (tile.width + _GAP), y + top)
            canvas.paste(tile, at, tile if tile.mode == "RGBA" else None)
    return canvas
