"""The processes of a data parallel run: that of rank 0 is an ordinary run, and the others follow it."""

import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from gan_zoo.bench.executors.processes import handled
from gan_zoo.bench.plan import make_plan
from gan_zoo.engine import State, advance, checkpoint, start
from gan_zoo.engine.parallel import END, LOST, Parallel, join
from gan_zoo.errors import GanZooError, Interrupted, one_line
from gan_zoo.options import RunOptions

_PATIENCE = 5.0
"""Seconds after a failure in which rank 0 may report it too."""


@contextmanager
def processes(options: RunOptions) -> Iterator[tuple[Parallel | None, RunOptions]]:
    """``join``, and within it the signals of torchrun, which ends all processes after one has failed.

    Rank 0 stops training after a checkpoint, and reports a process that is gone; the others print nothing.

    Raises:
        GanZooError: as ``join``; from another rank than 0, an error that rank 0 has not met.
        Interrupted: another process is gone.
    """
    with join(options) as (parallel, own):
        if parallel is None:
            yield parallel, own
        elif parallel.rank == 0:
            with handled(signal.SIG_IGN, signal.SIGTERM):
                yield parallel, own
        else:
            with handled(signal.SIG_IGN, signal.SIGTERM, signal.SIGINT), _silent(parallel):
                yield parallel, own


@contextmanager
def _silent(parallel: Parallel) -> Iterator[None]:
    """Leave an error to rank 0 if it ends too, and the death of rank 0 to rank 1."""
    try:
        yield
    except BaseException as error:
        if _has_ended_too(parallel):
            raise SystemExit(0) from None
        if isinstance(error, Interrupted):
            again = Interrupted(f"{error}; run the same command again to resume", LOST)
            raise (again if parallel.rank == 1 else SystemExit(LOST)) from None
        where = f"process {parallel.rank} of {parallel.size} on {socket.gethostname()}"
        what = str(error) if isinstance(error, GanZooError) else one_line(error)
        raise GanZooError(f"{where}: {what}") from None


def send_state(parallel: Parallel, state: State) -> None:
    """Send the state of rank 0 to all processes, as the content of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        checkpoint.save(state, path)
        content = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    parallel.send(str(len(content)))
    parallel.broadcast(content.to(state.device))


def receive_state(parallel: Parallel, state: State, size: int) -> None:
    """Receive the state of rank 0, ``size`` bytes, in place.

    Raises:
        GanZooError: it is of another data set, or of another version of a variant.
    """
    content = torch.empty(size, dtype=torch.uint8, device=state.device)
    parallel.broadcast(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        path.write_bytes(content.cpu().numpy().tobytes())
        checkpoint.restore(state, checkpoint.load(path))


def follow(parallel: Parallel, options: RunOptions) -> None:
    """Train as rank 0 does, by its commands, until its last one; nothing is printed or written.

    Raises:
        GanZooError: the options, data or device do not fit here, or the state of rank 0 is another run's.
        Interrupted: another process is gone.
    """
    plan = make_plan(replace(options, evaluate=False))
    (run,) = plan.runs()
    assert run.variant is not None
    data = plan.data[run.variant.image_side]
    state = start(run.variant, data, run.seed, precision=plan.precision, parallel=parallel)
    command = parallel.receive()
    if command != END:
        receive_state(parallel, state, int(command))
        while (command := parallel.receive()) != END:
            advance(state, int(command))
            state.history.pending.clear()


def _has_ended_too(parallel: Parallel) -> bool:
    """Whether rank 0 ends too, as it does after an error that all processes meet."""
    try:
        return parallel.receive(within=_PATIENCE) == END
    except Interrupted:
        return False
