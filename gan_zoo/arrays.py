"""Arrays in untrusted files: NumPy's formats and safetensors. Nothing in them is run, and headers are read first."""

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gan_zoo.errors import GanZooError, one_line

SUFFIXES = (".npy", ".npz", ".safetensors")
"""Suffixes of array files."""
_SAFETENSORS = {"U8": "uint8", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_BYTES = 8
"""Bytes of a number while it is converted."""
_LONGEST = 2**48
"""Length of a dimension: a longer one overflows, and no machine has the memory for it."""
# What the readers raise for a file that is not what its suffix says.
_DAMAGED = (
    *(OSError, ValueError, EOFError, RuntimeError, SyntaxError, TypeError, OverflowError, LookupError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, SafetensorError),
)


@dataclass(frozen=True)
class ArrayFile:
    """An array of a file, of which only the header has been read.

    Attributes:
        what: the array in messages.
        shape: its shape, as the header has it.
        dtype: the name of its type, e.g. ``uint8``; ``objects`` of Python's.
    """

    what: str
    shape: tuple[int, ...]
    dtype: str
    _load: Callable[[], Any]
    _is_mapped: bool = False

    def read(self, index: Sequence[int] | None = None) -> Tensor | np.ndarray[Any, Any]:
        """The rows at these indices; all of them by default.

        Raises:
            GanZooError: the file is damaged, or the memory does not hold it.
        """
        # Only of a mapped file are the chosen rows alone read.
        rows = len(index) if self._is_mapped and index is not None else self.shape[0]
        size, free = rows * math.prod(self.shape[1:]) * _BYTES, psutil.virtual_memory().available
        if size > free:
            memory = f"{size / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free"
            raise GanZooError(f"{self.what} of shape {self.shape} may need {memory}; split it")
        try:
            values: Tensor | np.ndarray[Any, Any] = self._load()
            return values if index is None else values[index]
        except _DAMAGED as error:
            raise GanZooError(f"{self.what} is damaged ({one_line(error)}); write it again") from None


def open_array(path: Path, dimensions: Sequence[int], preferred: str = "") -> ArrayFile:
    """The array of a file that ends with one of ``SUFFIXES``: the only one of so many dimensions.

    Of several in a ``.npz`` or ``.safetensors`` file that named ``preferred`` is read.

    Raises:
        GanZooError: another suffix, a file that cannot be read, or not one such array.
    """
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise GanZooError(f"array file {str(path)!r}: name a file that ends with one of {', '.join(SUFFIXES)}")
    try:
        with path.open("rb"):  # safetensors reports a file that cannot be opened as a damaged one.
            pass
        found = reader(path)
    except (*_DAMAGED, MemoryError) as error:  # The header of LZMA names the memory that it needs.
        raise GanZooError(f"array file {str(path)!r} cannot be read ({one_line(error)}); write it again") from None
    fitting = {name: array for name, array in found.items() if len(array.shape) in dimensions}
    if preferred in fitting:
        return fitting[preferred]
    if len(fitting) != 1:
        wanted = " or ".join(map(str, dimensions))
        listed = ", ".join(f"{name or 'one'} {array.shape}" for name, array in list(found.items())[:5]) or "none"
        hint = f", or one named {preferred!r}" if preferred else ""
        raise GanZooError(f"array file {str(path)!r} must have one array of {wanted} dimensions{hint}; it has {listed}")
    return next(iter(fitting.values()))


def _npy(path: Path) -> Mapping[str, ArrayFile]:
    with path.open("rb") as file:
        shape, dtype = _header(file)

    def values() -> Any:
        # Mapped, the size of the file is checked before memory is allocated.
        return np.load(path, mmap_mode="r", allow_pickle=False)

    return {"": ArrayFile(f"array file {str(path)!r}", shape, dtype, values, _is_mapped=True)}


def _npz(path: Path) -> Mapping[str, ArrayFile]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    shape, dtype = _header(file)
                name = member.removesuffix(".npy")
                found[name] = ArrayFile(f"array {name!r} of {str(path)!r}", shape, dtype, _member(path, member))
    return found


def _member(path: Path, member: str) -> Callable[[], Any]:
    def values() -> Any:
        # By its whole name: numpy.load prefers a member without the suffix, whose header has not been checked.
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    return values


def _safetensors(path: Path) -> Mapping[str, ArrayFile]:
    found = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            dtype = _SAFETENSORS.get(str(part.get_dtype()), str(part.get_dtype()))
            what = f"tensor {name!r} of {str(path)!r}"
            found[name] = ArrayFile(what, tuple(part.get_shape()), dtype, _tensor(path, name))
    return found


def _tensor(path: Path, name: str) -> Callable[[], Tensor]:
    def values() -> Tensor:
        with safe_open(path, "pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor

    return values


def _header(file: BinaryIO | Any) -> tuple[tuple[int, ...], str]:
    """Shape and type in the header of a .npy file. Raises ValueError if no array has them."""
    version = np.lib.format.read_magic(file)
    # Later formats are for records, and their headers have up to 4 GB.
    if version != (1, 0):
        raise ValueError(f"format {version} of .npy is not that of numbers")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except MemoryError:  # Python's parser, of a text that is nested too deeply.
        raise ValueError("its header is no description of an array") from None
    if not all(type(length) is int and 0 <= length <= _LONGEST for length in shape):
        raise ValueError("its header has a shape that no array has")
    return tuple(shape), "objects" if dtype.hasobject else str(dtype)
