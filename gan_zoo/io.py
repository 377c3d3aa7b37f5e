"""Files: the cache folder, atomic writes, and the comparison of what JSON files hold."""

import contextlib
import errno
import os
import secrets
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
from platformdirs import user_cache_path

from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.torchrun import num_processes

if TYPE_CHECKING:
    import pandas as pd

CACHE_ENV = "GAN_ZOO_CACHE"
_TEMPORARY = ".part"
_LEFT_BY_KILLS = (f".*{_TEMPORARY}*", ".tmp??????")
"""Names of temporary files: those of this module, and those that safetensors renames."""
_TIMEOUT_SECONDS = 20.0
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


def cache_root() -> Path:
    """The folder named by the environment variable GAN_ZOO_CACHE, else the user's cache folder for gan-zoo.

    Example: ``~/.cache/gan-zoo``. It may not exist yet. Each kind of content has a subfolder, e.g. ``data``.
    """
    named = os.environ.get(CACHE_ENV)
    return with_home(named, CACHE_ENV) if named else user_cache_path("gan-zoo")


def with_home(path: Path | str, origin: str) -> Path:
    """A path whose ``~`` or ``~user`` is replaced by a home folder; ``origin`` is the option that named it.

    Raises:
        GanZooError: no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise GanZooError(f"{origin} {str(path)!r}: this user has no home folder here; name the whole path") from None


def check_encoding(path: Path | str) -> None:
    """Raise GanZooError for a path that is no UTF-8: a manifest or report could not name it."""
    try:
        # In a locale without UTF-8 the text differs, and the bytes are still those of the name.
        os.fsencode(path).decode()
    except UnicodeError:
        raise GanZooError(f"path {str(path)!r} is not UTF-8: rename it, or name another") from None


def read_only_note(folder: Path) -> str:
    """A sentence for a reader if a folder is there and nothing can be written to it; else empty."""
    if not folder.is_dir() or os.access(folder, os.W_OK):
        return ""
    return f"{str(folder)!r} is read-only: its tables and report are not written again"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report an ``OSError`` of the block as a ``StorageError`` that names ``path``.

    Raises:
        StorageError: the disk is full, the folder is read-only, or the path cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(path, error) from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, with the same suffix, that replaces it at the end of the block.

    The folder is created. A kill at any instant leaves the old file or the new one; an exception leaves the old one.

    Raises:
        StorageError: the path cannot be written, is no UTF-8, or is a device or a pipe.
    """
    check_encoding(path)
    with writing(path):
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, "it is not a regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.parent / f".{secrets.token_hex(8)}{_TEMPORARY}{path.suffix}"
        try:
            part.touch(exist_ok=False)
            # As the umask has it; a library may replace the file by one with another mode.
            mode = stat.S_IMODE(part.stat().st_mode)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.chmod(mode)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that a kill at any instant leaves the old file or the new one.

    Raises:
        StorageError: the path cannot be written.
    """
    with atomic_path(path) as part:
        # Half of a surrogate pair, of a name that is no UTF-8 or of another's JSON, has no bytes.
        part.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_text(frame: "pd.DataFrame") -> str:
    """A table as CSV; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    import pandas as pd

    cells = frame.rename(columns=_inert)
    for name in cells.columns[[dtype.kind == "O" for dtype in cells.dtypes]]:
        cells[name] = pd.Series([_inert(value) for value in cells[name]], cells.index, object)
    # With these ends of lines a cell with a carriage return is quoted.
    return cells.to_csv(index=False, lineterminator="\r\n").replace("\r\n", "\n")


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write a table as ``csv_text``, atomically.

    Raises:
        StorageError: the path cannot be written.
    """
    atomic_write(path, csv_text(frame))


def inside(folder: Path, file: str) -> Path:
    """The path of a file that is recorded by its path relative to a folder.

    Raises:
        GanZooError: it lies outside the folder, directly or through a link.
    """
    path = folder / file
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # A loop of links, or a name that no file can have.
        is_inside = False
    if not is_inside:
        raise GanZooError(f"{path} lies outside {str(folder)!r}: it is not read or written; remove the link")
    return path


def check_links(folder: Path) -> None:
    """Refuse a folder with a link that leads out of it: what lies behind it would be read, written or deleted.

    Raises:
        GanZooError: it has one.
    """
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if (path := Path(parent, name)).is_symlink():
                inside(folder, str(path.relative_to(folder)))


def full_disk(error: BaseException | None) -> OSError | None:
    """The error of a full disk or quota that ``error`` is or was raised after, if any; downloaders try again first."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return error
        error = error.__context__
    return None


@contextlib.contextmanager
def network_timeout() -> Iterator[None]:
    """Bound the wait for a silent server in the block: the timeout of new sockets is 20 seconds."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def remove_temporary(folder: Path) -> None:
    """Delete the temporary files that a killed process left in ``folder`` and below it; no other may be writing there.

    Raises:
        StorageError: the folder cannot be written to.
    """
    with writing(folder):
        for pattern in _LEFT_BY_KILLS:
            for part in folder.rglob(pattern):
                if not part.is_dir():
                    part.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Create ``folder`` and a file in it, which is deleted again.

    Raises:
        StorageError: the folder cannot be written to, or its name is no UTF-8.
    """
    check_encoding(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def swept(folder: Path) -> Iterator[None]:
    """Delete what a killed process left in a folder before the block, and lock the folder until its end.

    If another process holds the lock, it did so already: its files stay.

    Raises:
        StorageError: the folder cannot be written to.
    """
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    with writing(folder), contextlib.suppress(filelock.Timeout):
        lock.acquire()
    try:
        if lock.is_locked:
            remove_temporary(folder)
        yield
    finally:
        lock.release()


def lock_folder(folder: Path) -> filelock.BaseFileLock:
    """Create the folder if needed, and lock it against other processes until the lock is released.

    Raises:
        GanZooError: another process holds the lock.
        StorageError: the folder cannot be written to.
    """
    check_writable(folder)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        fix = "wait for it, or name another --out"
        if num_processes() > 1:
            fix += f"; each of the {num_processes()} processes of torchrun needs its own, except in `gan-zoo train`"
        raise GanZooError(f"another command is writing to {str(folder)!r}; {fix}") from None
    return lock


def git_commit() -> str | None:
    """The commit of the checkout of this package, ``+changes`` if it was edited since; None outside one."""

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        return ended.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD")
    if not commit or not git("ls-files", "--error-unmatch", "__init__.py"):
        return None
    return (
        f"{commit}+changes"
        if git("status", "--porcelain", "--untracked-files=no", "--", ".", ":/benchmarks")
        else commit
    )


def _is_nested(value: Any) -> bool:
    """Whether a value is a list of settings, and not of numbers or names, which differ as a whole."""
    return isinstance(value, list) and all(isinstance(item, (Mapping, list)) for item in value)


def differences(first: Any, second: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The values in which two nested settings differ, as (key, value in the first, value in the second).

    Example: ``("optimizer.lr", 2e-4, 1e-4)``. A key that one of them lacks has the value None there.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            yield from differences(first.get(name), second.get(name), f"{key}.{name}" if key else str(name))
    elif _is_nested(first) and _is_nested(second) and len(first) == len(second):
        for place, pair in enumerate(zip(first, second, strict=True)):
            yield from differences(*pair, f"{key}.{place}" if key else str(place))
    elif first != second:
        yield key, first, second
