"""Files of samples: one sheet of many images, single images, arrays; and the latents of an untrusted file."""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_zoo.arrays import open_array
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_path, atomic_write, check_encoding, writing

IMAGE_FORMATS = {".png": "PNG", "": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Pillow's names of the formats of files of samples, by suffix."""
GAP = 2
"""Pixels of a separator between the images of a sheet."""
_POINTS = ".csv"
_ARRAYS = ".npz"
_BACKGROUND = 255
_JPEG_SIDE = 65_500
"""Pixels of the longest side that a JPEG file can have."""
_FEW = 20
"""A sheet of at most so many images has 5 columns, a larger one 10."""


def tile(images: Tensor, columns: int, gap: int = 0) -> Image.Image:
    """Images uint8 (N, C, H, W) as one, row by row, with ``gap`` white pixels around each; missing ones are white."""
    height, width = images.shape[2:]
    rows = -(-len(images) // columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, images.shape[1])
    sheet = np.full(shape, _BACKGROUND, np.uint8)
    for place, image in enumerate(images.cpu().permute(0, 2, 3, 1).numpy()):
        row, column = divmod(place, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return _pillow(sheet)


def _pillow(array: np.ndarray[Any, Any]) -> Image.Image:
    """Pixels (H, W, C) as an image."""
    return Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array)


def sheet(images: Tensor, gap: int = 0) -> Image.Image:
    """Images uint8 (N, C, H, W) as one, 10 a row, or 5 of up to 20 images."""
    return tile(images, min(len(images), 5 if len(images) <= _FEW else 10), gap)


def check_sample_file(path: Path, suffixes: Sequence[str] = (*IMAGE_FORMATS, _POINTS)) -> None:
    """Raise GanZooError if the suffix of a file of samples is not one of these."""
    if path.suffix.lower() not in suffixes or not path.name:
        known = ", ".join(filter(None, suffixes))
        raise GanZooError(f"cannot write samples as {str(path)!r}: name a file that ends with one of {known}")


def save_samples(samples: Tensor, path: Path, *, columns: int | None = None, gap: int = 0) -> Path:
    """Write images uint8 (N, C, H, W) as one ``sheet``, or points (N, D) as a CSV file; returns its path.

    The suffix names the format of the image (``IMAGE_FORMATS``); that of points is replaced by ``.csv``.

    Raises:
        GanZooError: the suffix names no format of images, or the sheet is too large for JPEG.
        StorageError: the path cannot be written.
    """
    if samples.dim() == 2:
        path = path.with_suffix(_POINTS)
        with atomic_path(path) as part:
            np.savetxt(part, samples.cpu().numpy(), delimiter=",", fmt="%.7g")
        return path
    check_sample_file(path, tuple(IMAGE_FORMATS))
    image = tile(samples, columns, gap) if columns else sheet(samples, gap)
    kind = IMAGE_FORMATS[path.suffix.lower()]
    if kind == "JPEG" and max(image.size) > _JPEG_SIDE:
        size = f"{image.width:,}x{image.height:,} pixels"
        raise GanZooError(f"cannot write {size} as {str(path)!r}: a JPEG side has at most {_JPEG_SIDE:,}; use .png")
    # In memory, because Pillow writes a JPEG file past Python, and does not see that the disk is full.
    buffer = io.BytesIO()
    image.save(buffer, format=kind, quality=95)
    atomic_write(path, buffer.getvalue())
    return path


def check_each(path: Path) -> None:
    """Raise GanZooError if single samples cannot be written to a path: it is a folder with files, or a file."""
    check_encoding(path)
    if path.suffix.lower() == _ARRAYS:
        return
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise GanZooError(
            f"--each {str(path)!r} exists and is no empty folder; name another, or a file that ends with .npz"
        )


def save_each(samples: Tensor, path: Path, labels: Tensor | None = None) -> Path:
    """Write each image as a PNG file of a new folder, ``00007.png`` or ``00007-class3.png``; returns the path.

    A path that ends with ``.npz`` becomes one file with the arrays ``samples``, as they are, and ``labels`` if given.

    Raises:
        GanZooError: the folder has files already, or the samples are points and the path is no ``.npz``.
        StorageError: the path cannot be written.
    """
    check_each(path)
    if path.suffix.lower() == _ARRAYS:
        arrays: dict[str, Any] = {"samples": samples.cpu().numpy()}
        if labels is not None:
            arrays["labels"] = labels.cpu().numpy()
        with atomic_path(path) as part:
            np.savez(part, **arrays)
        return path
    if samples.dim() == 2:
        raise GanZooError(f"--each {str(path)!r}: points are no images; name a file that ends with .npz")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A kill leaves no folder with a part of the files.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".", suffix=".part") as part:
            folder = Path(part) / "images"
            folder.mkdir()
            for place, pixels in enumerate(samples.cpu().permute(0, 2, 3, 1).numpy()):
                of_class = "" if labels is None else f"-class{int(labels[place])}"
                _pillow(pixels).save(folder / f"{place:05d}{of_class}.png")
            folder.replace(path)
    return path


def read_latents(path: Path) -> Tensor:
    """The latents of a file ``.npy``, ``.npz`` or ``.safetensors``, float32 (N, size).

    Of several arrays that named ``latents`` is read.

    Raises:
        GanZooError: it cannot be read, or has no such array of finite numbers.
    """
    try:
        found = open_array(path, (2,), "latents")
        kinds = ("f", "int", "uint", "bfloat")
        array = found.read() if found.dtype.lstrip("<>=|").startswith(kinds) else None
    except GanZooError as error:
        raise GanZooError(f"--latents: {error}") from None
    if array is None:
        raise GanZooError(f"--latents: {found.what} is of type {found.dtype}; give it numbers")
    latents = array.float() if isinstance(array, Tensor) else torch.from_numpy(array.astype(np.float32))
    if not torch.isfinite(latents).all():
        raise GanZooError(f"--latents: {found.what} has values that are not finite; give it numbers")
    return latents
