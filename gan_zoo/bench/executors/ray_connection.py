"""The connection of the driver to a Ray cluster, and the mark by which nodes know that they share its folder."""

import contextlib
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from gan_zoo.bench.executors.storage import Storage
from gan_zoo.device import cores
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import writing
from gan_zoo.options import RunOptions

_TIMEOUT = 5.0
"""Seconds in which a cluster must answer."""


@contextlib.contextmanager
def connection(options: RunOptions) -> Iterator[None]:
    """Connect to the cluster, or start one here, unless this process is connected already.

    Raises:
        GanZooError: the cluster cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    host, _, port = (options.address or "").rpartition(":")
    if host and port.isdecimal() and "://" not in host:
        # Ray tries for minutes.
        try:
            socket.create_connection((host, int(port)), _TIMEOUT).close()
        except OSError as error:
            raise GanZooError(
                f"no Ray cluster answers at {options.address!r}: {one_line(error)}; name the address of its head node, "
                "e.g. 10.0.0.1:6379, or leave out --address"
            ) from None
    resources: dict[str, Any] = {} if options.address else {"num_cpus": max(cores(), options.threads or 1)}
    # Ray handles SIGTERM in its own way, which would end this process without a checkpoint.
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if is_main else {}
    try:
        ray.init(options.address or "local", log_to_driver=False, logging_level="error", **resources)
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise GanZooError(f"the Ray cluster {options.address or 'local'!r} cannot be used: {one_line(error)}") from None
    for number, handler in handlers.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def shared_token(storage: str) -> Iterator[str]:
    """The name of a file in a folder of checkpoints, by which nodes know that they share it; empty for a URL.

    Raises:
        GanZooError: nothing can be stored there.
    """
    if "://" in storage:
        objects = Storage(storage)
        name = f".{secrets.token_hex(8)}"
        objects.write(name.encode(), name)
        objects.remove(name)
        yield ""
        return
    path = Path(storage, f".{secrets.token_hex(8)}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)
