"""Where the runs of a cluster store their checkpoints: a folder that all nodes share, or whole objects through fsspec.

Objects are written whole and replaced whole: object stores have no append, rename or locks. Before a checkpoint the
records of its run are stored, so that what the driver has not received is not lost.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gan_zoo.bench.records import CHECKPOINTS, append_lines, records_path
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_path, atomic_write, inside

_T = TypeVar("_T")


class StorageUnavailable(GanZooError):
    """The storage could not be read or written; a later attempt may succeed."""


class Storage:
    """A folder, or the objects below an fsspec URL; paths are relative, with ``/`` between their parts.

    Args:
        url: a folder, or a URL such as ``s3://bucket/folder``; its credentials are those of its library, e.g. from the
            environment of each node.

    Raises:
        GanZooError: no such protocol, or its library is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs: Any = None
        if "://" in url:
            import fsspec

            try:
                self.fs, self.root = fsspec.core.url_to_fs(url)
            except (ImportError, ValueError) as error:
                raise GanZooError(f"storage {url!r} cannot be used: {one_line(error)}") from None

    def _path(self, name: str) -> Any:
        return Path(self.url) / name if self.fs is None else f"{self.root.rstrip('/')}/{name}"

    def _call(self, function: Callable[[], _T]) -> _T:
        """The result of a call; its errors, of any library, become ``StorageUnavailable``."""
        try:
            return function()
        except GanZooError:
            raise
        except Exception as error:
            raise StorageUnavailable(f"storage {self.url!r}: {one_line(error)}") from error

    def _found(self, function: Callable[[], _T]) -> _T | None:
        """As ``_call``; None if there is no such object."""

        def find() -> _T | None:
            try:
                return function()
            except FileNotFoundError:
                return None

        return self._call(find)

    def put(self, file: Path, name: str) -> None:
        """Store a file. Raises StorageUnavailable."""
        path = self._path(name)
        if self.fs is None:
            with atomic_path(path) as part:
                self._call(lambda: shutil.copyfile(file, part))
        else:
            self._call(lambda: self.fs.put_file(str(file), path))

    def write(self, content: bytes, name: str) -> None:
        """Store bytes. Raises StorageUnavailable."""
        path = self._path(name)
        self._call(lambda: atomic_write(path, content) if self.fs is None else self.fs.pipe_file(path, content))

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none. Raises StorageUnavailable."""
        path = self._path(name)
        return self._found(path.read_bytes if self.fs is None else lambda: self.fs.cat_file(path))

    def fetch(self, name: str, file: Path) -> bool:
        """Copy an object into a file; whether there is one. Raises StorageUnavailable."""
        path = self._path(name)
        file.parent.mkdir(parents=True, exist_ok=True)

        def copy() -> bool:
            shutil.copyfile(path, file) if self.fs is None else self.fs.get_file(path, str(file))
            return True

        return bool(self._found(copy))

    def remove(self, name: str) -> None:
        """Delete an object if it is there. Raises StorageUnavailable."""
        path = self._path(name)
        self._found(path.unlink if self.fs is None else lambda: self.fs.rm_file(path))


def stored_records(name: str) -> str:
    """Name in the storage of the records of an unfinished run at its last checkpoint."""
    return f"{CHECKPOINTS}/{name}.jsonl"


def stored_checkpoint(name: str) -> str:
    """Name in the storage of the last checkpoint of a run."""
    return f"{CHECKPOINTS}/{name}.safetensors"


def whole_lines(content: bytes) -> bytes:
    """Lines up to the last line end."""
    return content[: content.rfind(b"\n") + 1]


def named_files(lines: bytes) -> list[str]:
    """The paths of the files that lines of records name."""
    rows = [json.loads(line) for line in lines.splitlines()] if b'"file"' in lines else []
    return [row["file"] for row in rows if "file" in row]


def complete(storage: Storage, folder: Path, name: str) -> bool:
    """Append to the records of a run, with their files, what is stored with its last checkpoint and has not arrived.

    Returns:
        Whether the stored records and these are of the same run, so that its checkpoint belongs to them.

    Raises:
        StorageUnavailable: the storage cannot be read.
    """
    path = records_path(folder, name)
    content = whole_lines(path.read_bytes()) if path.is_file() else b""
    if not content:
        return False
    stored = whole_lines(storage.read(stored_records(name)) or b"")
    if len(stored) > len(content) and stored.startswith(content):
        new = stored[len(content) :]
        for file in named_files(new):
            if (found := storage.read(file)) is not None:
                atomic_write(inside(folder, file), found)
        return append_lines(path, new, len(content))
    return content.startswith(stored)


def complete_folder(folder: Path) -> None:
    """As ``complete``, for all runs of a results folder that is the storage of its own checkpoints.

    A checkpoint of other records is deleted: a run that resumed from it would lack rows.
    """
    storage = Storage(str(folder))
    for stored in sorted((folder / CHECKPOINTS).glob("*.jsonl")):
        if not complete(storage, folder, stored.stem):
            for checkpoint in stored.parent.glob(f"{stored.stem}.*safetensors"):
                checkpoint.unlink()
        stored.unlink()
