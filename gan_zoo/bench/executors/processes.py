"""Processes that train runs and write reports.

On Linux they are forked from a server process that has imported torch and gan_zoo once: a new one begins at once, and
they share the memory of what was imported. Nothing heavy is imported here, so that the server can be started early.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

_SERVER = sys.platform == "linux"
_IMPORTED = ["gan_zoo.bench.executors.local"]
_ENDING = 10.0
"""Seconds that a process may take between the end of its pool and its own."""


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
        self.process.join(_ENDING)
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


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C reaches a terminal's whole group; what is started in here leaves it to this process to end its workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
