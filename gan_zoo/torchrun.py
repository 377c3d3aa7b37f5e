"""The processes that torchrun starts; without torch, which is slow to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gan_zoo.errors import GanZooError


def num_processes() -> int:
    """Number of processes that torchrun has started, this one included; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


@contextmanager
def reported_once() -> Iterator[None]:
    """Leave an error of the block to the first process of this machine; all processes of a machine must raise it.

    The others exit with status 0: torchrun ends all processes as soon as one fails, perhaps before the first has
    reported the error.
    """
    try:
        yield
    except GanZooError:
        if num_processes() > 1 and os.environ["LOCAL_RANK"] != "0":
            raise SystemExit(0) from None
        raise


def check_alone(command: str) -> None:
    """Raise GanZooError if torchrun has started several processes for a command of one."""
    if num_processes() > 1:
        with reported_once():
            raise GanZooError(
                f"torchrun has started {num_processes()} processes, which can share the batches of one run "
                f"(`gan-zoo train`); `gan-zoo {command}` starts its processes by itself (--jobs): run it without "
                "torchrun"
            )
