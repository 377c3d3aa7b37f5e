"""Image files of any kind as square uint8 pixels, made once and kept in the cache."""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_zoo.data.splits import match_channels
from gan_zoo.io import cache_root
from gan_zoo.tensors import read_cached, write_cached

_FORMAT = 1
_THREADS, _AHEAD = 4, 256
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def suffixes() -> set[str]:
    """Suffixes of the files that Pillow can open, in lower case with their dot."""
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def read_pictures(root: Path, names: Sequence[str], side: int, channels: int | None) -> tuple[Tensor, Tensor]:
    """Images uint8 (K, C, side, side) of the K readable files, and their places int64 (K,) in `names`.

    They come from the cache folder if they are there: stored under a hash of names, sizes and times of the files. A
    cached file that is damaged is made again from the images and replaced.

    Args:
        root: the folder that the names are relative to.
        names: the files.
        side: of the images: cropped to a square around their center, then resized once by Pillow (bilinear, antialias).
        channels: 1 or 3; None: 3 if any image has color, else 1.
    """
    files = [[os.fsencode(name).hex(), *_stamp(root / name)] for name in names]
    key = hashlib.sha256(
        json.dumps([_FORMAT, PIL.__version__, os.fsencode(root.resolve()).hex(), files, side, channels]).encode()
    ).hexdigest()
    path = cache_root() / "folders" / f"{key}.safetensors"
    cached = read_cached(path, key)
    if cached is not None:
        return cached["images"], cached["places"]
    unreachable: list[str] = []
    images, places = _decode(_pixels(root, names, side, unreachable), len(names), side, channels)
    if not unreachable:  # What could not be opened now may be tomorrow.
        write_cached(path, key, {"images": images, "places": places})
    return images, places


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file's last change; of a link to nothing, neither."""
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _decode(pictures: Iterator[Tensor | None], total: int, side: int, channels: int | None) -> tuple[Tensor, Tensor]:
    images = torch.empty(total, channels or 3, side, side, dtype=torch.uint8)
    places: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on pictures that it can read all the same
        for place, pixels in enumerate(_progress(pictures, total)):
            if pixels is not None:
                images[len(places)] = pixels if channels != 1 else match_channels(pixels.unsqueeze(0), 1)[0]
                places.append(place)
    images = images[: len(places)]
    if channels is None and torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2]):
        images = images[:, :1]
    return images.contiguous(), torch.tensor(places, dtype=torch.int64)


def _pixels(root: Path, names: Sequence[str], side: int, unreachable: list[str]) -> Iterator[Tensor | None]:
    """What `picture` makes of each file, some at a time, in their order; those that cannot be opened are noted."""
    left = iter(names)

    def attempt(name: str) -> Tensor | None:
        try:
            return picture(root / name, side)
        except OSError:
            unreachable.append(name)
            return None

    with ThreadPoolExecutor(_THREADS) as pool:
        while ahead := list(islice(left, _AHEAD)):
            yield from pool.map(attempt, ahead)


def picture(path: Path, side: int) -> Tensor | None:
    """A file's image as RGB uint8 (3, side, side), upright, on white where it is transparent; None if unreadable.

    Grey of 16 bits is scaled to 8; of several frames the first is taken. Raises OSError where it cannot be opened.
    """
    try:
        with Image.open(path) as opened:
            colored = _to_rgb(ImageOps.exif_transpose(opened))
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Pillow's decoders raise whatever they trip over: OSError, SyntaxError, struct.error, ValueError ...
        return None
    shortest = min(colored.size)
    left, top = (colored.width - shortest) // 2, (colored.height - shortest) // 2
    square = colored.crop((left, top, left + shortest, top + shortest))
    return torch.from_numpy(np.array(square.resize((side, side), Image.Resampling.BILINEAR))).permute(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).clip(0, 65_535)
        return Image.fromarray(np.round(values / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels of any float value have no black and no white")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    return image.convert("RGB")


def _progress(pictures: Iterator[Tensor | None], total: int) -> Iterator[Tensor | None]:
    """The same, with a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield from pictures
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(pictures, "reading images", total, console=Console(stderr=True), transient=True)
