"""Where the runs of a cluster store their checkpoints: a folder that all nodes share, or whole objects through fsspec.

Objects are written whole and replaced whole: object stores have no append, rename or locks.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_path, atomic_write

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
        except (FileNotFoundError, GanZooError):
            raise
        except Exception as error:
            raise StorageUnavailable(f"storage {self.url!r}: {one_line(error)}") from error

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
        try:
            return self._call(lambda: path.read_bytes() if self.fs is None else self.fs.cat_file(path))
        except FileNotFoundError:
            return None

    def fetch(self, name: str, file: Path) -> bool:
        """Copy an object into a file; whether there is one. Raises StorageUnavailable."""
        path = self._path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._call(lambda: shutil.copyfile(path, file) if self.fs is None else self.fs.get_file(path, str(file)))
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Delete an object if it is there. Raises StorageUnavailable."""
        path = self._path(name)
        try:
            self._call(path.unlink if self.fs is None else lambda: self.fs.rm_file(path))
        except FileNotFoundError:
            return
