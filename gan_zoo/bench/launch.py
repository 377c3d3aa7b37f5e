"""How the processes that train runs and write reports begin.

On Linux they are forked from a server process that has imported torch and gan_zoo once: a new one begins at once, and
they share the memory of what was imported. Nothing heavy is imported here, so that the server can be asked for early.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

_SERVER = sys.platform == "linux"
_IMPORTED = ["gan_zoo.bench.worker"]


def context() -> BaseContext:
    """How worker processes are made: with nothing of this process but what they are given."""
    if _SERVER:
        begin_early()
    return multiprocessing.get_context("forkserver" if _SERVER else "spawn")


def begin_early(device: str | None = None) -> None:
    """Have a server process import what workers need, beside what this process does meanwhile; once is enough.

    With a CUDA ``device`` it is left for later.
    """
    if _SERVER and not (device or "").startswith("cuda"):
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_IMPORTED)
        with deaf_to_interrupts():
            forkserver.ensure_running()


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process that calls a function, with this process's environment. It ends at once with its parent."""
    process: BaseProcess = context().Process(  # type: ignore[attr-defined]
        target=_run, args=(target, dict(os.environ), *args), daemon=True
    )
    with deaf_to_interrupts():
        process.start()
    return process


def _run(target: Callable[..., None], environment: Mapping[str, str], *args: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A server process may have begun under another environment.
    os.environ.clear()
    os.environ.update(environment)
    target(*args)


def _end_with_parent() -> None:
    """End at once with the parent: an orphan would go on writing to records that a new command has taken over."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C reaches a terminal's whole group; what is started in here leaves it to this process to end its workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
