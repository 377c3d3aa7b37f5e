"""What the scripts of this folder share: how they end, and a digest of source files."""

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def finish(work: Callable[[], Any], interrupted: str = "nothing was written") -> int:
    """Do the work and print what it gives; the exit status: 0, 2 for bad input, 130 where it was interrupted."""
    from gan_zoo.errors import GanZooError

    try:
        report = work()
    except GanZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    print(report)
    return 0


def digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) over the names and the bytes of files, in the order of their paths."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.as_posix()):
        total.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
