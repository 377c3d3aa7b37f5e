"""Places below a data root: who may write there, who holds it, and how a missing file gets there from the network."""

import contextlib
import hashlib
import io
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from gan_zoo.data.registry import DATA_ENV, DataMissing
from gan_zoo.errors import GanZooError
from gan_zoo.io import full_disk, writing

_TIMEOUT_SECONDS = 20.0
LOCK = ".gan-zoo.lock"


def missing(title: str, why: str) -> DataMissing:
    """The error for a set whose files are neither here nor available for download."""
    return DataMissing(f"{title} is not here {why}: name the folder of its files with {DATA_ENV} or --data-root")


def damaged(path: Path, md5: str = "") -> GanZooError:
    """The error for a file that is not what it should be, or for a folder of such files."""
    if path.is_dir():
        return GanZooError(f"data files in {path} are damaged: delete them to have them downloaded again")
    why = f" (its MD5 is not {md5})" if md5 else ""
    return GanZooError(
        f"data file {path} is damaged{why}: delete it to have it downloaded again, or put a good copy in its place"
    )


def md5_of(path: Path) -> str:
    """MD5 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_writable(folder: Path, root: Path) -> bool:
    """Whether `folder` and those above it up to `root`, where they exist, may be written to.

    The mode counts too: a superuser passes every access check, yet a folder without a write bit is meant to stay as is.
    """
    places = [place for place in (folder, *folder.parents) if place.is_relative_to(root) and place.exists()]
    return all(os.access(place, os.W_OK) and place.stat().st_mode & 0o222 for place in places)


@contextlib.contextmanager
def locked(root: Path, title: str) -> Iterator[None]:
    """Hold the lock of a root, which is made where it is not there; DataMissing where it cannot be written to."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        held = FileLock(root / LOCK).acquire()
    except OSError as error:
        raise missing(title, f"and the folder {root} cannot be written to") from error
    with held:
        yield


@contextlib.contextmanager
def staged(target: Path, files: Iterable[str]) -> Iterator[Path]:
    """A folder to make files in; those named that are there at the end are moved to the same place below `target`.

    Raises:
        StorageError: an ``OSError`` of the block, which does nothing but make files.
    """
    with writing(target), tempfile.TemporaryDirectory(dir=target, prefix=".gan-zoo-") as folder:
        staging = Path(folder)
        yield staging
        for name in files:
            if (staging / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).replace(target / name)


@contextlib.contextmanager
def network(title: str) -> Iterator[None]:
    """For downloads: no progress bars, no waiting on a silent server, and DataMissing where they fail.

    The ``OSError`` of a full disk passes, so that it is not reported as a missing network.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    except (OSError, HTTPException, RuntimeError) as error:
        if full := full_disk(error):
            raise full from None
        raise missing(title, "and could not be downloaded") from error
    finally:
        socket.setdefaulttimeout(before)
