"""The phase of each process of a command, in memory shared with the harness, which can read it after a kill too."""

import functools
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("other", "training", "evaluation", "checkpoint", "tables", "report")
_PID_MAX = Path("/proc/sys/kernel/pid_max")


class Phases:
    """The phases of the processes of one command; to be made before its fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, int(_PID_MAX.read_text()))

    def of(self, pid: int) -> str:
        """The phase of a process, or that in which it died."""
        return NAMES[self._memory[pid]]

    def process_in(self, phase: str) -> int | None:
        """A process that is in a phase."""
        pid = self._memory.find(bytes([NAMES.index(phase)]))
        return None if pid < 0 else pid

    def record(self) -> None:
        """Have this process, and those that are forked from it, record their phases."""
        from gan_zoo.bench.run import _Execution
        from gan_zoo.report import context

        for owner, function, phase in (
            (_Execution, "_train", "training"),
            (_Execution, "_measure_untrained", "evaluation"),
            (_Execution, "_evaluate", "evaluation"),
            (_Execution, "_save", "checkpoint"),
            (context, "write_tables", "tables"),
            (context, "write_report", "report"),
        ):
            setattr(owner, function, self._recorded(getattr(owner, function), phase))

    def _recorded(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def recorded(*args: Any, **options: Any) -> Any:
            pid = os.getpid()
            before, self._memory[pid] = self._memory[pid], NAMES.index(phase)
            try:
                return function(*args, **options)
            finally:
                self._memory[pid] = before

        return recorded
