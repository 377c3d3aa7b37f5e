"""Processes that train runs and write reports, the signals that stop them, and the memory that they use.

On Linux they are forked from a server process that has imported torch and gan_zoo once: a new one begins at once, and
they share the memory of what was imported. Nothing heavy is imported here, so that the server can be started early.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import psutil

from gan_zoo.errors import Interrupted

_SERVER = sys.platform == "linux"
_IMPORTED = ["gan_zoo.bench.executors.local"]
_MEMORY_PERIOD = 5.0
"""Seconds between two readings: those of all processes take up to a tenth of a second."""


class SingleProcess:
    """A pool of one process, with this process's environment, that ends with this process.

    In a pool of several processes, one that dies fails the calls of the others too.

    Args:
        initializer: called with ``args`` when the process begins.
    """

    def __init__(self, initializer: Callable[..., object], *args: Any) -> None:
        begin_early()
        self.process: BaseProcess | None = None
        self.pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("forkserver" if _SERVER else "spawn"),
            initializer=_begin,
            initargs=(dict(os.environ), initializer, *args),
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call a function in the process; the future fails with ``BrokenProcessPool`` if the process ends before."""
        try:
            with _interrupts_ignored():
                future = self.pool.submit(function, *args)
        except BrokenProcessPool as error:
            future = Future()
            future.set_exception(error)
        if self.process is None:
            self.process = next(iter(self.pool._processes.values()))
        return future

    def exit_status(self) -> int:
        """The exit status of the ended process, below 0 for the signal that ended it."""
        assert self.process is not None
        # The pool's thread waits for the process too, and of two threads only one is told its status.
        self.pool.shutdown()
        return self.process.exitcode or 0

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
        self.pool.shutdown(cancel_futures=True)


def begin_early(device: str | None = None) -> None:
    """Have the server process import what workers need, beside what this process does meanwhile; once is enough.

    With a CUDA ``device`` it is left for later.
    """
    if _SERVER and not (device or "").startswith("cuda"):
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_IMPORTED)
        with _interrupts_ignored():
            forkserver.ensure_running()


def _begin(environment: Mapping[str, str], initializer: Callable[..., object], *args: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The server process may have begun under another environment.
    os.environ.clear()
    os.environ.update(environment)
    initializer(*args)


def _end_with_parent() -> None:
    """End at once with the parent: an orphan would write to records that a new command has taken over."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


@dataclass
class Stop:
    """Whether a stop of training was requested, and by which signal: Ctrl-C or SIGTERM."""

    signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def request(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal: the first requests a stop, any other raises KeyboardInterrupt."""
        if self.requested:
            raise KeyboardInterrupt
        self.signal = number

    def interrupted(self, message: str) -> Interrupted:
        """The error to raise after the stop; its exit status is 128 plus the signal's number."""
        return Interrupted(message, 128 + (self.signal or signal.SIGINT))


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Within the block, SIGINT and SIGTERM request a stop; outside the main thread they are not handled."""
    stop = Stop()
    with handled(stop.request, signal.SIGINT, signal.SIGTERM):
        yield stop


def _interrupts_ignored() -> contextlib.AbstractContextManager[None]:
    """Ctrl-C reaches a terminal's whole group; what is started in here leaves it to this process to end its workers."""
    return handled(signal.SIG_IGN, signal.SIGINT)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object] | signal.Handlers, *numbers: int) -> Iterator[None]:
    """Handle signals within the block, if this is the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers} if is_main else {}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


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
        while not self._over.wait(_MEMORY_PERIOD):
            self.look()

    def look(self) -> None:
        """Take the memory used now into account."""
        used = 0
        processes = [psutil.Process()]
        with contextlib.suppress(psutil.Error):
            processes += processes[0].children(recursive=True)
        for process in processes:
            # A process may end while it is looked at.
            with contextlib.suppress(psutil.Error):
                used += getattr(process.memory_full_info(), "pss", 0)
        if used:
            self.bytes = max(used, self.bytes or 0)
