"""Runs on this machine: in this process, or side by side in processes of their own.

Small networks gain more from a core each than from many threads. A worker gets the options and the name of a run, and
writes records; its progress is read from a file beside them. On CUDA each worker has one of the devices.
"""

import os
import signal
import time
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gan_zoo.bench.callbacks import Listener, ProgressFile, ProgressFileReader
from gan_zoo.bench.executors.processes import SingleProcess, Stop
from gan_zoo.bench.plan import Plan, RunSpec, make_plan
from gan_zoo.bench.records import Row
from gan_zoo.bench.run import execute_run
from gan_zoo.bench.run_rows import record_death
from gan_zoo.engine import advance, init
from gan_zoo.errors import GanZooError, Interrupted, one_line
from gan_zoo.metrics.evaluator import Measuring
from gan_zoo.options import RunOptions

EndedRuns = Generator[tuple[RunSpec, Row], None, None]
"""Runs with their last rows, as they end."""
_PERIOD = 0.2
"""Seconds between two checks of signals, time limits and progress."""
_ESTIMATE_AFTER = 2.0
"""Seconds of running after which the time that is left is estimated."""
_UNTIMED_STEPS = 2
"""In the first steps libraries choose their kernels, and memory is mapped."""
_TIMED_SECONDS = 0.3


def execute(plan: Plan, runs: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> EndedRuns:
    """Execute runs, ``plan.jobs`` at a time, and yield each with its last row as it ends.

    A run whose process ends before it, however that happens, ends with status ``error`` and is not tried again in this
    session; one that takes longer than the plan's limit ends with status ``timeout``. The others continue.

    Raises:
        Interrupted: a stop was requested, and every run in training has written a checkpoint.
        StorageError: a file of a run cannot be written.
    """
    options = plan.options
    in_workers = options.isolate or options.run_timeout is not None or (plan.jobs > 1 and len(runs) > 1)
    # A process that trains with others has met them already.
    if runs and in_workers and plan.parallel is None:
        yield from _Workers(plan, runs, folder, listener, stop).execute()
        return
    evaluator = plan.evaluator()
    for run in runs:
        if stop.requested:
            raise stop.interrupted(f"stopped before {run.title}")
        end = execute_run(plan, run, evaluator, folder, listener, stop)
        yield run, end
        if end.get("fatal"):
            raise GanZooError(f"{run.title}: {end['message']}; run the same command again, in another process")


class _Job:
    """A run in a worker process for a device; ``is_ready``: the process has begun a run."""

    def __init__(
        self, process: SingleProcess, device: torch.device, run: RunSpec, folder: Path, *, is_ready: bool
    ) -> None:
        self.process, self.device, self.run, self.is_ready = process, device, run, is_ready
        self.progress = ProgressFileReader(folder, run)
        self.future: Future[Row] = process.submit(_work, run.name)
        self.began: float | None = None

    def follow(self, listener: Listener) -> None:
        """Notify the listener of the progress since the last call."""
        if self.progress.follow(listener) and self.began is None:
            self.began, self.is_ready = time.monotonic(), True

    def is_late(self, limit: float | None) -> bool:
        """Whether the run has taken longer than a limit."""
        return limit is not None and self.began is not None and time.monotonic() - self.began > limit


class _Workers:
    """Worker processes, each with a run, and the runs that wait for one."""

    def __init__(self, plan: Plan, runs: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> None:
        self.plan, self.folder, self.listener, self.stop = plan, folder, listener, stop
        # Each worker makes the plan again: what is decided here must not depend on its own process.
        self.options = replace(plan.options, download=False, threads=plan.threads)
        self.waiting = deque(runs)
        self.jobs: list[_Job] = []
        self.stopping = False
        self.estimator: SingleProcess | None = None
        self.estimates: dict[str, Future[float]] = {}
        self.estimate_at = time.monotonic() + _ESTIMATE_AFTER

    def execute(self) -> EndedRuns:
        """Yield the runs with their last rows as they end; the processes end with the generator."""
        try:
            while self.waiting or self.jobs:
                self._pass_on_stop()
                self._estimate()
                self.listener.tick()
                while self.waiting and len(self.jobs) < self.plan.jobs:
                    device = self._device()
                    self._begin(self._process(device), device, is_ready=False)
                wait([job.future for job in self.jobs], timeout=_PERIOD, return_when=FIRST_COMPLETED)
                for job in list(self.jobs):
                    job.follow(self.listener)
                    if job.future.done() or job.is_late(self.options.run_timeout):
                        row = self._end(job)
                        if row is not None:
                            self.listener.end(job.run, row)
                            yield job.run, row
        finally:
            for job in self.jobs:
                job.process.kill()
                job.progress.remove()
            if self.estimator is not None:
                self.estimator.kill()
        if self.stopping:
            raise self.stop.interrupted("stopped after a checkpoint of every run in training")

    def _device(self) -> torch.device:
        """The first of the devices with the fewest runs."""
        used = [job.device for job in self.jobs]
        return min(self.plan.devices, key=used.count)

    def _process(self, device: torch.device) -> SingleProcess:
        options = replace(self.options, device=str(device))
        return SingleProcess(_prepare, options, self.folder, self.plan.measurement_digests)

    def _begin(self, process: SingleProcess, device: torch.device, *, is_ready: bool) -> None:
        self.jobs.append(_Job(process, device, self.waiting.popleft(), self.folder, is_ready=is_ready))

    def _pass_on_stop(self) -> None:
        if self.stop.requested and not self.stopping:
            self.stopping = True
            self.waiting.clear()
            self.listener.notice("stopping after a checkpoint; press Ctrl-C again to stop at once")
            for job in self.jobs:
                if job.process.process is not None:
                    job.process.process.terminate()

    def _end(self, job: _Job) -> Row | None:
        """The last row of a run that has ended or takes too long; None if a stop ended it.

        Its process gets the next run, unless it is gone or the run has left it without a working device.
        """
        self.jobs.remove(job)
        is_late = not job.future.done()
        error = None if is_late else job.future.exception()
        row = None if is_late or error is not None else job.future.result()
        status = job.process.exit_status() if isinstance(error, BrokenProcessPool) else 0
        if row is not None and self.waiting and not row.get("fatal"):
            self._begin(job.process, job.device, is_ready=True)
        else:
            job.process.kill()
        if isinstance(error, BrokenProcessPool):
            row = None if self.stop.requested else self._record_death(job, status)
        elif error is not None:
            known = isinstance(error, (GanZooError, OSError))
            failed = f"a worker process failed ({one_line(error)}); run the same command again, or with --jobs 1"
            raise GanZooError(str(error) if known else failed) from None
        elif is_late:
            limit = f"{self.options.run_timeout:g} s"
            message = f"took longer than {limit}; the same command with a longer --run-timeout resumes it"
            row = record_death(self.plan, job.run, self.folder, "timeout", message)
        job.progress.remove()
        return row

    def _record_death(self, job: _Job, status: int) -> Row:
        """The last row of a run whose process has ended with an exit status, below 0 for a signal.

        Raises:
            GanZooError: the process ended by itself before it could begin a run.
        """
        if status > 0 and not job.is_ready:
            raise GanZooError(
                f"a worker process could not begin (exit status {status}, its message is above): call run_suite from a "
                'file under `if __name__ == "__main__":`, or with jobs=1'
            )
        how = "was killed, probably for memory" if status == -signal.SIGKILL else f"ended with exit status {status}"
        message = f"its process {how} before the run did; the same command runs it again"
        return record_death(self.plan, job.run, self.folder, "error", message)

    def _estimate(self) -> None:
        """Pass on how long a run of each variant takes; commands of a few seconds end before it is measured.

        The remaining time of a single run follows from its progress, and measuring would slow it down.
        """
        due = self.waiting and time.monotonic() > self.estimate_at and self.plan.device.type == "cpu"
        if self.estimator is None and due and not self.options.single:
            self.estimator = self._process(self.plan.device)
            runs = [*self.waiting, *(job.run for job in self.jobs)]
            names = {run.variant_name: run.name for run in runs if run.variant is not None}
            self.estimates = {name: self.estimator.submit(_estimate, run) for name, run in names.items()}
        for name in [name for name, future in self.estimates.items() if future.done()]:
            future = self.estimates.pop(name)
            if future.exception() is None:
                self.listener.estimate(name, future.result())


_worker: dict[str, Any] = {}
"""What a worker process was begun with: ``options``, ``folder``, ``measurements`` and ``stop``."""


def _prepare(options: RunOptions, folder: Path, measurements: Mapping[str, str]) -> None:
    """Begin a worker process, in which SIGTERM stops a run after a checkpoint, and then the process."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.request)
    _worker.update(options=options, folder=folder, measurements=measurements, stop=stop)


@cache
def _planned() -> tuple[Plan, dict[str, RunSpec], Measuring]:
    """The plan, its runs by name, and what measures them; a variant is code, which does not travel to processes."""
    plan = make_plan(_worker["options"])
    return plan, {run.name: run for run in plan.runs()}, plan.evaluator()


def _work(name: str) -> Row:
    """Execute a run in a worker process, and return its last row."""
    try:
        plan, runs, evaluator = _planned()
        if plan.measurement_digests != _worker["measurements"]:
            differing = sorted(dict(plan.measurement_digests.items() ^ _worker["measurements"].items()))
            raise GanZooError(
                f"worker processes measure otherwise than this one (extractor {', '.join(differing)}): name the files "
                "that register metrics and extractors as plugins, or use jobs=1"
            )
        if name not in runs:
            raise GanZooError(
                f"run {name!r} has another identity in a worker process: its variant changes from import to import"
            )
        folder, stop = _worker["folder"], _worker["stop"]
        return execute_run(plan, runs[name], evaluator, folder, ProgressFile(folder, runs[name]), stop)
    except Interrupted as error:
        os._exit(error.status)
    except KeyboardInterrupt:
        # A second signal while the first one's checkpoint was written.
        os._exit(128 + signal.SIGTERM)


def _estimate(name: str) -> float:
    plan, runs, _ = _planned()
    return training_seconds(plan, runs[name])


def training_seconds(plan: Plan, run: RunSpec) -> float:
    """Seconds of training of a run on the CPU, from its first steps.

    Only CPU time counts, so that runs in training on the same cores do not slow the estimate down.
    """
    if plan.budget.unit == "seconds":
        return plan.budget.amount
    assert run.variant is not None
    state = init(run.variant, plan.data[run.variant.image_side], run.seed, precision=plan.precision)
    steps = plan.budget.steps_left(state, 1.0)
    advance(state, min(_UNTIMED_STEPS, steps))
    timed, started = 0, time.process_time()
    while time.process_time() - started < _TIMED_SECONDS * plan.threads:
        advance(state, 1)
        timed += 1
    return steps * (time.process_time() - started) / plan.threads / timed
