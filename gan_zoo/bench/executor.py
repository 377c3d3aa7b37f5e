"""Runs side by side in processes of their own: small networks gain more from a core each than from many threads."""

import contextlib
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from gan_zoo.bench import estimate, launch, worker
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.interrupts import NOTICE, Stop
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import Row, append, read_run
from gan_zoo.bench.resume import is_finished
from gan_zoo.bench.run import begin_anyhow, execute_run, now, records_path
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions

Rows = Generator[tuple[RunSpec, Row], None, None]
"""Runs with their last rows, as they end."""
_ENDING = 10.0
"""Seconds that a process may take between closing its pipe and its end."""
_LOOK = 0.2
"""Seconds between two looks at signals and time limits."""
_ESTIMATE_AFTER = 2.0
"""Seconds of running after which the time that is left is estimated."""
GONE: Row = {}
"""In place of a row: the process of the run is gone."""


def run_cells(plan: Plan, cells: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> Rows:
    """Run the runs, ``plan.jobs`` at a time, and yield each with its last row as it ends.

    A run whose process ends before it, however that happens, ends with status ``error`` and is not tried again in this
    session; one that takes longer than the plan's limit ends with status ``timeout``. The others go on.

    Raises:
        Interrupted: a stop was requested, and every run in training has written a checkpoint.
        StorageError: a file of a run cannot be written.
    """
    if cells and (plan.options.isolate or plan.options.run_timeout is not None or (plan.jobs > 1 and len(cells) > 1)):
        yield from _Crew(plan, cells, folder, listener, stop).run()
        return
    evaluator = plan.evaluator()
    for cell in cells:
        if stop.requested:
            raise stop.interrupted(f"stopped before {cell.title}")
        end = execute_run(plan, cell, evaluator, folder, listener, stop)
        yield cell, end
        if end.get("fatal"):
            raise GanZooError(f"{cell.title}: {end['message']}; run the same command again, in another process")


class _Crew:
    """Worker processes, each with a run, and the runs that wait for one."""

    def __init__(self, plan: Plan, cells: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> None:
        self.plan, self.folder, self.listener, self.stop = plan, folder, listener, stop
        # Made again by each worker: what is decided here must not depend on its own process.
        self.options = replace(plan.options, download=False, threads=plan.threads)
        self.waiting = deque(cells)
        self.workers: list[_Worker] = []
        self.stopping = False
        self.estimator: _Estimator | None = None
        self.estimate_at = time.monotonic() + _ESTIMATE_AFTER

    def run(self) -> Rows:
        """Yield the runs with their last rows as they end; the processes end with the generator."""
        try:
            while self.waiting or self.workers:
                self._obey()
                self._estimate()
                self.listener.tick()
                while self.waiting and len(self.workers) < self.plan.jobs:
                    self.workers.append(_Worker(self.options, self.folder, self.waiting.popleft()))
                for one in _heard(self.workers):
                    cell = one.cell
                    if (row := self._hear(one)) is not None:
                        yield cell, row
                yield from self._end_late()
        finally:
            for one in self.workers:
                one.kill()
            if self.estimator is not None:
                self.estimator.kill()
        if self.stopping:
            raise self.stop.interrupted("stopped after a checkpoint of every run in training")

    def _obey(self) -> None:
        """Where a stop was requested, pass it on to the workers, once."""
        if self.stop.requested and not self.stopping:
            self.stopping = True
            self.waiting.clear()
            self.listener.notice(NOTICE)
            for one in self.workers:
                one.process.terminate()

    def _estimate(self) -> None:
        """Pass on how long a run of each variant takes; commands of a few seconds end before it is measured.

        A single run's own progress tells it, and measuring takes from its speed.
        """
        if self.plan.options.single:
            return
        if self.estimator is not None:
            self.estimator.hear(self.listener)
        elif self.waiting and time.monotonic() > self.estimate_at and self.plan.device.type == "cpu":
            self.estimator = _Estimator(self.options, [*self.waiting, *(one.cell for one in self.workers)])

    def _hear(self, one: "_Worker") -> Row | None:
        """The last row of the worker's run if it has ended; the worker then gets the next one, or is ended.

        It is ended too where the run has left it without a working device: the next run gets another process.
        """
        cell, row = one.cell, one.hear(self.listener)
        if row is None:
            return None
        if row is GONE:
            self.workers.remove(one)
            status = one.ended()
            return None if self.stop.requested else self._record_death(cell, "error", _death(status))
        if self.waiting and not row.get("fatal"):
            one.give(self.waiting.popleft())
        else:
            self.workers.remove(one)
            one.kill()
        return row

    def _end_late(self) -> Rows:
        """End the runs that have taken longer than the plan's limit."""
        limit = self.plan.options.run_timeout
        for one in [one for one in self.workers if limit is not None and one.seconds > limit]:
            self.workers.remove(one)
            one.kill()
            message = f"took longer than {limit:g} s; the same command with a longer --run-timeout resumes it"
            yield one.cell, self._record_death(one.cell, "timeout", message)

    def _record_death(self, cell: RunSpec, status: str, message: str) -> Row:
        """The last row of a run whose process is gone: its own if it had finished, else one that is appended.

        What it had done is according to its records.
        """
        path = records_path(self.folder, cell)
        begin_anyhow(self.plan, cell, self.folder)
        done = read_run(path)
        if done.end is not None and is_finished(self.plan, self.folder, cell):
            return done.end
        last = max([*done.history, *done.metrics], key=lambda row: int(row["step"]), default={})
        row: Row = {"row": "end", "status": status, "message": message, "ended": now(), "steps": last.get("step", 0)}
        counts = ("images", "discriminator_steps", "generator_steps", "seconds")
        row |= {name: last.get(name, 0) for name in counts} | {"images_per_second": None, "peak_memory_bytes": None}
        append(path, row)
        self.listener.end(cell, row)
        return row


def _death(status: int) -> str:
    how = "was killed, probably for memory" if status == -signal.SIGKILL else f"ended with exit status {status}"
    return f"its process {how} before the run did; the same command runs it again"


def _heard(crew: list["_Worker"]) -> list["_Worker"]:
    """The workers that have sent something, or are gone, within a fraction of a second."""
    ready = wait([one.pipe for one in crew], timeout=_LOOK)
    return [one for one in crew if one.pipe in ready]


class _Estimator:
    """The process that measures how long a run of each variant takes."""

    def __init__(self, options: RunOptions, cells: list[RunSpec]) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        names = {cell.variant_name: cell.name for cell in cells if cell.variant is not None}
        self.process = launch.start(estimate.serve, theirs, options, [*names.values()])
        theirs.close()

    def hear(self, listener: Listener) -> None:
        """Pass on what it has measured since."""
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                listener.estimate(*self.pipe.recv())

    def kill(self) -> None:
        """End the process at once."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class _Worker:
    """A worker process as its parent sees it, and the run that it is at."""

    def __init__(self, options: RunOptions, folder: Path, cell: RunSpec) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = launch.start(worker.serve, theirs, options, folder)
        # With this end closed here, a dead process is heard at once as the end of the pipe.
        theirs.close()
        self.ready = False
        self.give(cell)

    def give(self, cell: RunSpec) -> None:
        """Have it run a run."""
        self.cell = cell
        self.began: float | None = None
        # To one that is gone nothing can be told; `hear` finds out.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(cell.name)

    def hear(self, listener: Listener) -> Row | None:
        """Pass on what it sends next: None, its run's last row when that has ended, or ``GONE`` if its process is.

        Raises:
            GanZooError: it cannot run any run.
        """
        try:
            event, *rest = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            if not self.ready:
                self._tell_false_start()
            return GONE
        if event == worker.READY:
            self.ready = True
            return None
        if event == worker.NOTICE:
            listener.notice(rest[0])
            return None
        if event == "begin":
            self.began = time.monotonic()
        if event == worker.FAILED:
            raise GanZooError(rest[0])
        if event == worker.DONE:
            row: Row = rest[0]
            return row
        getattr(listener, event)(self.cell, *rest)
        return None

    def _tell_false_start(self) -> None:
        """Raise GanZooError where the process ended by itself before it could run a cell; a killed one does not."""
        self.process.join(_ENDING)
        if (status := self.process.exitcode or 0) > 0:
            raise GanZooError(
                f"a worker process could not begin (exit status {status}, its message is above): call run_suite from a "
                'file under `if __name__ == "__main__":`, or with jobs=1'
            )

    @property
    def seconds(self) -> float:
        """Wall seconds since its run began; 0 before."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    def ended(self) -> int:
        """The exit status of a process that has closed its pipe, below 0 for the signal that ended it."""
        self.process.join(_ENDING)
        self.kill()
        return self.process.exitcode or 0

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self.pipe.close()
        self.process.kill()
        self.process.join()
