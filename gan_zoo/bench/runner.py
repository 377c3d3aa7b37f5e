"""Running a plan: the runs that are missing, into a folder whose content a kill does not damage."""

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gan_zoo.bench import suite_variants
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.executors import local
from gan_zoo.bench.executors.processes import PeakMemory, SingleProcess, Stop, stop_on_signals
from gan_zoo.bench.executors.storage import complete_folder
from gan_zoo.bench.folder import read_manifest, unpack
from gan_zoo.bench.identity import provenance
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import MANIFEST, SCHEMA, is_finished, now, write_json
from gan_zoo.bench.resume import check_folder
from gan_zoo.bench.schedule import RESULTS
from gan_zoo.errors import GanZooError, Interrupted, StorageError
from gan_zoo.io import check_links, lock_folder, read_only_note, remove_temporary
from gan_zoo.metrics.registry import records_of

_REPORT_AFTER = 15.0
"""Seconds of a command before which it writes no report: a shorter one writes its report soon enough."""
_REPORT_NICENESS = 10


def run_plan(
    plan: Plan,
    folder: Path,
    listener: Listener | None = None,
    write_report: Callable[[Path], object] | None = None,
) -> list[str]:
    """Run the runs of a plan that are not finished, and return those that ended in an error or timeout, a line each.

    A run that was interrupted, or trained for a smaller budget, resumes from its checkpoint. The manifest is written
    before the first run and after each, its seconds being the sum over all sessions; if nothing is left to run it stays
    as it is, and the folder may be read-only. Records of runs that this plan does not ask for stay where they are.

    Args:
        plan: what is to be run.
        folder: the results folder.
        listener: what is notified of the progress.
        write_report: a function of a module that writes the report of a folder, called in a process after each run.

    Raises:
        GanZooError: another process is writing to the folder, or it holds other settings or a larger budget.
        StorageError: the folder cannot be written to.
        Interrupted: Ctrl-C or SIGTERM; every run in training has a checkpoint.
    """
    listener = listener or Listener()
    folder = Path(folder)
    if read_only_note(folder) and not plan.options.force and _show_finished(plan, folder, listener):
        return []
    check_links(folder)
    lock = lock_folder(folder)
    live = LiveReport(folder, write_report)
    try:
        remove_temporary(folder)
        unpack(folder)
        complete_folder(folder)
        for notice in check_folder(plan, folder):
            listener.notice(notice)
        return _run(plan, folder, listener, live)
    finally:
        live.close()
        listener.close()
        lock.release()


def _show_finished(plan: Plan, folder: Path, listener: Listener) -> bool:
    """Notify the listener of a folder in which nothing is left to run and to write; whether it is one."""
    notices = check_folder(plan, folder)
    if _missing(plan, folder) or not _ManifestFile(plan, folder).is_current:
        return False
    for notice in notices:
        listener.notice(notice)
    listener.plan(plan, folder, [])
    listener.close()
    return True


class LiveReport:
    """Has the report of a results folder written again by a process at low priority, while a suite is running.

    What goes wrong there is left to the final report.

    Args:
        folder: the results folder.
        write: a function of a module that writes the report of a folder; without one, nothing is written.
    """

    def __init__(self, folder: Path, write: Callable[[Path], object] | None) -> None:
        self.folder, self.write = folder, write
        self.began = time.monotonic()
        self.process: SingleProcess | None = None
        self.pending: list[Future[object]] = []

    def update(self) -> None:
        """Write the report after a run; runs that end while a report is written are in the next one."""
        if self.write is None or time.monotonic() - self.began < _REPORT_AFTER:
            return
        self.process = self.process or SingleProcess(os.nice, _REPORT_NICENESS)
        self.pending = [future for future in self.pending if not future.done()]
        if len(self.pending) < 2:
            self.pending.append(self.process.submit(self.write, self.folder))

    def close(self) -> None:
        """End the process, and delete what it had begun to write."""
        if self.process is not None:
            self.process.kill()
            self.process = None
            remove_temporary(self.folder)


class _ManifestFile:
    """The manifest of a folder, its seconds and peak memory being those of all sessions.

    ``is_current``: the one on disk names the same runs and evaluations.
    """

    _SHARE = 0.01
    """Most of the time that ``update`` takes: the manifest names every run, and may be written after each."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        runs = plan.runs()
        self.path = folder / MANIFEST
        self.clock = time.perf_counter()
        self.memory = PeakMemory()
        self.before: dict[str, Any] = {}
        with contextlib.suppress(GanZooError):
            self.before = read_manifest(folder)
        # The runs of real images are the same for every variant and budget: they do not make it the same manifest.
        if not {run.name for run in runs if run.variant is not None} & set(self.before.get("runs", ())):
            self.before = {}
        started = self.before.get("started", now())
        self.content = manifest_of(plan) | {"started": started, "runs": [run.name for run in runs]}
        compared = ("runs", "budget", "evaluate_at")
        self.is_current = all(self.before.get(key) == self.content[key] for key in compared)
        self.not_before = 0.0

    def update(self) -> None:
        """Save after a run, unless too much of the time would be spent on it."""
        if time.perf_counter() > self.not_before:
            self.save()

    def save(self, *, finished: bool = False) -> None:
        """Write the file."""
        began = time.perf_counter()
        seconds = (self.before.get("wall_seconds") or 0.0) + time.perf_counter() - self.clock
        peak = max(self.memory.bytes or 0, self.before.get("peak_memory_bytes") or 0) or None
        measured = {"wall_seconds": seconds, "peak_memory_bytes": peak, "finished": finished}
        write_json(self.path, self.content | measured)
        ended = time.perf_counter()
        self.not_before = ended + (ended - began) / self._SHARE


def _missing(plan: Plan, folder: Path) -> list[RunSpec]:
    """The runs that are not finished: seed by seed, the real images after the variants.

    So training begins at once, and an interrupted suite has runs that can be compared.
    """
    missing = [run for run in plan.runs() if not is_finished(plan, folder, run)]
    return sorted(missing, key=lambda run: (run.seed, run.variant is None))


def _execute(plan: Plan, todo: list[RunSpec], folder: Path, listener: Listener, stop: Stop) -> local.EndedRuns:
    """The runs with their last rows as they end, by the executor of the plan's options."""
    if plan.options.executor == "local":
        return local.execute(plan, todo, folder, listener, stop)
    from gan_zoo.bench.executors import ray

    return ray.execute(plan, todo, folder, listener, stop)


def _run(plan: Plan, folder: Path, listener: Listener, live: LiveReport) -> list[str]:
    todo = _missing(plan, folder)
    manifest = _ManifestFile(plan, folder)
    listener.plan(plan, folder, todo)
    if not todo and manifest.is_current:
        return []
    manifest.save()
    failed = []
    try:
        # Closed whatever happens: workers must not outlive the folder's lock.
        with (
            manifest.memory,
            stop_on_signals() as stop,
            contextlib.closing(_execute(plan, todo, folder, listener, stop)) as running,
        ):
            for run, end in running:
                manifest.update()
                live.update()
                if end["status"] not in RESULTS:
                    failed.append(f"{run.title}: {end['message']}")
    except BaseException as error:
        with contextlib.suppress(StorageError):
            manifest.save()
        if isinstance(error, Interrupted):
            how = f"run the same command again to resume in {str(folder)!r}"
            raise Interrupted(f"{error}; {how}", error.status) from error
        raise
    manifest.save(finished=True)
    return failed


def default_folder(plan: Plan) -> Path:
    """The results folder of a plan for which none is named; its name includes the data set's.

    Example: ``runs/gan-digits-seed0`` of a single training run, ``runs/losses-mnist-quick`` of a suite.
    """
    data = plan.measured.name
    if plan.options.single:
        return Path("runs") / f"{plan.variants[0].display_name}-{data}-seed{plan.seeds[0]}"
    suite = Path(plan.suite.file).stem
    return Path("runs") / "-".join([suite, *([] if data == suite else [data]), plan.preset_name])


def manifest_of(plan: Plan) -> dict[str, Any]:
    """What was run and how, in words: all but the times and the runs' names."""
    names = [variant.display_name for variant in plan.variants]
    return {
        "schema": SCHEMA,
        "title": plan.suite.title,
        "suite": plan.suite.model_dump(),
        "preset": plan.preset_name,
        "data": _data_facts(plan),
        "variants": names,
        "contrasts": suite_variants.contrasts(plan.suite, names),
        "seeds": list(plan.seeds),
        "budget": plan.preset.budget,
        "evaluate_at": list(plan.evaluate_at),
        "num_samples": plan.preset.num_samples,
        "ranked_by": plan.ranked_by,
        "extractors": {
            extractor.name: {
                "digest": extractor.digest,
                "accuracy": extractor.accuracy,
                "measurement": plan.measurement_digests[extractor.name],
            }
            for extractor in plan.extractors
        },
        "images": {name: images.what for name, images in plan.images.items()},
        "measurements": plan.measurements,
        "metrics": records_of(name for extractor in plan.extractors for name in extractor.metrics),
        "single": plan.options.single,
        "overrides": {name: list(lines) for name, lines in plan.overrides.items()},
        "notices": list(plan.notices),
        "device_kind": plan.device.type,
        "precision": plan.precision,
        "threads": plan.threads,
        "executor": plan.options.executor,
        # How many run at a time on a cluster is known to Ray alone.
        "jobs": plan.jobs if plan.options.executor == "local" else None,
        **provenance(plan.device),
    }


def _data_facts(plan: Plan) -> dict[str, Any]:
    data = plan.measured
    return {
        "name": data.name,
        "title": data.title,
        "note": data.note,
        "requested": plan.suite.data,
        "fingerprint": data.fingerprint,
        "train": len(data.train),
        "test": len(data.test),
        "classes": data.classes,
        "class_names": list(data.class_names),
        "shape": list(data.shape),
        "kind": data.kind,
        "density": data.density.facts if data.density else None,
    }
