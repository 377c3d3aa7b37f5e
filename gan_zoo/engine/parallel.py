"""Data parallel training of one run by several processes, each of which applies the networks to its rows of a batch.

Every process draws the same batch and computes the same losses, so that any loss is that of one process. ``scatter``
takes the rows of a process as the input of a network, ``gather`` collects the outputs of all processes, and the
gradients of the parameters are summed. The backward of either function is the other, so that both can be differentiated
twice, as gradient penalties need. torch's ``DistributedDataParallel`` cannot do this: it does not work with
``torch.autograd.grad``, it requires that no parameter is ever frozen, and it averages losses of parts of a batch.
"""

import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gan_zoo.device import derive, pick, reason
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.options import RunOptions
from gan_zoo.torchrun import reported_once

END = "end"
"""The command after which no other follows."""
_TIMEOUT = timedelta(minutes=10)
"""Most time that a collective may wait for another process, which loads the data before the first one."""
_LONGEST_SLEEP = 0.05
"""Seconds between two questions for a command, less in the beginning."""
LOST = 2
"""Exit status of a process that has lost another."""


@dataclass
class Parallel:
    """This process among those that train a run together; that of rank 0 decides, evaluates and writes.

    Attributes:
        rank, size: the number of this process, from 0 on, and how many there are.
        store: what rank 0 sends commands through; a process may wait for one without a limit, during an evaluation.
        sync_batch_norm: whether batch norm is over the batch of all processes.
        commands: how many commands were sent or received.
    """

    rank: int
    size: int
    store: Any
    sync_batch_norm: bool = False
    commands: int = 0

    def all_gather(self, rows: Tensor) -> list[Tensor]:
        """The tensors of all processes, which have the same shape, by rank."""
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        with self._exchange():
            dist.all_gather(parts, rows)
        return parts

    def all_reduce(self, values: Tensor) -> None:
        """Sum the tensors of all processes in place."""
        with self._exchange():
            dist.all_reduce(values)

    def broadcast(self, values: Tensor) -> None:
        """Copy the tensor of rank 0 to all processes in place."""
        with self._exchange():
            dist.broadcast(values, 0)

    def send(self, command: str) -> None:
        """Send a command from rank 0 to all others."""
        with self._exchange():
            self.store.set(str(self.commands), command)
        self.commands += 1

    def receive(self, within: float = math.inf) -> str:
        """The next command of rank 0; empty if none comes ``within`` so many seconds.

        It asks again and again: the store's own wait has a limit, and prints a warning at its end.
        """
        key = str(self.commands)
        began = time.monotonic()
        with self._exchange():
            while not self.store.check([key]):
                waited = time.monotonic() - began
                if waited > within:
                    return ""
                time.sleep(min(waited / 20, _LONGEST_SLEEP))
            command: str = self.store.get(key).decode()
            # After the last command rank 0 may be gone, and the store with it.
            if command != END:
                self._count_reader(key)
        self.commands += 1
        return command

    def _count_reader(self, key: str) -> None:
        """Delete a command from the store after its last reader, each of which counts itself once it has the command.

        A run sends a few commands a second, for days.
        """
        readers = f"readers of {key}"
        if self.store.add(readers, 1) == self.size - 1:
            self.store.delete_key(key)
            self.store.delete_key(readers)

    def _exchange(self) -> AbstractContextManager[None]:
        return _lost_process(self.rank, self.size)


@contextmanager
def _lost_process(rank: int, size: int) -> Iterator[None]:
    """Report a failed exchange between processes as ``Interrupted``."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # Gloo's message begins with a line of its source and ends with advice.
        why = re.sub(r"^\[\S+\] ", "", reason(error)).partition(". ")[0]
        limit = f"{_TIMEOUT.total_seconds():g} s"
        lost = f"process {rank} of {size} lost another, which was killed, failed or took longer than {limit} ({why})"
        raise Interrupted(lost, LOST) from error


_joined: list[Parallel] = []
"""This process among those of torchrun, while it has joined them."""


def joined() -> Parallel | None:
    """This process among those that ``join`` has brought together; None if it trains by itself."""
    return _joined[0] if _joined else None


@contextmanager
def join(options: RunOptions) -> Iterator[tuple[Parallel | None, RunOptions]]:
    """Join the processes that torchrun has started, by NCCL on CUDA and by Gloo on the CPU, within the block.

    Yields this process among them, or None if it is the only one, and options that name its device: each process of a
    machine has a CUDA device of its own.

    Raises:
        GanZooError: options of a single process, or not of its kind of device, or no such device here.
        Interrupted: the others did not come in time.
    """
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if size == 1:
        yield None, options
        return
    kind = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    with reported_once():
        if wrong := _unfit(options, kind):
            raise GanZooError(wrong)
        pick(kind)
    if kind == "cuda" and local < torch.cuda.device_count():
        torch.cuda.set_device(local)
    with _lost_process(rank, size):
        store, _, _ = next(rendezvous("env://", timeout=_TIMEOUT))
        dist.init_process_group(
            "nccl" if kind == "cuda" else "gloo",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
        )
    parallel = Parallel(rank, size, PrefixStore("commands", store), options.sync_batch_norm)
    _joined.append(parallel)
    try:
        yield parallel, replace(options, device=f"cuda:{local}" if kind == "cuda" else kind)
    finally:
        _joined.clear()
        if rank == 0:
            with suppress(Interrupted):
                parallel.send(END)
    # Not after an error: it might wait for a process that is gone.
    dist.destroy_process_group()


def _unfit(options: RunOptions, kind: str) -> str:
    """Why options are none of several processes on a kind of device; empty if they are."""
    if kind.startswith("cuda:"):
        return f"--device {kind} is the device of one process; use --device cuda, which gives each its own"
    if options.run_timeout is not None:
        return "--run-timeout ends a worker process, which torchrun does not start; leave it out"
    if options.sync_batch_norm and kind != "cuda":
        return "--sync-batch-norm needs CUDA, as torch's SyncBatchNorm takes no CPU tensors; leave it out"
    return ""


def scatter(parallel: Parallel | None, batch: Tensor | None) -> Tensor | None:
    """This process's rows of a batch (B, ...): every ``size``-th, so that each half of a batch is shared by all."""
    return batch if parallel is None or batch is None else _Scatter.apply(batch, parallel)


def gather(parallel: Parallel | None, rows: Tensor, size: int) -> Tensor:
    """The batch of ``size`` rows of which every process has its own."""
    return rows if parallel is None else _Gather.apply(rows, size, parallel)


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, batch: Tensor, parallel: Parallel) -> Tensor:
        ctx.parallel = parallel
        ctx.size = len(batch)
        return batch[parallel.rank :: parallel.size].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Gather.apply(gradient, ctx.size, ctx.parallel), None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, size: int, parallel: Parallel) -> Tensor:
        ctx.parallel = parallel
        most = -(-size // parallel.size)
        # Rows that are missing in the last turn are the last ones of the batch.
        padded = torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])]).contiguous()
        return torch.stack(parallel.all_gather(padded), dim=1).flatten(0, 1)[:size].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Scatter.apply(gradient, ctx.parallel), None, None


def sum_gradients(parallel: Parallel | None, parameters: Sequence[nn.Parameter]) -> None:
    """Sum the gradients of all processes, each of which has those of its rows."""
    if parallel is not None:
        _sum(parallel, [parameter.grad for parameter in parameters if parameter.grad is not None])


@torch.no_grad()
def average_buffers(parallel: Parallel | None, networks: Sequence[nn.Module]) -> None:
    """Average the buffers of networks over the processes: running statistics of batch norm, each of its own rows."""
    if parallel is None:
        return
    buffers = [buffer for network in networks for buffer in network.buffers() if buffer.is_floating_point()]
    _sum(parallel, buffers)
    for buffer in buffers:
        buffer.div_(parallel.size)


def _sum(parallel: Parallel, tensors: Sequence[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    parallel.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(total.view(tensor.shape))


def seed_dropout(parallel: Parallel | None, generator: torch.Generator, seed: int, iteration: int) -> None:
    """Seed torch's default generator for an iteration: a process draws masks of its own rows, also after a resume."""
    if parallel is not None:
        generator.manual_seed(derive(seed, f"dropout of process {parallel.rank}, iteration {iteration}"))
