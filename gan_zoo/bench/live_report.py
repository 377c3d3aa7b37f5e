"""The report of a suite that is still running, written by a process of its own."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from gan_zoo.bench.executors.processes import SingleProcess
from gan_zoo.io import remove_temporary

_BEGIN_AFTER = 15.0
"""Seconds of a command before which it writes no report: a shorter one writes its report soon enough."""
_NICENESS = 10


class LiveReport:
    """Has the report of a results folder written again, at low priority.

    What goes wrong there is left to the final report.

    Args:
        folder: the results folder.
        write: a function of a module that writes the report of a folder.
    """

    def __init__(self, folder: Path, write: Callable[[Path], object]) -> None:
        self.folder, self.write = folder, write
        self.began = time.monotonic()
        self.process: SingleProcess | None = None
        self.pending: list[Future[object]] = []

    def update(self) -> None:
        """Write the report after a run; runs that end while a report is written are in the next one."""
        if self.process is None and time.monotonic() - self.began >= _BEGIN_AFTER:
            self.process = SingleProcess(os.nice, _NICENESS)
        self.pending = [future for future in self.pending if not future.done()]
        if self.process is not None and len(self.pending) < 2:
            self.pending.append(self.process.submit(self.write, self.folder))

    def close(self) -> None:
        """End the process, and delete what it had begun to write."""
        if self.process is not None:
            self.process.kill()
            self.process = None
            remove_temporary(self.folder)
