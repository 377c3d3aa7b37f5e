"""Folders to write to."""

from pathlib import Path

from gan_zoo.errors import GanZooError


def make_folder(folder: Path) -> None:
    """Make a folder where there is none. Raises GanZooError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanZooError(f"cannot write to {str(folder)!r}: {error.strerror or error}; name another --out") from None
