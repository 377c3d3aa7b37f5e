"""Files of images decoded in parallel into one tensor, squares of one size, and cached."""

import contextlib
import hashlib
import json
import os
import stat
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_zoo.data.splits import match_channels
from gan_zoo.io import cache_root
from gan_zoo.tensors import read_cached, write_cached

_CACHE_FORMAT = 2
_THREADS = 4
_BATCH = 256
_ROWS = 64
"""Rows of a grey image with 16 or 32 bits that are scaled at once."""
_FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM"),
    *("IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER"),
    *("SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM", "XVTHUMB"),
)
"""Pillow's raster formats. For others it starts programs (EPS: Ghostscript), or it has no decoder."""
_DEEP_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of grey images with 16 or 32 bits."""
SIXTEEN_BITS = 65_535
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Larger images are not decoded: a small file can ask for all memory."""
UNREADABLE = "unreadable files"
PROBLEMS = (
    UNREADABLE,
    f"images of more than {MOST_PIXELS:,} pixels",
    "floating-point images, which have no black and no white",
)
"""Why a file is left out."""


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of the files that Pillow reads, in lower case, e.g. ``.png``."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN)


class _NoWhite(ValueError):
    """The pixels are of any float value."""


class Decoded(NamedTuple):
    """One file.

    Attributes:
        pixels: uint8 (3, side, side), or None with the ``problem``, one of ``PROBLEMS``.
        size: width and height in the file, upright.
        brightest: the largest value of a grey image with 16 or 32 bits, else -1.
        has_frames: whether the file has more frames than the one that was read.
        was_opened: whether the file could be opened.
    """

    pixels: Tensor | None
    problem: str = ""
    size: tuple[int, int] = (0, 0)
    brightest: int = -1
    has_frames: bool = False
    was_opened: bool = True


class ImageFiles(NamedTuple):
    """The K readable ones of N files.

    Attributes:
        images: uint8 (K, C, side, side).
        readable: indices of the files, int64 (K,).
        problems: per file, uint8 (N,): 0, or 1 + the index of its problem in ``PROBLEMS``.
        sizes: width and height in the files, int64 (K, 2).
        frames: indices of the files of which only the first frame was read, int64.
        white: int64 (1,): the value that is white in grey images with 16 or 32 bits, 0 if there are none.
    """

    images: Tensor
    readable: Tensor
    problems: Tensor
    sizes: Tensor
    frames: Tensor
    white: Tensor


def read_images(root: Path, names: Sequence[str], side: int, channels: int | None) -> ImageFiles:
    """Decode files in parallel, with a progress bar on a terminal.

    The result is cached under a hash of the files' names, sizes and times. A damaged cache file is replaced.

    Grey images with 16 or 32 bits are scaled alike: white is the largest number of the fewest bits, at least 8, that
    hold the brightest pixel of all of them. So 12 bits stored in 16 are not black, and contrasts between images stay.

    Args:
        root: the folder that the names are relative to.
        names: the files.
        side: of the images: cropped to a square around their center, then resized once by Pillow (bilinear, antialias).
        channels: 1 or 3; None: 3 if any image has color, else 1.
    """
    files = [[os.fsencode(name).hex(), *size_and_time(root / name)] for name in names]
    content = [_CACHE_FORMAT, PIL.__version__, os.fsencode(root.resolve()).hex(), files, side, channels]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    path = cache_root() / "folders" / f"{key}.safetensors"
    cached = read_cached(path, key)
    if cached is not None:
        return ImageFiles(**cached)
    found, is_complete = _decode(root, names, side, channels)
    if is_complete:
        write_cached(path, key, found._asdict())
    return found


def size_and_time(path: Path) -> tuple[int, int]:
    """Size and time of a file's last change; -1 for a link to nothing."""
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _decode(root: Path, names: Sequence[str], side: int, channels: int | None) -> tuple[ImageFiles, bool]:
    """As ``read_images``, and whether each file could be opened: it may be later."""
    images = torch.empty(len(names), channels or 3, side, side, dtype=torch.uint8)
    problems = torch.zeros(len(names), dtype=torch.uint8)
    readable: list[int] = []
    files: list[Decoded] = []
    is_complete = True
    for index, file in enumerate(_read_all([root / name for name in names], side)):
        is_complete = is_complete and file.was_opened
        if file.pixels is None:
            problems[index] = 1 + PROBLEMS.index(file.problem)
            continue
        images[len(readable)] = match_channels(file.pixels.unsqueeze(0), channels or 3)[0]
        readable.append(index)
        files.append(file._replace(pixels=None))
    white = max(255, 2 ** max(file.brightest for file in files).bit_length() - 1) if files else 0
    deep = [place for place, file in enumerate(files) if file.brightest >= 0]
    if deep and white != SIXTEEN_BITS:
        again = _read_all([root / names[readable[place]] for place in deep], side, white)
        for place, file in zip(deep, again, strict=True):
            if file.pixels is None:
                # Its pixels are scaled by another white.
                is_complete = False
                continue
            images[place] = match_channels(file.pixels.unsqueeze(0), channels or 3)[0]
    images = images[: len(readable)]
    if channels is None and torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2]):
        images = images[:, :1]
    found = ImageFiles(
        images=images.contiguous(),
        readable=torch.tensor(readable, dtype=torch.int64),
        problems=problems,
        sizes=torch.tensor([file.size for file in files], dtype=torch.int64).view(-1, 2),
        frames=torch.tensor([readable[place] for place, file in enumerate(files) if file.has_frames]).long(),
        white=torch.tensor([white if deep else 0]),
    )
    return found, is_complete


def _read_all(paths: Sequence[Path], side: int, white: int = SIXTEEN_BITS) -> Iterator[Decoded]:
    """Files in their order, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    def attempt(path: Path) -> Decoded:
        try:
            return read_image(path, side, white)
        except OSError:
            return Decoded(None, UNREADABLE, was_opened=False)

    console = Console(stderr=True)
    starts = range(0, len(paths), _BATCH)
    with ThreadPoolExecutor(_THREADS) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about images that it reads nevertheless
        for start in track(starts, "reading images", console=console, transient=True, disable=not sys.stderr.isatty()):
            yield from pool.map(attempt, paths[start : start + _BATCH])


def read_image(path: Path, side: int, white: int = SIXTEEN_BITS) -> Decoded:
    """A file's image as RGB, upright, on white where it is transparent.

    Grey of 16 or 32 bits is scaled so that ``white`` is 255. Of several frames the first is taken. A pipe or a device
    is not opened: it may never answer.

    Raises:
        OSError: the file cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return Decoded(None, UNREADABLE)
    Image.init()
    try:
        with Image.open(path, formats=[name for name in Image.ID if name in _FORMATS]) as opened:
            upright = ImageOps.exif_transpose(opened)
            is_deep = upright.mode in _DEEP_GREY
            brightest = max(0, *(int(rows.max()) for rows in _strips(upright))) if is_deep else -1
            side_in_file = min(upright.size)
            left = (upright.width - side_in_file) // 2
            top = (upright.height - side_in_file) // 2
            square = _to_8_bits(upright.crop((left, top, left + side_in_file, top + side_in_file)), white)
            has_frames = _has_frames(opened)
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        return Decoded(None, PROBLEMS[1])
    except _NoWhite:
        return Decoded(None, PROBLEMS[2])
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError and more.
        return Decoded(None, UNREADABLE)
    pixels = np.array(square.resize((side, side), Image.Resampling.BILINEAR).convert("RGB"))
    return Decoded(torch.from_numpy(pixels).permute(2, 0, 1), "", upright.size, brightest, has_frames)


def _has_frames(opened: Image.Image) -> bool:
    """Whether a file has several frames; its first one is read, whatever the others are."""
    with contextlib.suppress(Exception):
        return bool(getattr(opened, "is_animated", False))
    return False


def _strips(image: Image.Image) -> Iterator[np.ndarray[Any, Any]]:
    """The rows of an image, some at a time: whole, numbers of 64 bits would take all memory."""
    for top in range(0, image.height, _ROWS):
        yield np.asarray(image.crop((0, top, image.width, min(top + _ROWS, image.height))))


def _to_8_bits(image: Image.Image, white: int) -> Image.Image:
    """An image as RGB, or as grey if it is grey with 16 or 32 bits. Raises _NoWhite if its pixels are floats."""
    if image.mode in _DEEP_GREY:
        scaled = [
            np.round(rows.astype(np.float64).clip(0, white) / (white / 255)).astype(np.uint8) for rows in _strips(image)
        ]
        return Image.fromarray(np.concatenate(scaled))
    if image.mode == "F":
        raise _NoWhite
    if image.has_transparency_data:
        transparent = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", transparent.size, "white"), transparent).convert("RGB")
    return image.convert("RGB")
