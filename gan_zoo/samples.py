"""Files of samples: one sheet of many images, single images, arrays; and the latents of an untrusted file."""

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_path, atomic_write, check_encoding, writing

IMAGE_FORMATS = {".png": "PNG", "": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Pillow's names of the formats of files of samples, by suffix."""
GAP = 2
"""Pixels of a separator between the images of a sheet."""
_POINTS = ".csv"
_ARRAYS = ".npz"
_BACKGROUND = 255
_FEW = 20
"""A sheet of at most so many images has 5 columns, a larger one 10."""
_LATENTS = "latents"
_LARGEST_ARRAY = 2**30
"""Bytes of an array of latents; a small archive may unpack to more than the memory holds."""


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
        GanZooError: the suffix names no format of images.
        StorageError: the path cannot be written.
    """
    if samples.dim() == 2:
        path = path.with_suffix(_POINTS)
        with atomic_path(path) as part:
            np.savetxt(part, samples.cpu().numpy(), delimiter=",", fmt="%.7g")
        return path
    check_sample_file(path, tuple(IMAGE_FORMATS))
    image = tile(samples, columns, gap) if columns else sheet(samples, gap)
    # In memory, because Pillow writes a JPEG file past Python, and does not see that the disk is full.
    buffer = io.BytesIO()
    image.save(buffer, format=IMAGE_FORMATS[path.suffix.lower()], quality=95)
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
    """The latents of a ``.npy``, ``.npz`` or ``.safetensors`` file, float32 (N, size).

    Of several arrays that named ``latents`` is read. Nothing of the file is run: pickled objects are refused.

    Raises:
        GanZooError: it cannot be read, or holds no such array of finite numbers.
    """
    readers = {".npy": _read_npy, _ARRAYS: _read_npz, ".safetensors": _read_safetensors}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise GanZooError(f"--latents {str(path)!r}: name a file that ends with one of {', '.join(readers)}")
    try:
        array = reader(path)
    except GanZooError:
        raise
    except OSError as error:
        raise GanZooError(f"--latents {str(path)!r} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # Parsers of untrusted bytes raise what they like.
        raise GanZooError(f"--latents {str(path)!r} cannot be read: {one_line(error)}; write it again") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        found = f"{array.dtype} {array.shape}"
        raise GanZooError(f"--latents {str(path)!r} holds {found}; it must be finite numbers of shape (number, size)")
    return torch.from_numpy(array.astype(np.float32))


def _only(names: Sequence[str], path: Path) -> str:
    """The name of the array that is read."""
    if len(names) != 1 and _LATENTS not in names:
        known = ", ".join(names) or "none"
        raise GanZooError(f"--latents {str(path)!r} has the arrays {known}; name the one to read {_LATENTS!r}")
    return _LATENTS if _LATENTS in names else names[0]


def _read_npy(path: Path) -> np.ndarray[Any, Any]:
    # Mapped, its size is checked against that of the file before memory is allocated.
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_npz(path: Path) -> np.ndarray[Any, Any]:
    with zipfile.ZipFile(path) as archive:
        if any(member.file_size > _LARGEST_ARRAY for member in archive.infolist()):
            raise GanZooError(f"--latents {str(path)!r} unpacks to more than {_LARGEST_ARRAY:,} bytes; split it")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[_only(arrays.files, path)]


def _read_safetensors(path: Path) -> np.ndarray[Any, Any]:
    with path.open("rb"):  # safetensors reports an unreadable file as it reports a damaged one.
        pass
    with safe_open(path, "pt") as file:
        tensor: Tensor = file.get_tensor(_only(list(file.keys()), path))
    return tensor.double().numpy()
