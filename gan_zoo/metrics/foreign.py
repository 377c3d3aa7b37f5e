"""Images that were made elsewhere: a folder of image files, an array file, or an array; nothing in them is run."""

import hashlib
import json
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_zoo.arrays import SUFFIXES, open_array
from gan_zoo.data.image_files import image_suffixes, read_images, size_and_time
from gan_zoo.device import seeded
from gan_zoo.errors import GanZooError
from gan_zoo.io import with_home
from gan_zoo.metrics.classifier import SIDE

_SIZED = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's formats whose headers are read for the size of an image."""
_LARGEST_SIDE = 4096
_READ_SIDE = 128
"""Larger images are resized to it as they are read: at 1024 pixels, 2,000 take 6 GB."""
_CHUNK = 64
"""Images of an array that are converted at once."""
_TOLERANCE = 0.01
"""Floats that rounding or a filter moved out of their range by no more are clamped."""
_MOST = 10_000_000
"""Images of an array."""
_LAYOUTS = "(N, H, W), (N, C, H, W) or (N, H, W, C), with 1 or 3 channels"
_SEED = 0


class ForeignImages(ABC):
    """A set of N images.

    Attributes:
        what: the set in messages, e.g. ``folder 'images'``.
    """

    what: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 (hex) over what identifies the set: names, sizes and times of its files."""

    @abstractmethod
    def read(self, index: Sequence[int]) -> Tensor:
        """The images at these indices, uint8 (n, C, H, W), C 1 or 3.

        Raises:
            GanZooError: they cannot be read.
        """

    def draw(self, n: int) -> Tensor:
        """``n`` different random images in their order, always the same; all of them if there are no more.

        Raises:
            GanZooError: there are fewer, or they cannot be read.
        """
        if n > len(self):
            raise GanZooError(f"{self.what} has {len(self):,} images, and {n:,} are measured; add images")
        chosen = torch.randperm(len(self), generator=seeded(_SEED, "foreign images"))[:n]
        return self.read(chosen.sort().values.tolist())


@dataclass(frozen=True)
class _Folder(ForeignImages):
    root: Path
    files: tuple[str, ...]

    @property
    def what(self) -> str:  # type: ignore[override]
        return f"folder {str(self.root)!r}"

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        return _digest([[os.fsencode(name).hex(), *size_and_time(self.root / name)] for name in self.files])

    def read(self, index: Sequence[int]) -> Tensor:
        """Images of one size keep it, to 128 pixels; others are resized to 32x32. Those not square are cropped."""
        names = [self.files[place] for place in index]
        sides = {_shorter_side(self.root / name) for name in names}
        common = sides.pop() if len(sides) == 1 else None
        found = read_images(self.root, names, min(common or SIDE, _READ_SIDE), None)
        if len(found.readable) < len(names):
            broken = [name for name, problem in zip(names, found.problems.tolist(), strict=True) if problem]
            raise GanZooError(
                f"{self.what}: {len(broken)} of {len(names)} image files cannot be read, the first is "
                f"{broken[0]!r}; remove them"
            )
        return found.images


@dataclass(frozen=True)
class _Array(ForeignImages):
    """An array in a file, of which only the header has been read, or in memory."""

    what: str
    shape: tuple[int, ...]
    values: Callable[[list[int]], Any]
    file: Path | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def fingerprint(self) -> str:
        assert self.file is not None
        return _digest([self.file.name, *size_and_time(self.file)])

    def read(self, index: Sequence[int]) -> Tensor:
        """Cropped to squares of at most 128 pixels. Floats are those of [0, 1], or of [-1, 1] if any is below -0.01.

        Those that are out of their range by at most 0.01 are clamped.
        """
        chosen = self.values(list(index))
        chunks = [chosen[start : start + _CHUNK] for start in range(0, len(chosen), _CHUNK)]
        is_signed = _is_signed(chunks, self.what)
        return torch.cat([_as_images(_tensor(chunk), is_signed, self.what) for chunk in chunks])


def find_images(source: Path | str | Tensor | np.ndarray[Any, Any]) -> ForeignImages:
    """The images of a folder (and its sub-folders), an array file (``gan_zoo.arrays.SUFFIXES``), a tensor or an array.

    Of a file only the header is read. Arrays are of uint8 or floats, of the shapes (N, H, W), (N, C, H, W) or
    (N, H, W, C), C being 1 or 3; if both fit, channels are the second dimension.

    Raises:
        GanZooError: no such path, no images in it, or an array of another type or shape.
    """
    if isinstance(source, (Tensor, np.ndarray)):
        return _array("the array", tuple(source.shape), str(source.dtype), lambda index: source[index])
    path = with_home(source, "images")
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise GanZooError(
            f"images {str(path)!r} do not exist; name a folder of images, or a file {', '.join(SUFFIXES)}"
        )
    if path.suffix.lower() not in SUFFIXES:
        raise GanZooError(f"images {str(path)!r}: name a folder of images, or a file {', '.join(SUFFIXES)}")
    found = open_array(path, (3, 4), "images")
    return _array(found.what, found.shape, found.dtype, found.read, path)


def _folder(root: Path) -> ForeignImages:
    found: list[str] = []
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = (name for name in files if not name.startswith(".") and Path(name).suffix.lower() in image_suffixes())
        paths = [Path(parent) / name for name in visible]
        found += [str(path.relative_to(root)) for path in paths if not _is_special(path)]
    if not found:
        raise GanZooError(f"folder {str(root)!r} holds no images; put PNG or JPEG files into it")
    return _Folder(root, tuple(sorted(found)))


def _array(
    what: str, shape: tuple[int, ...], kind: str, values: Callable[[list[int]], Any], file: Path | None = None
) -> ForeignImages:
    """An array, its shape and type checked before memory is allocated."""
    kind = kind.removeprefix("torch.")
    if kind != "uint8" and not kind.lstrip("<>=|").startswith(("float", "bfloat", "f")):
        raise GanZooError(f"{what} is of type {kind}; images are of uint8, or of floats in [0, 1] or [-1, 1]")
    _channels_at(shape, what)
    if min(shape) < 1 or max(shape[1:]) > _LARGEST_SIDE or shape[0] > _MOST:
        raise GanZooError(
            f"{what} has the shape {shape}; sides are from 1 to {_LARGEST_SIDE:,} pixels, of at most {_MOST:,} images"
        )
    return _Array(what, shape, values, file)


def _channels_at(shape: Sequence[int], what: str) -> int | None:
    """The dimension of the channels; None of images without one."""
    if len(shape) == 3 and shape[2] not in (1, 3):
        return None
    if len(shape) == 4:
        for dimension in (1, 3):
            if shape[dimension] in (1, 3):
                return dimension
    raise GanZooError(f"{what} has the shape {tuple(shape)}; images have the shape {_LAYOUTS}")


def _tensor(values: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """Uint8 as it is, floats as float32."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return values if values.dtype == torch.uint8 else values.float()
    return torch.from_numpy(np.array(values, np.uint8 if values.dtype == np.uint8 else np.float32, order="C"))


def _is_signed(chunks: Sequence[Tensor | np.ndarray[Any, Any]], what: str) -> bool:
    """Whether floats are those of [-1, 1]. Raises GanZooError if they are of neither range."""
    # Of tensors, since the minimum of Python passes over a NaN.
    ends = torch.stack([torch.stack(_tensor(chunk).aminmax()) for chunk in chunks])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if ends.dtype != torch.uint8 and not -1 - _TOLERANCE <= low <= high <= 1 + _TOLERANCE:
        raise GanZooError(
            f"{what} has values from {low:g} to {high:g}; floats must be in [0, 1], or in [-1, 1] if any is below "
            f"{-_TOLERANCE}"
        )
    return low < -_TOLERANCE


def _as_images(images: Tensor, is_signed: bool, what: str) -> Tensor:
    """Images of any of the layouts, uint8 or float32, as uint8 (N, C, H, W), squares of at most 128 pixels."""
    dimension = _channels_at(images.shape, what)
    if dimension != 1:
        images = images.unsqueeze(1) if dimension is None else images.permute(0, 3, 1, 2)
    if images.dtype != torch.uint8:
        images = ((images + 1) / 2 if is_signed else images).mul(255).round().clamp(0, 255).to(torch.uint8)
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = images[:, :, top : top + side, left : left + side].contiguous()
    return images if side <= _READ_SIDE else torch.stack([_shrunk(image) for image in images])


def _shrunk(image: Tensor) -> Tensor:
    """An image uint8 (C, H, W) at 128x128, to the pixels that ``read_images`` has of its file."""
    pillow = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
    pixels = np.array(pillow.resize((_READ_SIDE, _READ_SIDE), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels).view(_READ_SIDE, _READ_SIDE, -1).permute(2, 0, 1)


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a device or a socket, which may never answer."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _shorter_side(path: Path) -> int | None:
    if _is_special(path):
        return None
    try:
        with Image.open(path, formats=_SIZED) as opened:
            return min(opened.size)
    except Exception:
        # Whatever is wrong with it, or if it is of another format, it is for the decoder to say.
        return None


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
