"""Runs on a Ray cluster: each is a task, and this process, the driver, writes all records.

A task streams what its run writes (``ray_worker``). Ray retries nothing, since a task that is repeated would send the
same rows again: the driver submits a run again, with its records so far, from its last checkpoint.
"""

import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import (
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from gan_zoo.bench.callbacks import Listener, ProgressReader
from gan_zoo.bench.executors.local import EndedRuns
from gan_zoo.bench.executors.processes import Stop, begin_early
from gan_zoo.bench.executors.ray_connection import connection, shared_token
from gan_zoo.bench.executors.ray_worker import Content, Setup, Update, pack, versions, work
from gan_zoo.bench.executors.storage import Storage, StorageUnavailable, complete, stored_records, whole_lines
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import Row, append_lines, flush, is_finished, read_run, records_path
from gan_zoo.bench.run import execute_run
from gan_zoo.bench.run_rows import record_death
from gan_zoo.bench.suite_variants import base_name
from gan_zoo.device import gpu_share
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_write, inside, with_home

_PERIOD = 0.1
"""Seconds between two looks at the tasks."""
_IN_FLIGHT = 2_000
"""Tasks that are submitted and have not ended; the other runs wait in the driver."""
_UPDATES = 500
"""Updates of all runs a second, about, that the driver writes."""
_SHORTEST_PERIOD = 0.5
"""Seconds between two updates of a run."""
_MAX_DEATHS = 3
_STORAGE_PAUSE = 10.0
"""Seconds without a new task after the storage could not be reached, so that a short outage does not end all runs."""
_ENDING = 10.0
"""Seconds that a cancelled task may take to end."""
_DEATHS: dict[type[RayError], str] = {
    WorkerCrashedError: "its worker process died",
    NodeDiedError: "its node died",
    OutOfMemoryError: "its worker was killed, as its node was out of memory",
}


def execute(plan: Plan, runs: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> EndedRuns:
    """Execute runs on a Ray cluster, and yield each with its last row as it ends.

    A run whose worker or node dies is submitted again from its last checkpoint, at most 3 times; then it ends with
    status ``error``. One that takes longer than the plan's limit ends with status ``timeout``.

    Raises:
        Interrupted: a stop was requested, and every run in training has stored a checkpoint.
        StorageError: a file of a run cannot be written.
        GanZooError: the cluster cannot be reached, or its nodes do not have what the runs need.
    """
    # The report while runs train has a process of its own, for which the driver must not wait.
    begin_early(plan.device.type)
    evaluator = plan.evaluator() if any(run.images is not None for run in runs) else None
    for run in [run for run in runs if run.images is not None]:
        # Their files are on this machine.
        assert evaluator is not None
        if stop.requested:
            raise stop.interrupted(f"stopped before {run.title}")
        yield run, execute_run(plan, run, evaluator, folder, listener, stop)
    trained = [run for run in runs if run.images is None]
    if trained:
        named = (plan.options.storage or str(folder)).removeprefix("file://")
        storage = named if "://" in named else str(with_home(named, "--storage").resolve())
        with connection(plan.options), shared_token(storage) as token:
            yield from _Cluster(plan, trained, folder, listener, stop, storage, token).execute()


@dataclass
class _Task:
    """A run that is submitted; ``began``: when it was first heard of."""

    run: RunSpec
    generator: Any
    num_gpus: float
    progress: ProgressReader = field(init=False)
    began: float | None = None

    def __post_init__(self) -> None:
        self.progress = ProgressReader(self.run)


def _kill(task: _Task) -> None:
    """End a task, and wait until it is gone: it must not store anything beside its successor."""
    ray.cancel(task.generator, force=True)
    until = time.monotonic() + _ENDING
    with contextlib.suppress(RayError, StopIteration):
        while ray.wait([task.generator], timeout=max(0.0, until - time.monotonic()))[0]:
            ray.get(next(task.generator))


def _remote(device: str) -> Any:
    """The task of a run on a kind of device.

    A process that has used CUDA keeps its first GPU, whichever Ray assigns to its next task: each run has its own one.
    """
    own_process = {"max_calls": 1} if device == "cuda" else {}
    return ray.remote(num_returns="streaming", max_retries=0, **own_process)(work)


class _Cluster:
    """The tasks, and the runs that wait to become one."""

    def __init__(
        self,
        plan: Plan,
        runs: list[RunSpec],
        folder: Path,
        listener: Listener,
        stop: Stop,
        storage: str,
        token: str,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.listener = listener
        self.stop = stop
        self.waiting = deque(runs)
        self.submit_after = 0.0
        self.tasks: dict[Any, _Task] = {}
        self.deaths: Counter[str] = Counter()
        self.gpu_shares: dict[str, float] = {}
        """By registered variant, from the memory of the runs that have ended."""
        self.stopping = False
        self.storage = Storage(storage)
        self.versions = versions()
        self.content = ray.put(Content({side: pack(data) for side, data in plan.data.items()}, plan.extractors))
        self.setup = ray.put(self._setup(token))
        self.remote = _remote(plan.device.type)

    def _setup(self, token: str) -> Setup:
        options = self.plan.options
        here: dict[str, Any] = {"executor": "local", "address": None, "storage": None, "num_gpus": None}
        fixed: dict[str, Any] = {"download": False, "threads": self.plan.threads, "device": self.plan.device.type}
        suite = self.plan.suite.model_copy(update={"images": {}})
        slots = ray.cluster_resources().get("CPU", 1.0) / self.plan.threads
        return Setup(
            options=replace(options, suite=suite, plugins=(), **here, **fixed),
            plugins=[(Path(plugin).name, Path(plugin).read_bytes()) for plugin in options.plugins],
            measurements=self.plan.measurement_digests,
            storage=self.storage.url,
            token=token,
            period=max(_SHORTEST_PERIOD, slots / _UPDATES),
            content=[self.content],
        )

    def execute(self) -> EndedRuns:
        """Yield the runs with their last rows as they end; what is left of the tasks is killed with the generator."""
        self._check_nodes()
        try:
            while self.waiting or self.tasks:
                self._pass_on_stop()
                self.listener.tick()
                followed = ((task.run, self._follow(task)) for task in self._ready())
                for run, row in chain(self._submit(), followed):
                    if row is not None:
                        self.listener.end(run, row)
                        yield run, row
        finally:
            for generator in self.tasks:
                ray.cancel(generator, force=True)
        if self.stopping:
            raise self.stop.interrupted("stopped after a checkpoint of every run in training")

    def _check_nodes(self) -> None:
        """Notify of runs that no node has the resources for; a cluster may add nodes."""
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = (self.plan.options.num_gpus or 1) if self.plan.device.type == "cuda" else 0
        for name, needed in {"CPU": self.plan.threads, "GPU": gpus}.items():
            if needed > max(resources.get(name, 0) for resources in alive):
                option = "--threads" if name == "CPU" else "--num-gpus"
                self.listener.notice(
                    f"no node of the cluster has {needed:g} {name}: runs wait for one; add a node, or stop and lower "
                    f"{option}"
                )

    def _pass_on_stop(self) -> None:
        if self.stop.requested and not self.stopping:
            self.stopping = True
            self.waiting.clear()
            self.listener.notice("stopping after a checkpoint; press Ctrl-C again to stop at once")
            for generator in self.tasks:
                ray.cancel(generator)

    def _submit(self) -> Iterator[tuple[RunSpec, Row]]:
        """Submit as many runs as may be in flight; yield those that had ended before their last rows arrived."""
        most = min(self.plan.options.jobs or _IN_FLIGHT, _IN_FLIGHT)
        if time.monotonic() < self.submit_after:
            return
        while self.waiting and len(self.tasks) < most and self._has_demand():
            run = self.waiting.popleft()
            complete(self.storage, self.folder, run.name)
            path = records_path(self.folder, run.name)
            if is_finished(self.plan, self.folder, run):
                self._settle(run)
                yield run, read_run(path).end or {}
                continue
            records = whole_lines(path.read_bytes()) if path.is_file() else b""
            num_gpus = self._num_gpus(run)
            resources = {"num_cpus": self.plan.threads, "num_gpus": num_gpus}
            remote = self.remote.options(name=run.title, **resources)
            generator = remote.remote(self.versions, [self.setup], run.name, records)
            self.tasks[generator] = _Task(run, generator, num_gpus)

    def _settle(self, run: RunSpec) -> None:
        """All records of an ended run are here: those in the storage are not needed any more."""
        flush(records_path(self.folder, run.name))
        if run.variant is not None:
            self.storage.remove(stored_records(run.name))

    def _has_demand(self) -> bool:
        """Whether the GPUs have use for another task: submitted late, it takes the memory of earlier ones into account.

        Twice the GPUs are requested, so that none is idle.
        """
        if self.plan.device.type != "cuda":
            return True
        requested = sum(task.num_gpus for task in self.tasks.values())
        return requested == 0 or requested < 2 * ray.cluster_resources().get("GPU", 0.0)

    def _num_gpus(self, run: RunSpec) -> float:
        """GPUs of a run: by its memory, and no less than what spreads the runs that are left over all GPUs.

        Ray fills one GPU with shares before it uses the next.
        """
        if self.plan.device.type != "cuda":
            return 0
        if self.plan.options.num_gpus is not None:
            return self.plan.options.num_gpus
        resources = ray.cluster_resources()
        side_by_side = min(resources.get("CPU", 0.0) // self.plan.threads, len(self.tasks) + len(self.waiting) + 1)
        spread = resources.get("GPU", 0.0) / max(1.0, side_by_side)
        share = max(spread, self.gpu_shares.get(base_name(run.variant_name, self.plan.suite), 1.0))
        # Ray's smallest share is 0.0001.
        return min(1.0, math.floor(10_000 * share) / 10_000)

    def _measure(self, run: RunSpec, used: int) -> None:
        """Take the memory of an ended run in bytes as that of its variant, unless one has used more."""
        if used:
            total = torch.cuda.get_device_properties(self.plan.device).total_memory
            name = base_name(run.variant_name, self.plan.suite)
            self.gpu_shares[name] = max(self.gpu_shares.get(name, 0.0), gpu_share(used, total))

    def _write(self, run: RunSpec, update: Update) -> bool:
        """Write what a run has sent; whether it follows what is on disk."""
        for file, content in update.files.items():
            atomic_write(inside(self.folder, file), content)
        return append_lines(records_path(self.folder, run.name), update.records, update.offset)

    def _ready(self) -> list[_Task]:
        """The tasks with something to read, after at most a period."""
        if not self.tasks:
            return []
        generators = list(self.tasks)
        ready, _ = ray.wait(generators, num_returns=len(generators), timeout=_PERIOD)
        late = [generator for generator in generators if self._is_late(self.tasks[generator])]
        return [self.tasks[generator] for generator in dict.fromkeys([*ready, *late])]

    def _is_late(self, task: _Task) -> bool:
        limit = self.plan.options.run_timeout
        return limit is not None and task.began is not None and time.monotonic() - task.began > limit

    def _follow(self, task: _Task) -> Row | None:
        """Write the next update of a task, and return the last row of its run if it has ended."""
        if self._is_late(task):
            return self._end_late(task)
        try:
            update = ray.get(next(task.generator))
        except (StopIteration, TaskCancelledError):
            return self._died(task, "its task ended before it")
        except RayTaskError as error:
            return self._died(task, self._failure(error.cause))
        except RayError as error:
            return self._died(task, _DEATHS.get(type(error)) or one_line(error))
        if task.began is None:
            task.began = time.monotonic()
        if not self._write(task.run, update):
            return self._died(task, "a part of what it sent was lost")
        if update.progress:
            task.progress.pass_on(update.progress, self.listener)
        if update.end is not None:
            self.tasks.pop(task.generator)
            self._settle(task.run)
            self._measure(task.run, update.gpu_memory)
        return update.end

    def _failure(self, error: Exception) -> str:
        """Why a task raised, if its run is to be tried again.

        Raises:
            GanZooError: every other task would raise the same.
        """
        if isinstance(error, StorageUnavailable):
            self.submit_after = time.monotonic() + _STORAGE_PAUSE
        elif not self.stopping:
            raise GanZooError(str(error) if isinstance(error, GanZooError) else one_line(error)) from None
        return str(error)

    def _died(self, task: _Task, why: str) -> Row | None:
        """Submit a run again whose task is gone; its last row if that happened too often."""
        run = task.run
        self.tasks.pop(task.generator)
        if self.stopping:
            complete(self.storage, self.folder, run.name)
            return None
        _kill(task)
        self.deaths[run.name] += 1
        if self.deaths[run.name] > _MAX_DEATHS:
            complete(self.storage, self.folder, run.name)
            message = f"{why}, for the {self.deaths[run.name]}th time; the same command runs it again"
            return record_death(self.plan, run, self.folder, "error", message)
        self.listener.notice(f"{run.title}: {why}; it resumes elsewhere")
        self.waiting.appendleft(run)
        return None

    def _end_late(self, task: _Task) -> Row:
        self.tasks.pop(task.generator)
        _kill(task)
        complete(self.storage, self.folder, task.run.name)
        limit = f"{self.plan.options.run_timeout:g} s"
        message = f"took longer than {limit}; the same command with a longer --run-timeout resumes it"
        return record_death(self.plan, task.run, self.folder, "timeout", message)
