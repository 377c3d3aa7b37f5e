"""One run in a worker process of a Ray cluster: it trains in a scratch folder, and sends what it writes to the driver.

Imported without Ray, but called by Ray alone.
"""

import contextlib
import importlib.metadata
import os
import platform
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo import METRICS_VERSION, NUMERICS_VERSION, registry
from gan_zoo.bench.callbacks import RunProgress
from gan_zoo.bench.executors.processes import Stop
from gan_zoo.bench.executors.storage import (
    Storage,
    complete,
    named_files,
    stored_checkpoint,
    stored_records,
    whole_lines,
)
from gan_zoo.bench.plan import Plan, RunSpec, make_plan
from gan_zoo.bench.records import Row, append_lines, checkpoint_path, is_finished, read_run, records_path
from gan_zoo.bench.run import execute_run
from gan_zoo.data import Dataset
from gan_zoo.device import pick
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.metrics.evaluator import Measuring
from gan_zoo.metrics.features import Extractor
from gan_zoo.options import RunOptions

_PACKAGES = ("gan-zoo", "torch", "torchvision", "torch-fidelity", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Setup:
    """What all runs of a session share: sent to each node once.

    Attributes:
        options: of the plan, without plugins and images.
        plugins: name and content of each plugin file.
        measurements: the digests of what measures.
        storage: where checkpoints are stored.
        token: if it is a folder, a file that the driver has created there.
        period: seconds between two updates of a run.
        content: reference of the ``Content``, which can be read only where plugins were loaded.
    """

    options: RunOptions
    plugins: Sequence[tuple[str, bytes]]
    measurements: Mapping[str, str]
    storage: str
    token: str
    period: float
    content: list[Any]


@dataclass(frozen=True)
class Content:
    """Data sets by side, their tensors as arrays, which the processes of a node share; and the extractors."""

    data: Mapping[int, Dataset]
    extractors: tuple[Extractor, ...]


@dataclass(frozen=True)
class Update:
    """What a run has done since its last update.

    Attributes:
        offset: bytes of its records before these.
        records: new lines of its records.
        files: content of the files that they name, by their paths.
        progress: state of its ``RunProgress``.
        end: its last row.
        gpu_memory: bytes that the run's process has reserved on its GPU.
    """

    offset: int
    records: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    end: Row | None = None
    gpu_memory: int = 0


def versions() -> dict[str, str]:
    """What must be equal on all nodes."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    python = ".".join(platform.python_version_tuple()[:2])
    return found | {"python": python, "numerics": str(NUMERICS_VERSION), "metrics": str(METRICS_VERSION)}


def pack(data: Dataset) -> Dataset:
    """The data set with arrays in place of tensors, which Ray's object store shares without a copy."""
    return _converted(data.to("cpu"), Tensor.numpy)


def _unpack(data: Dataset) -> Dataset:
    with warnings.catch_warnings():
        # They are read-only, and nothing writes to them.
        warnings.simplefilter("ignore", UserWarning)
        return _converted(data, torch.from_numpy)


def _converted(data: Dataset, convert: Callable[[Any], Any]) -> Dataset:
    train, test = (
        replace(part, images=convert(part.images), labels=convert(part.labels)) for part in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


class _Session:
    """What a process shares among the runs of a session.

    Args:
        setup: what the driver has sent.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @cached_property
    def planned(self) -> tuple[Plan, dict[str, RunSpec], Measuring]:
        """The plan, its runs by name, and what measures them.

        Raises:
            GanZooError: a plugin cannot be loaded, or measures otherwise than the driver's.
        """
        import ray

        options = replace(self.setup.options, plugins=_write_plugins(self.setup.plugins))
        for plugin in options.plugins:
            registry.load_plugin(Path(plugin))
        content = ray.get(self.setup.content[0])
        device = pick(options.device)
        data = {side: _unpack(data).to(device) for side, data in content.data.items()}
        plan = make_plan(options, data, content.extractors)
        if plan.measurement_digests != self.setup.measurements:
            differing = sorted(dict(plan.measurement_digests.items() ^ self.setup.measurements.items()))
            raise GanZooError(f"node {platform.node()} measures otherwise (extractor {', '.join(differing)})")
        return plan, {run.name: run for run in plan.runs()}, plan.evaluator()


_sessions: dict[str, _Session] = {}
"""The current session of this process."""


def _session(reference: Any) -> _Session:
    key = reference.hex()
    if key not in _sessions:
        import ray

        found = _Session(ray.get(reference))
        _sessions.clear()
        _sessions[key] = found
    return _sessions[key]


@cache
def _plugin_folder() -> tempfile.TemporaryDirectory[str]:
    """Its files have the same paths in all sessions of a process, so that they replace what they registered."""
    return tempfile.TemporaryDirectory(prefix="gan-zoo-plugins-")


def _write_plugins(plugins: Sequence[tuple[str, bytes]]) -> tuple[Path, ...]:
    paths = []
    for number, (name, content) in enumerate(plugins):
        path = Path(_plugin_folder().name, str(number), name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return tuple(paths)


def work(expected: Mapping[str, str], setup: list[Any], name: str, records: bytes) -> Iterator[Update]:
    """Execute a run, and yield what it does; its checkpoints are stored at once.

    A cancelled task yields no more: it stores a checkpoint and its records, and ends.

    Args:
        expected: the driver's ``versions()``.
        setup: reference of the ``Setup``.
        name: of the run.
        records: its lines so far.

    Raises:
        GanZooError: this node has other versions, or cannot make the plan.
        StorageUnavailable: the storage cannot be read or written.
    """
    here = versions()
    if others := [f"{key} {here[key]}, not {value}" for key, value in expected.items() if here.get(key) != value]:
        raise GanZooError(f"node {platform.node()} has {'; '.join(others)}: install the same versions on all nodes")
    session = _session(setup[0])
    with tempfile.TemporaryDirectory(prefix="gan-zoo-", ignore_cleanup_errors=True) as scratch:
        run = _Run(session, name, Path(scratch))
        run.restore(records)
        yield from run.updates()


class _Run:
    """A run in training in a thread of its own, since only the main thread can yield and is interrupted."""

    def __init__(self, session: _Session, name: str, scratch: Path) -> None:
        self.session, self.setup, self.name, self.scratch = session, session.setup, name, scratch
        self.storage = Storage(session.setup.storage)
        self.path = records_path(scratch, name)
        self.checkpoint = checkpoint_path(scratch, name)
        self.progress = RunProgress()
        self.stop = Stop()
        self.sent = 0
        self.stored = 0
        self.saved = 0
        """Time of the last checkpoint that is stored, in nanoseconds."""
        self.last_progress: Mapping[str, Any] = {}

    def restore(self, records: bytes) -> None:
        """Write the records so far and the stored checkpoint into the scratch folder, or delete one of other records.

        An earlier task that is not gone yet may have stored more than the driver knows of: then that is taken.
        """
        setup = self.setup
        if setup.token and not Path(setup.storage, setup.token).is_file():
            raise GanZooError(
                f"node {platform.node()} does not see the folder {setup.storage!r} of this machine; name one that all "
                "nodes share, or an object store, as --storage"
            )
        if records:
            append_lines(self.path, records, 0)
        # The checkpoint before the records: these are stored first, so what is read of them is at least as new.
        found = bool(records) and self.storage.fetch(stored_checkpoint(self.name), self.checkpoint)
        if not complete(self.storage, self.scratch, self.name):
            for name in (stored_records(self.name), stored_checkpoint(self.name)):
                self.storage.remove(name)
            self.checkpoint.unlink(missing_ok=True)
        elif found:
            self.saved = self.checkpoint.stat().st_mtime_ns
        self.sent = len(records)
        self.stored = len(self._lines())

    def updates(self) -> Iterator[Update]:
        """Train, and yield what is new every period; at a cancel, or if the driver reads no more, stop."""
        future = _thread().submit(self._execute)
        try:
            while wait([future], self.setup.period).not_done:
                self._store()
                if (update := self._update()) is not None:
                    yield update
            end = future.result()
            self._store()
            if (update := self._update(end)) is not None:
                yield update
        except KeyboardInterrupt:
            # That of `ray.cancel`: whatever would be yielded now is lost.
            return
        finally:
            self._end(future)

    def _end(self, future: "Future[Row]") -> None:
        """Wait until the run has ended, after a checkpoint; store that."""
        if not future.done():
            self.stop.request(signal.SIGINT)
            with contextlib.suppress(Interrupted):
                future.result()
            self._store()

    def _execute(self) -> Row:
        plan, runs, evaluator = self.session.planned
        if self.name not in runs:
            raise GanZooError(
                f"run {self.name!r} has another identity on node {platform.node()}: its variant changes from import "
                "to import, or its CPU computes products in another way than the driver's"
            )
        if is_finished(plan, self.scratch, runs[self.name]):
            return read_run(self.path).end or {}
        return execute_run(plan, runs[self.name], evaluator, self.scratch, self.progress, self.stop)

    def _lines(self) -> bytes:
        """The records, without a line that is being written."""
        return whole_lines(self.path.read_bytes()) if self.path.is_file() else b""

    def _update(self, end: Row | None = None) -> Update | None:
        """What is new; None if nothing is."""
        new = self._lines()[self.sent :]
        progress = self.progress.state
        if not new and progress == self.last_progress and end is None:
            return None
        files = {file: (self.scratch / file).read_bytes() for file in named_files(new)}
        memory = torch.cuda.memory_reserved() if end is not None and torch.cuda.is_initialized() else 0
        update = Update(self.sent, new, files, progress, end, memory)
        self.sent += len(new)
        self.last_progress = progress
        return update

    def _store(self) -> None:
        """Store a new checkpoint, and before it the records that it has passed and the files that they name."""
        snapshot = self.checkpoint.with_suffix(".snapshot")
        try:
            snapshot.unlink(missing_ok=True)
            # The next checkpoint replaces the file, and not its content.
            os.link(self.checkpoint, snapshot)
        except FileNotFoundError:
            return
        saved = snapshot.stat().st_mtime_ns
        if saved == self.saved:
            return
        content = self._lines()
        for file in named_files(content[self.stored :]):
            self.storage.put(self.scratch / file, file)
        self.storage.write(content, stored_records(self.name))
        self.storage.put(snapshot, stored_checkpoint(self.name))
        self.saved, self.stored = saved, len(content)


@cache
def _thread() -> ThreadPoolExecutor:
    """One thread for all runs of this process: some settings of torch are a thread's own."""
    return ThreadPoolExecutor(max_workers=1)
