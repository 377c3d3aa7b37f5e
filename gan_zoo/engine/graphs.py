"""Rounds as CUDA graphs: recorded once, then replayed without Python and without launches between their kernels.

A round's batches are gathered by a counter on the device from the epoch's order, which is drawn outside of any graph;
its latents and noise come from generators registered with the graph; its record goes into a ring on the device.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from gan_zoo.data import StreamedSplit
from gan_zoo.engine.batches import Batch, Draw, batch_at, begin_epoch, draw, draw_index, next_size
from gan_zoo.engine.state import State
from gan_zoo.engine.step import count, run_round, train_round

WARM_UP = 3
"""Rounds of each shape that are run one by one before it is recorded: libraries choose their kernels in them."""
UNROLL = 8
"""Rounds a graph where so many full ones follow each other."""
RING = 512
"""Rows of the ring."""

Sizes = tuple[int, ...]
"""The sizes of the real batches of a round, one a discriminator step."""


class Recorded(Protocol):
    """What a graph is to the engine: something to replay."""

    def replay(self) -> None: ...


Record = Callable[[Callable[[], None], State], Recorded]


def record_cuda(run: Callable[[], None], state: State) -> Recorded:
    """What ``run`` launches on the current stream, recorded and not executed."""
    graph = torch.cuda.CUDAGraph()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # From torch 2.12 on generators register by themselves, and this call says so.
        for generator in state.random.values():
            graph.register_generator_state(generator)
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(state.device), capture_error_mode="thread_local"):
        run()
    return graph


def _counts_on_the_host(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step depends on what a recording would freeze."""
    return any(
        isinstance(value, Tensor) and value.device.type == "cpu"
        for moments in optimizer.state.values()
        for value in moments.values()
    )


def _renew_generators(state: State) -> None:
    """Give generators states of their own anew: a recording that broke off leaves the old ones waiting for its end."""
    for purpose, generator in state.random.items():
        state.random[purpose] = _renewed(generator)
    if state.device.type == "cuda":
        index = torch.cuda.current_device() if state.device.index is None else state.device.index
        default = torch.cuda.default_generators[index]
        default.graphsafe_set_state(_renewed(default).graphsafe_get_state())


def _renewed(generator: torch.Generator) -> torch.Generator:
    fresh = torch.Generator(generator.device)
    fresh.set_state(generator.get_state())
    return fresh


class Graphs:
    """The recorded rounds of one state. A variant whose round cannot be recorded is run round by round, as it says."""

    def __init__(self, state: State, stream: torch.cuda.Stream | None, record: Record = record_cuda) -> None:
        self.stream, self.record = stream, record
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

    def advance(self, state: State, rounds: int) -> None:
        """Train for so many rounds, in place, on a stream of their own."""
        with self._own_stream(state):
            while rounds > 0:
                rounds -= self._replay(state, rounds) or self._run(state)
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
        """One round without a graph; the last one before a recording is watched for what cannot be recorded."""
        sizes = self._sizes(state)
        if sizes and not self.refused:
            self.seen[sizes] += 1
            if self.seen[sizes] == WARM_UP and self.stream is not None:
                self._watched(state)
                return 1
        run_round(state, draw)
        return 1

    def _watched(self, state: State) -> None:
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                run_round(state, draw)
        finally:
            torch.cuda.set_sync_debug_mode(before)
        if any("synchronizing" in str(warning.message) for warning in caught):
            self._refuse(state, "a round waits for the device")
        elif any(_counts_on_the_host(optimizer) for optimizer in state.optimizers):
            self._refuse(state, "an optimizer counts its steps on the host")

    def _refuse(self, state: State, reason: str) -> None:
        self.refused, state.execution = True, f"eager: {reason}"

    def _replay(self, state: State, limit: int) -> int:
        """Replay a graph of the next rounds; gives back how many they were, 0 where there is none."""
        sizes = self._sizes(state)
        if self.refused or not sizes or self.seen[sizes] < WARM_UP:
            return 0
        times = UNROLL if limit >= UNROLL and self._full_rounds(state, sizes) >= UNROLL else 1
        if (graph := self._graph(state, sizes, times)) is None:
            return 0
        if self.rows + times > RING:
            self._collect(state)
        self.position.fill_(state.cursor)
        graph.replay()
        self.rows += times
        for _ in range(times):
            count(state, sum(sizes))
        if state.variant.sampling == "epoch":
            state.cursor += times * sum(sizes)
        return times

    def _sizes(self, state: State) -> Sizes:
        """The next round's batches; none where the round reaches into another epoch, whose order is not drawn yet."""
        steps = state.variant.discriminator_steps
        if state.variant.sampling == "replacement":
            return (state.variant.batch_size - state.variant.batch_size % state.variant.packing,) * steps
        if not next_size(state):
            begin_epoch(state)
        sizes: list[int] = []
        for _ in range(steps):
            sizes.append(next_size(state, ahead=sum(sizes)))
        return tuple(sizes) if all(sizes) else ()

    def _full_rounds(self, state: State, sizes: Sizes) -> int:
        """Rounds like this one that follow each other from here, at least."""
        if state.variant.sampling == "replacement":
            return UNROLL
        return (len(state.data) - state.cursor) // sum(sizes) if len({*sizes, next_size(state)}) == 1 else 1

    def _graph(self, state: State, sizes: Sizes, times: int) -> Recorded | None:
        if (sizes, times) not in self.recorded:
            if self.ring is None:
                values = len(state.history.names)
                self.ring = torch.zeros(RING, values, dtype=state.dtype, device=state.device)
            try:
                self.recorded[sizes, times] = self.record(lambda: self._rounds(state, sizes, times), state)
            except RuntimeError as error:
                self._refuse(state, str(error).partition("\n")[0])
                _renew_generators(state)
                return None
            state.execution = "CUDA graphs"
        return self.recorded[sizes, times]

    def _rounds(self, state: State, sizes: Sizes, times: int) -> None:
        """What a graph records."""
        assert self.ring is not None
        for _ in range(times):
            row, _ = train_round(state, self._draw(sizes))
            self.ring.index_copy_(0, self.slot, row)
            self.slot.add_(1)

    def _draw(self, sizes: Sequence[int]) -> Draw:
        """A source of batches that reads its place in the epoch from the device."""
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
        """Hand the ring's rows over to the history."""
        if self.rows:
            assert self.ring is not None
            state.history.pending.append(self.ring[: self.rows].clone())
            self.slot.zero_()
            self.rows = 0
