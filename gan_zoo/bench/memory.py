"""Memory that a run holds, all its processes together."""

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType

_PERIOD = 5.0
"""Seconds between looks: reading the pages of all processes takes up to a tenth of a second."""


class PeakMemory:
    """Watches this process and all that it started, from a thread; ``bytes`` is the most that was seen.

    A page that processes share counts once (proportional set size). Linux alone tells it: elsewhere ``bytes`` is None.
    """

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD):
            self.look()

    def look(self) -> None:
        """Take the memory held now into account."""
        held = sum(_resident(process) for process in _tree(os.getpid()))
        if held:
            self.bytes = max(held, self.bytes or 0)


def _tree(process: int) -> list[int]:
    """A process and all that descend from it."""
    children: list[int] = []
    # A process may end while it is looked at.
    with contextlib.suppress(OSError):
        for task in list(Path(f"/proc/{process}/task").iterdir()):
            with contextlib.suppress(OSError):
                children += [int(child) for child in (task / "children").read_text().split()]
    return [process, *(descendant for child in children for descendant in _tree(child))]


def _resident(process: int) -> int:
    """A process's proportional set size in bytes; 0 where it is gone, or not told."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
