"""Processes of a data parallel run as threads of this one, which exchange tensors through a list."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

from gan_zoo.engine.parallel import Parallel
from gan_zoo.losses import Step

# Before Python 3.12 all threads share the lock of a cached property, within which these exchange tensors.
for name in ("_concatenated", "on_real", "on_fake"):
    vars(Step)[name].lock = nullcontext()


@dataclass
class Meeting:
    """Where the threads exchange tensors; ``calls`` are the names of all exchanges, in their order."""

    size: int
    tensors: list = field(default_factory=list)
    calls: list = field(default_factory=list)

    def __post_init__(self):
        self.tensors = [None] * self.size
        self.barrier = threading.Barrier(self.size, timeout=5)


@dataclass
class Thread(Parallel):
    meeting: Meeting | None = None

    def _tensors(self, call, tensor):
        """The tensors of all threads; that they make the same call is checked."""
        meeting = self.meeting
        meeting.tensors[self.rank] = (call, tensor.clone())
        meeting.barrier.wait()
        calls, found = zip(*meeting.tensors, strict=True)
        assert set(calls) == {call}, "the processes exchange in another order"
        assert len({each.shape for each in found}) == 1
        meeting.barrier.wait()
        if self.rank == 0:
            meeting.calls.append(call)
        return list(found)

    def all_gather(self, rows):
        return self._tensors("all_gather", rows)

    def all_reduce(self, values):
        values.copy_(torch.stack(self._tensors("all_reduce", values)).sum(dim=0))

    def broadcast(self, values):
        values.copy_(self._tensors("broadcast", values)[0])


def in_threads(size, function, **options):
    """Call ``function(parallel)`` as each of so many processes, and return the results by rank."""
    meeting = Meeting(size)
    store = dist.HashStore()

    def call(rank):
        try:
            return function(Thread(rank, size, store, meeting=meeting, **options))
        except BaseException:
            meeting.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(call, rank) for rank in range(size)]
    # The first failure, not that of a thread which waited for it.
    errors = [future.exception() for future in futures if future.exception() is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
