"""Ctrl-C and SIGTERM: training stops between two steps, after a checkpoint; a second signal stops it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gan_zoo.errors import Interrupted

NOTICE = "stopping after a checkpoint; press Ctrl-C again to stop at once"


@dataclass
class Stop:
    """Whether a stop of training was requested, and by which signal."""

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
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
