"""Memory that a command uses, all its processes together."""

import contextlib
import os
import threading
from pathlib import Path

_PERIOD = 5.0
"""Seconds between looks: reading the pages of all processes takes up to a tenth of a second."""


class PeakMemory:
    """Watches this process and all that it started, from a thread; ``bytes`` is the most that was seen.

    A page that processes share counts once (proportional set size). None except on Linux.
    """

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD):
            self.look()

    def look(self) -> None:
        """Take the memory used now into account."""
        if used := _memory_of_tree(os.getpid()):
            self.bytes = max(used, self.bytes or 0)


def _memory_of_tree(pid: int) -> int:
    """Proportional set size in bytes of a process and all that descend from it."""
    used = 0
    # A process may end while it is looked at.
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        used += sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
        for task in list(Path(f"/proc/{pid}/task").iterdir()):
            with contextlib.suppress(OSError):
                used += sum(_memory_of_tree(int(child)) for child in (task / "children").read_text().split())
    return used
