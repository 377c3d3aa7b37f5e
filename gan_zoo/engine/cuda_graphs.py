"""Iterations as CUDA graphs.

A counter on the device indexes the epoch's order, which is drawn outside of the graph; latents and noise come from
generators registered with it; recorded values go into a ring buffer on the device.

A new graph is checked before it is used: it is replayed, the state is restored, the same iterations are run eagerly,
and both results are compared. Training continues from the eager one.
"""

import contextlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from gan_zoo.data import StreamedSplit
from gan_zoo.device import is_fatal, reason, synchronize
from gan_zoo.engine.batches import Batch, Draw, batch_at, begin_epoch, draw, draw_index, full_size, next_size
from gan_zoo.engine.snapshot import ROWS, Snapshot, mismatch
from gan_zoo.engine.state import State, default_generator, set_progress
from gan_zoo.engine.step import count, run_iteration, train_iteration

WARM_UP = 3
"""Eager iterations of each shape before it is recorded, in which libraries choose their kernels."""
UNROLL = 8
"""Iterations in a graph, where as many full ones follow each other."""
RING = 512
"""Rows of the ring buffer."""

Sizes = tuple[int, ...]
"""Sizes of the real batches of an iteration, one a discriminator step."""


class Recorded(Protocol):
    """A recorded graph."""

    def replay(self) -> None: ...


Record = Callable[[Callable[[], None], State], Recorded]

_BROKEN: list[torch.cuda.CUDAGraph] = []
"""Graphs whose capture failed: before torch 2.12 the allocator still uses them."""


def record_cuda(run: Callable[[], None], state: State) -> Recorded:
    """A graph of what ``run`` launches on the current stream; nothing is executed."""
    graph = torch.cuda.CUDAGraph()
    pool = torch.cuda.graph_pool_handle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # From torch 2.12 on generators register by themselves, and this call warns.
        for generator in state.random.values():
            graph.register_generator_state(generator)
    stream = torch.cuda.current_stream(state.device)
    try:
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            run()
    except BaseException:
        _close(graph, pool, stream.device_index)
        raise
    return graph


def _close(graph: torch.cuda.CUDAGraph, pool: tuple[int, int], device: int) -> None:
    """Release the memory of a failed capture; from torch 2.12 on ``reset`` does, and the next call raises."""
    with contextlib.suppress(RuntimeError):
        graph.reset()
        torch._C._cuda_endAllocateToPool(device, pool)
        _BROKEN.append(graph)
        torch._C._cuda_releasePool(device, pool)


def _counts_on_the_host(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer has state on the host, which a graph would freeze."""
    return any(
        isinstance(value, Tensor) and value.device.type == "cpu"
        for moments in optimizer.state.values()
        for value in moments.values()
    )


def _replace_generators(state: State) -> None:
    """Replace the states of generators: those of a failed capture wait for its end."""
    for purpose, generator in state.random.items():
        state.random[purpose] = _fresh_copy(generator)
    if state.device.type == "cuda":
        default = default_generator(state.device)
        default.graphsafe_set_state(_fresh_copy(default).graphsafe_get_state())


def _fresh_copy(generator: torch.Generator) -> torch.Generator:
    fresh = torch.Generator(generator.device)
    fresh.set_state(generator.get_state())
    return fresh


def _first_cause(error: BaseException) -> str:
    """The first error of a failed capture, in one line; its end raises another."""
    while error.__context__ is not None:
        error = error.__context__
    return reason(error)


class Graphs:
    """The CUDA graphs of one state. If an iteration cannot be recorded, it is run eagerly, and a notice says why."""

    def __init__(self, state: State, stream: torch.cuda.Stream | None, record: Record = record_cuda) -> None:
        self.stream = stream
        self.record = record
        self.seen: Counter[Sizes] = Counter()
        self.recorded: dict[tuple[Sizes, int], Recorded] = {}
        self.refused = False
        self.position = torch.zeros((), dtype=torch.int64, device=state.device)
        self.steps = torch.arange(state.variant.batch_size, device=state.device)
        self.slot = torch.zeros(1, dtype=torch.int64, device=state.device)
        self.ring: Tensor | None = None
        self.rows = 0
        if isinstance(state.data, StreamedSplit):
            self._refuse(state, "the images are too many for the device and are streamed from the host")

    def advance(self, state: State, iterations: int) -> None:
        """Train in place, on a stream of its own."""
        with self._own_stream(state):
            while iterations > 0:
                iterations -= self._replay(state, iterations) or self._run(state)
            self._collect(state)

    @contextmanager
    def _own_stream(self, state: State) -> Iterator[None]:
        if self.stream is None:
            yield
            return
        current = torch.cuda.current_stream(state.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def _run(self, state: State) -> int:
        """One eager iteration; the last one before a recording is checked for host synchronization."""
        self._collect(state)
        sizes = self._sizes(state)
        if sizes and not self.refused:
            self.seen[sizes] += 1
            if self.seen[sizes] == WARM_UP and self.stream is not None:
                self._watched(state)
                return 1
        run_iteration(state, draw)
        return 1

    def _watched(self, state: State) -> None:
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The first call in a process warns that the mode is a prototype.
            torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                run_iteration(state, draw)
        finally:
            torch.cuda.set_sync_debug_mode(before)
        if any("called a synchronizing" in str(warning.message) for warning in caught):
            self._refuse(state, "an iteration waits for the device")
        elif any(_counts_on_the_host(optimizer) for optimizer in state.optimizers):
            self._refuse(state, "an optimizer counts its steps on the host")

    def _refuse(self, state: State, reason: str, *, notice: bool = False) -> None:
        self.refused = True
        self.recorded.clear()
        state.execution = f"eager: {reason}"
        if notice:
            state.notices.append(f"{reason}; training is eager")

    def _replay(self, state: State, limit: int) -> int:
        """Replay a graph of the next iterations, recorded if needed; returns their number, 0 without a graph."""
        sizes = self._sizes(state)
        if self.refused or not sizes or self.seen[sizes] < WARM_UP:
            return 0
        times = UNROLL if limit >= UNROLL and self._full_iterations(state, sizes) >= UNROLL else 1
        if (sizes, times) not in self.recorded:
            return self._record(state, sizes, times)
        if self.rows + times > RING:
            self._collect(state)
        self._start_replay(state)
        self.recorded[sizes, times].replay()
        self.rows += times
        count(state, times * sum(sizes), times)
        if state.variant.sampling == "epoch":
            state.cursor += times * sum(sizes)
        return times

    def _start_replay(self, state: State) -> None:
        self.position.fill_(state.cursor)
        set_progress(state)

    def _sizes(self, state: State) -> Sizes:
        """The batches of the next iteration; none if it needs the order of another epoch."""
        steps = state.variant.discriminator_steps
        if state.variant.sampling == "replacement":
            return (full_size(state),) * steps
        if not next_size(state):
            begin_epoch(state)
        sizes: list[int] = []
        for _ in range(steps):
            sizes.append(next_size(state, ahead=sum(sizes)))
        return tuple(sizes) if all(sizes) else ()

    def _full_iterations(self, state: State, sizes: Sizes) -> int:
        """At least so many such iterations follow each other."""
        if state.variant.sampling == "replacement":
            return UNROLL
        return (len(state.data) - state.cursor) // sum(sizes) if len({*sizes, next_size(state)}) == 1 else 1

    def _record(self, state: State, sizes: Sizes, times: int) -> int:
        """Record a graph and check it; returns the iterations trained: ``times``, or 0 if it cannot be recorded."""
        self._collect(state)
        if self.ring is None:
            self.ring = torch.zeros(RING, len(state.history.names), dtype=state.dtype, device=state.device)
        started = time.perf_counter()
        before = None
        try:
            before = Snapshot.of(state)
            graph = self.record(lambda: self._iterations(state, sizes, times), state)
            before.restore(state)  # Recording may have changed counts on the host.
            replayed = self._replayed(state, graph, times)
        except RuntimeError as error:
            if is_fatal(error, state.device):
                raise
            _replace_generators(state)
            if before is not None:
                before.restore(state)
            self._refuse(state, f"a CUDA graph cannot be recorded: {_first_cause(error)}", notice=True)
            state.warmup_seconds += time.perf_counter() - started
            return 0
        began = time.perf_counter()
        eager = self._run_eagerly(state, before, times)
        trained = time.perf_counter() - began
        if why := mismatch(replayed, eager, lambda: self._run_eagerly(state, before, times)):
            self._refuse(state, f"a replayed CUDA graph differs from eager steps: {why}", notice=True)
        else:
            self.recorded[sizes, times] = graph
            state.execution = "CUDA graphs"
        eager.restore(state)
        state.history.pending.append(eager.tensors[ROWS])
        count(state, times * sum(sizes), times)
        state.warmup_seconds += time.perf_counter() - started - trained
        return times

    def _replayed(self, state: State, graph: Recorded, times: int) -> Snapshot:
        """The state after a replay."""
        assert self.ring is not None
        self._start_replay(state)
        graph.replay()
        self.slot.zero_()
        snapshot = Snapshot.of(state, self.ring[:times])
        synchronize(state.device)
        return snapshot

    def _run_eagerly(self, state: State, before: Snapshot, times: int) -> Snapshot:
        """The state after the same iterations, run eagerly."""
        before.restore(state)
        set_progress(state)
        rows = [train_iteration(state, draw)[0] for _ in range(times)]
        snapshot = Snapshot.of(state, torch.cat(rows))
        synchronize(state.device)
        return snapshot

    def _iterations(self, state: State, sizes: Sizes, times: int) -> None:
        """The iterations that a graph records."""
        assert self.ring is not None
        for _ in range(times):
            row, _ = train_iteration(state, self._draw(sizes))
            self.ring.index_copy_(0, self.slot, row)
            self.slot.add_(1)

    def _draw(self, sizes: Sequence[int]) -> Draw:
        """A source of batches that reads its position in the epoch from the device."""
        left = iter(sizes)

        def draw_from_device(state: State) -> Batch:
            if state.variant.sampling == "replacement":
                return batch_at(state, draw_index(state))
            size = next(left)
            index = state.order[self.position + self.steps[:size]]
            self.position.add_(size)
            return batch_at(state, index)

        return draw_from_device

    def _collect(self, state: State) -> None:
        """Move the rows of the ring buffer to the history."""
        if self.rows:
            assert self.ring is not None
            state.history.pending.append(self.ring[: self.rows].clone())
            self.slot.zero_()
            self.rows = 0
