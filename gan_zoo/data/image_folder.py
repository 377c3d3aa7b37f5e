"""`folder:PATH`: the user's own images, one sub-folder per class, or no classes; decoded once and cached."""

import hashlib
import json
import os
import re
import stat
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_zoo.data.registry import Request, dataset, image_dataset
from gan_zoo.data.splits import Dataset, Split, match_channels
from gan_zoo.errors import GanZooError
from gan_zoo.io import cache_root, with_home
from gan_zoo.tensors import read_cached, write_cached

TEST_SHARE = 0.1
_SPLIT_SEED = 0
_MAX_LISTED = 5
_CACHE_FORMAT = 1
_THREADS = 4
_BATCH = 256
_LONGEST_NAME = 60
"""Names of files are made from that of the data set and others, and have at most 255 bytes."""
_FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM"),
    *("IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER"),
    *("SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM", "XVTHUMB"),
)
"""Pillow's raster formats. For others it starts programs (EPS: Ghostscript), or it has no decoder."""
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@dataset("folder:", files=False)
def folder(path: str, request: Request) -> Dataset:
    """Images of any size and raster format that Pillow reads, RGB or grey, cropped to squares and resized once.

    A tenth of each class, drawn with a fixed seed, is the test split. Transparent images are put on white. Hidden files
    and files without the suffix of an image are ignored; the note lists what is left out for another reason.

    Raises:
        GanZooError: no such folder, a file, or no readable image in it.
    """
    root = with_home(path, "data set folder:")
    if not path:
        raise GanZooError("data set 'folder:' names no folder: write folder:PATH, e.g. folder:~/cats")
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise GanZooError(f"data set 'folder:{path}': {str(root)!r} {problem}; name a folder of images")
    classes, outside = _find_images(root)
    files = [file for members in classes.values() for file in members]
    images, readable = read_images(root, files, request.side, request.channels)
    if not len(readable):
        problem = f"none of its {len(files)} image files can be read" if files else "it holds no images"
        raise GanZooError(f"folder {str(root)!r} cannot be a data set: {problem}; put PNG or JPEG files into it")
    numbers = torch.tensor([number for number, members in enumerate(classes.values()) for _ in members])
    present, labels = numbers[readable].unique(return_inverse=True)
    found = [name for number, name in enumerate(classes) if number in present]
    class_names = [_printable(name) for name in found if name]
    train, test = _split(labels)
    name = root.resolve().name
    return image_dataset(
        request,
        name=f"folder-{_ascii_name(name)}",
        title=_printable(name) or "folder",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        class_names=class_names,
        extractor="trained" if len(class_names) > 1 else "",
        note=_note(files, readable, [name for name in classes if name not in found], outside),
    )


def _find_images(root: Path) -> tuple[dict[str, list[str]], int]:
    """The image files of each sub-folder, a class, and the number of those beside the sub-folders, in no class.

    If no sub-folder has images, all files are of the class "". The order follows from the names alone.
    """
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}

    def images(parent: Path, names: Iterable[str]) -> list[str]:
        visible = sorted(name for name in names if not name.startswith("."))
        return [str((parent / name).relative_to(root)) for name in visible if Path(name).suffix.lower() in suffixes]

    classes: dict[str, list[str]] = {}
    for folder in sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        classes[folder.name] = []
        for parent, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            classes[folder.name] += images(Path(parent), files)
    outside = images(root, (entry.name for entry in root.iterdir() if not entry.is_dir()))
    return (classes, len(outside)) if any(classes.values()) else ({"": outside}, 0)


def _split(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the test images: the latter are a tenth of each class, at least 1 of 2 or more."""
    random = torch.Generator().manual_seed(_SPLIT_SEED)
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        size = max(1, round(TEST_SHARE * len(members))) if len(members) > 1 else 0
        is_test[members[torch.randperm(len(members), generator=random)[:size]]] = True
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)


def _note(files: list[str], readable: Tensor, empty: list[str], outside: int) -> str:
    """What is left out, and why; empty if nothing is."""
    indices = set(readable.tolist())
    broken = [name for index, name in enumerate(files) if index not in indices]
    parts = []
    if broken:
        parts.append(f"unreadable files: {_listed(broken)}")
    if empty:
        parts.append(f"classes without readable images: {_listed(empty)}")
    if outside:
        parts.append(f"images outside the class folders: {outside}")
    return f"left out: {'; '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    """The number of names, and the first of them."""
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"{len(names)} ({', '.join(map(_printable, names[:_MAX_LISTED]))}{more})"


def _printable(name: str) -> str:
    """A file's name as text that can be printed, whatever its bytes are."""
    return os.fsencode(name).decode(errors="replace")


def _ascii_name(name: str) -> str:
    """A name of ASCII letters, digits, '_', '-' and '.', without accents; a hash if nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return safe if 0 < len(safe) <= _LONGEST_NAME else f"{safe[:_LONGEST_NAME]}-{digest}".strip("-")


def read_images(root: Path, names: Sequence[str], side: int, channels: int | None) -> tuple[Tensor, Tensor]:
    """Images uint8 (K, C, side, side) of the K readable files, and their indices int64 (K,) in ``names``.

    They are cached under a hash of the files' names, sizes and times. A damaged cache file is replaced.

    Args:
        root: the folder that the names are relative to.
        names: the files.
        side: of the images: cropped to a square around their center, then resized once by Pillow (bilinear, antialias).
        channels: 1 or 3; None: 3 if any image has color, else 1.
    """
    files = [[os.fsencode(name).hex(), *_size_and_time(root / name)] for name in names]
    content = [_CACHE_FORMAT, PIL.__version__, os.fsencode(root.resolve()).hex(), files, side, channels]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    path = cache_root() / "folders" / f"{key}.safetensors"
    cached = read_cached(path, key)
    if cached is not None:
        return cached["images"], cached["places"]
    images, readable, is_complete = _decode(root, names, side, channels)
    if is_complete:
        write_cached(path, key, {"images": images, "places": readable})
    return images, readable


def _size_and_time(path: Path) -> tuple[int, int]:
    """Size and time of a file's last change; -1 for a link to nothing."""
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _decode(root: Path, names: Sequence[str], side: int, channels: int | None) -> tuple[Tensor, Tensor, bool]:
    """As ``read_images``, with a progress bar on a terminal, and whether each file could be opened: it may be later."""
    from rich.console import Console
    from rich.progress import track

    images = torch.empty(len(names), channels or 3, side, side, dtype=torch.uint8)
    readable: list[int] = []
    unreachable: list[str] = []

    def attempt(name: str) -> Tensor | None:
        try:
            return read_image(root / name, side)
        except OSError:
            unreachable.append(name)
            return None

    console = Console(stderr=True)
    starts = range(0, len(names), _BATCH)
    with ThreadPoolExecutor(_THREADS) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about images that it reads nevertheless
        for start in track(starts, "reading images", console=console, transient=True, disable=not sys.stderr.isatty()):
            for index, pixels in enumerate(pool.map(attempt, names[start : start + _BATCH]), start):
                if pixels is not None:
                    images[len(readable)] = match_channels(pixels.unsqueeze(0), channels or 3)[0]
                    readable.append(index)
    images = images[: len(readable)]
    if channels is None and torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2]):
        images = images[:, :1]
    return images.contiguous(), torch.tensor(readable, dtype=torch.int64), not unreachable


def read_image(path: Path, side: int) -> Tensor | None:
    """A file's image as RGB uint8 (3, side, side), upright, on white where it is transparent; None if unreadable.

    16-bit grey is scaled to 8 bits; of several frames the first is taken. A pipe or a device is not opened: it may
    never answer.

    Raises:
        OSError: the file cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    Image.init()
    try:
        with Image.open(path, formats=[name for name in Image.ID if name in _FORMATS]) as opened:
            image = _to_rgb(ImageOps.exif_transpose(opened))
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError and more.
        return None
    shortest = min(image.size)
    left = (image.width - shortest) // 2
    top = (image.height - shortest) // 2
    square = image.crop((left, top, left + shortest, top + shortest))
    return torch.from_numpy(np.array(square.resize((side, side), Image.Resampling.BILINEAR))).permute(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).clip(0, 65_535)
        return Image.fromarray(np.round(values / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels of any float value have no black and no white")
    if image.has_transparency_data:
        transparent = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", transparent.size, "white"), transparent).convert("RGB")
    return image.convert("RGB")
