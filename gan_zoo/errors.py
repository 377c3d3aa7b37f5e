"""The errors that the command line prints as one line, without a traceback."""

import difflib
from collections.abc import Iterable
from pathlib import Path

PLUGIN_FAILURES = (Exception, SystemExit, GeneratorExit)
"""What a variant's own code may raise without ending a command; a real Ctrl-C still does."""


class GanZooError(Exception):
    """Bad input or a missing thing: one line that names the thing, the value and the fix.

    The command line prints it without a traceback and exits with status 2.
    """


class Interrupted(GanZooError):
    """A signal stopped a command, which saved what it had: one line that says how to resume.

    Attributes:
        status: the exit status of the command, 128 plus the signal's number.
    """

    def __init__(self, message: str, status: int = 130) -> None:
        super().__init__(message)
        self.status = status


class StorageError(GanZooError):
    """A file cannot be written: the disk is full, or the folder is read-only.

    It is never a failure of the variant being trained; the same command resumes the run once the disk is writable.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write {path}: {error.strerror or error}; free some space or name another folder, and run the "
            "command again"
        )

    def __reduce__(self) -> tuple[type[GanZooError], tuple[str]]:
        return GanZooError, (str(self),)


class DamagedFileError(GanZooError):
    """The content of a file is not what was written: its digest does not match, or it cannot be parsed."""


def check_known(kind: str, name: object, known: Iterable[str]) -> None:
    """Raise ``unknown`` if a name is not among the known ones."""
    if name not in (known := tuple(known)):
        raise unknown(kind, str(name), known)


def unknown(kind: str, name: str, known: Iterable[str]) -> GanZooError:
    """An error for a name that does not exist, with the nearest name and all known ones.

    Example: ``unknown variant 'cgna'; did you mean 'cgan'? Known: cgan, dcgan, gan``.
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    return GanZooError(f"unknown {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}")
