"""The errors that the command line prints as one line, without a traceback."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST = 1_000
"""Characters of an error's message, whose text may be that of an untrusted file."""
_LONGEST_VALUE = 300


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


def one_line(error: BaseException) -> str:
    """An error's type and message in one line, of at most 1,000 characters; the type alone if it has no message."""
    try:
        text = " ".join(f"{type(error).__name__}: {error}".split())
    except KeyboardInterrupt:
        raise
    except BaseException:  # An error of untrusted code, whose __str__ is too.
        text = f"{type(error).__name__}, which has no message"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def shown(value: Any) -> str:
    """A value as Python writes it, in one line of at most 300 characters; its type if it cannot be written."""
    try:
        text = " ".join(repr(value).splitlines())
    except KeyboardInterrupt:
        raise
    except BaseException:  # A value of untrusted code, or one that is nested too deeply.
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


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


def validation_lines(
    error: "ValidationError",
    known_keys: Callable[[Sequence[Any]], Sequence[str]],
    renamed: Mapping[str, str] | None = None,
) -> list[str]:
    """One line for each mistake that pydantic found in a file: the key, the value and what is allowed.

    Args:
        error: what pydantic raised.
        known_keys: the keys of the table in which a location lies, a location being pydantic's path of keys.
        renamed: new names of keys by their earlier ones.
    """
    renamed, found = renamed or {}, error.errors()

    def nearest(location: Sequence[Any]) -> str:
        key = str(location[-1])
        return renamed.get(key) or next(iter(difflib.get_close_matches(key, known_keys(location), n=1)), "")

    # A key that is missing only because it is misspelled is not named twice.
    unknown_keys = [mistake["loc"] for mistake in found if mistake["type"] == "extra_forbidden"]
    misspelled = {(*location[:-1], nearest(location)) for location in unknown_keys}
    lines: list[str] = []
    for mistake in found:
        location, message = mistake["loc"], mistake["msg"].removeprefix("Value error, ")
        key = ".".join(map(str, location))
        if mistake["type"] == "extra_forbidden" and location[-1] in renamed:
            lines.append(f"key {key!r} is now called {nearest(location)!r}; rename it")
        elif mistake["type"] == "extra_forbidden":
            hint = f"; did you mean {nearest(location)!r}?" if nearest(location) else "."
            lines.append(f"unknown key {key!r}{hint} Allowed: {', '.join(known_keys(location))}")
        elif mistake["type"] != "missing":
            lines.append(f"key {key!r} is {shown(mistake['input'])}: {message[0].lower()}{message[1:]}")
        elif location not in misspelled:
            lines.append(f"key {key!r} is missing")
    return lines
