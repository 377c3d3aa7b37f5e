"""How the processes that train cells begin.

On Linux they are forked from a server process that has imported torch and gan_zoo once: a new one begins at once, and
they share the memory of what was imported. Nothing heavy is imported here, so that the server can be asked for early.
"""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext

_SERVER = sys.platform == "linux"
_IMPORTED = ["gan_zoo.bench.worker", "torch._dynamo"]  # the latter for optimizers, which import it when first made


def context() -> BaseContext:
    """How worker processes are made: with nothing of this process but what they are given."""
    if _SERVER:
        begin_early()
    return multiprocessing.get_context("forkserver" if _SERVER else "spawn")


def begin_early() -> None:
    """Have a server process import what workers need, beside what this process does meanwhile; once is enough."""
    if _SERVER:
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_IMPORTED)
        with deaf_to_interrupts():
            forkserver.ensure_running()


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
