"""The idx format of LeCun et al., in which MNIST and its likes come: files that are checked, extracted and read."""

import gzip
import hashlib
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_zoo.errors import GanZooError

_UINT8 = 8


def check(archive: Path, md5: str) -> None:
    """Check a gzip archive against its MD5, and the extracted file beside it, each where it is there.

    Raises:
        GanZooError: a damaged file; what was extracted is checked by the archive's CRC, or without one by its header.
    """
    extracted, has_archive = archive.with_suffix(""), archive.is_file()
    if has_archive and hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise GanZooError(
            f"data file {archive} is damaged (its MD5 is not {md5}): delete it to have it downloaded again, "
            "or put a good copy in its place"
        )
    if extracted.is_file() and not is_intact(extracted, archive if has_archive else None):
        raise GanZooError(f"data file {extracted} is damaged: delete it to have it extracted or downloaded again")


def is_intact(extracted: Path, archive: Path | None) -> bool:
    """Whether an idx file exists and is what its gzip archive holds, or without an archive as long as its header says.

    An archive ends with the CRC-32 and the size of what it holds (RFC 1952).
    """
    if not extracted.is_file():
        return False
    content = extracted.read_bytes()
    if archive is not None:
        with archive.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            return (zlib.crc32(content), len(content)) == struct.unpack("<II", file.read(8))
    try:
        shape = _shape(content)
    except ValueError:
        return False
    return len(content) == _header(shape) + int(np.prod(shape, dtype=np.int64))


def extract(archive: Path, path: Path) -> None:
    """Extract a gzip archive into a file."""
    with gzip.open(archive, "rb") as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def read(path: Path) -> Tensor:
    """The values of an extracted file of unsigned bytes, uint8, in the shape that its header gives.

    Raises:
        ValueError: the file is no idx file of bytes, or holds fewer or more than its header says.
    """
    content = bytearray(path.read_bytes())
    shape = _shape(content)
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=_header(shape)).reshape(shape))


def _shape(content: bytes | bytearray) -> tuple[int, ...]:
    """The sizes in a file's header: two zero bytes, the type, the number of dimensions, each as 32 bits, big-endian."""
    dimensions = content[3] if len(content) > 3 else 0
    if dimensions == 0 or content[:3] != bytes([0, 0, _UINT8]) or len(content) < 4 + 4 * dimensions:
        raise ValueError("not an idx file of bytes")
    return struct.unpack_from(f">{dimensions}I", content, 4)


def _header(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape)
