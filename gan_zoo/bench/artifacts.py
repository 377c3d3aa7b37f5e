"""The files that rows of records name: tiles of sample images, and arrays of generated points."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.io import inside
from gan_zoo.mixture import Mixture

_LARGEST_ARRAY = 64 * 2**20  # bytes; 1000 x 1000 bins of 64 bits are 8 MB


def read_sheet(folder: Path, row: Row) -> Image.Image | None:
    """The image of a samples row, grey or RGB; None if its file is no PNG of the recorded size.

    Raises:
        GanZooError: the file lies outside the folder.
    """
    path = inside(folder, row["file"])
    try:
        # A pipe would be waited for without end.
        if not path.is_file():
            return None
        with Image.open(path, formats=["PNG"]) as image:
            if image.size != (row["columns"] * row["width"], row["rows"] * row["height"]):
                return None
            return image.convert("L" if image.mode in ("1", "L") else "RGB")
    except Exception:  # Decoders of damaged bytes raise errors of any kind.
        return None


def cut_tiles(sheet: Image.Image, row: Row) -> list[Image.Image]:
    """The tiles of the image of a samples row, line by line."""
    width, height = row["width"], row["height"]
    corners = [(left, top) for top in range(0, sheet.height, height) for left in range(0, sheet.width, width)]
    return [sheet.crop((left, top, left + width, top + height)) for left, top in corners]


def read_points(folder: Path, row: Row, mixture: Mixture) -> dict[str, np.ndarray[Any, Any]] | None:
    """The arrays of a points row: points (N, D), counts (bins^D + 1,) and learned (bins^D,), of which some may lack.

    None if the file cannot be read or its arrays are not those of the mixture.

    Raises:
        GanZooError: the file lies outside the folder.
    """
    path = inside(folder, row["file"])
    num_bins = mixture.bins**mixture.dimensions
    shapes = {"counts": (num_bins + 1,), "learned": (num_bins,)}
    try:
        if not path.is_file():
            return None
        with zipfile.ZipFile(path) as archive:
            if any(member.file_size > _LARGEST_ARRAY for member in archive.infolist()):
                return None
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("points", *shapes) if name in arrays.files}
    except Exception:  # As above.
        return None
    points = found.get("points")
    if points is None or points.ndim != 2 or points.shape[1] != mixture.dimensions:
        return None
    if any(array.dtype.kind not in "iuf" for array in found.values()):
        return None
    if any(found[name].shape != shape for name, shape in shapes.items() if name in found):
        return None
    return None if "counts" in found and found["counts"].sum() <= 0 else found


def unreadable(folder: Path, manifest: Mapping[str, Any], records: Iterable[RunRecord]) -> list[str]:
    """The recorded files that cannot be read.

    Raises:
        GanZooError: a file lies outside the folder.
    """
    rows = [row for record in records for row in record.samples + record.points]
    files = {row["file"]: row for row in rows}
    density = manifest["data"].get("density")
    mixture = Mixture.of(density) if density else None
    lost = []
    for file, row in files.items():
        if row["row"] == "samples":
            is_read = read_sheet(folder, row) is not None
        else:
            is_read = mixture is not None and read_points(folder, row, mixture) is not None
        if not is_read:
            lost.append(file)
    return lost
