"""The report of a suite that is still running, written by a process of its own."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from gan_zoo.bench import launch
from gan_zoo.bench.listener import Listener, Relay
from gan_zoo.errors import GanZooError
from gan_zoo.io import remove_temporary

if TYPE_CHECKING:
    from gan_zoo.bench.plan import CellPlan, Plan
    from gan_zoo.bench.records import Row

_BEGIN_AFTER = 15.0
"""Seconds of a command before which it writes no report: a shorter one writes its report soon enough."""
_NICENESS = 10


class LiveReport(Relay):
    """Has the report of the results folder written again after every run, at low priority.

    Runs that end while a report is written are in the next one. What goes wrong there is left to the final report.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self.process: BaseProcess | None = None

    def plan(self, plan: "Plan", folder: Path, todo: "Sequence[CellPlan]") -> None:
        self.folder, self.began = folder, time.monotonic()
        super().plan(plan, folder, todo)

    def end(self, cell: "CellPlan", row: "Row") -> None:
        super().end(cell, row)
        if self.process is None:
            if time.monotonic() - self.began < _BEGIN_AFTER:
                return
            self.pipe, theirs = multiprocessing.Pipe()
            self.process = launch.start(_serve, theirs, self.folder)
            theirs.close()
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def close(self) -> None:
        if self.process is not None:
            self.pipe.close()
            self.process.kill()
            self.process.join()
            self.process = None
            remove_temporary(self.folder)
        super().close()


def _serve(pipe: Connection, folder: Path) -> None:
    from gan_zoo.report.context import write_report

    os.nice(_NICENESS)
    with contextlib.suppress(EOFError):
        while True:
            pipe.recv()
            while pipe.poll():
                pipe.recv()
            with contextlib.suppress(GanZooError, OSError):
                write_report(folder)
