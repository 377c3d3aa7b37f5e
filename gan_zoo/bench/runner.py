"""Running a plan: the runs that are missing, into a folder that survives a kill."""

import contextlib
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import filelock

from gan_zoo.bench import entries
from gan_zoo.bench.executor import run_cells
from gan_zoo.bench.interrupts import stop_on_signals
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.memory import PeakMemory
from gan_zoo.bench.plan import Plan
from gan_zoo.bench.records import MANIFEST, read_manifest, write_json
from gan_zoo.bench.resume import check_folder, is_finished
from gan_zoo.bench.run import now
from gan_zoo.bench.schedule import RESULTS
from gan_zoo.device import describe
from gan_zoo.errors import GanZooError, Interrupted, StorageError
from gan_zoo.io import check_writable, remove_temporary
from gan_zoo.metrics.registry import records_of


def run_plan(plan: Plan, folder: Path, listener: Listener | None = None, *, force: bool = False) -> list[str]:
    """Run the runs of a plan that are not finished, and return those that ended in an error or timeout, a line each.

    A run that was interrupted, or trained for a smaller budget, resumes from its checkpoint. The manifest is written
    before the first run and after each, its seconds being the sum over all sessions; if nothing is left to run it stays
    as it is. Records of runs that this plan does not ask for stay where they are.

    Args:
        plan: what is to be run.
        folder: the results folder.
        listener: what is notified of the progress.
        force: whether runs in the folder that have other settings, or a larger budget, are deleted.

    Raises:
        GanZooError: another process is writing to the folder, or it holds other settings or a larger budget.
        StorageError: the folder cannot be written to.
        Interrupted: Ctrl-C or SIGTERM; every run in training has a checkpoint.
    """
    listener = listener or Listener()
    folder = Path(folder)
    lock = lock_folder(folder)
    try:
        remove_temporary(folder)
        for notice in check_folder(plan, folder, force=force):
            listener.notice(notice)
        return _run(plan, folder, listener)
    finally:
        listener.close()
        lock.release()


def _run(plan: Plan, folder: Path, listener: Listener) -> list[str]:
    started, clock = now(), time.perf_counter()
    cells = plan.cells()
    # Seed by seed, the real images after the variants: training begins at once, and an interrupted suite has runs that
    # can be compared.
    todo = sorted(
        (cell for cell in cells if not is_finished(plan, folder, cell)),
        key=lambda cell: (cell.seed, cell.variant is None),
    )
    names = [cell.name for cell in cells]
    # The runs of real images are the same for every variant and budget: they do not make it the same manifest.
    before = _before(folder, {cell.name for cell in cells if cell.variant is not None})
    listener.plan(plan, folder, todo)
    manifest = manifest_of(plan) | {"started": before.get("started", started), "cells": names}
    if not todo and all(before.get(key) == manifest[key] for key in ("cells", "budget", "evaluate_at")):
        return []

    memory = PeakMemory()

    def keep(*, finished: bool = False) -> None:
        seconds = (before.get("wall_seconds") or 0.0) + time.perf_counter() - clock
        peak = max(memory.bytes or 0, before.get("peak_memory_bytes") or 0) or None
        write_json(
            folder / MANIFEST, manifest | {"wall_seconds": seconds, "peak_memory_bytes": peak, "finished": finished}
        )

    keep()
    failed = []
    try:
        # Closed whatever happens: workers must not outlive the folder's lock.
        with (
            memory,
            stop_on_signals() as stop,
            contextlib.closing(run_cells(plan, todo, folder, listener, stop)) as running,
        ):
            for cell, end in running:
                keep()
                if end["status"] not in RESULTS:
                    failed.append(f"{cell.title}: {end['message']}")
    except BaseException as error:
        with contextlib.suppress(StorageError):
            keep()
        if isinstance(error, Interrupted):
            raise Interrupted(
                f"{error}; run the same command again to resume in {str(folder)!r}", error.status
            ) from error
        raise
    keep(finished=True)
    return failed


def _before(folder: Path, names: set[str]) -> dict[str, Any]:
    """The manifest that an earlier session of this run left: one with cells in common; else an empty one."""
    try:
        manifest = read_manifest(folder)
    except GanZooError:
        return {}
    return manifest if names & set(manifest["cells"]) else {}


def lock_folder(folder: Path) -> filelock.BaseFileLock:
    """Create the folder if needed, and lock it against other processes until the lock is released.

    Raises:
        GanZooError: another process holds the lock.
        StorageError: the folder cannot be written to.
    """
    check_writable(folder)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise GanZooError(f"another run is writing to {str(folder)!r}; wait for it, or name another --out") from None
    return lock


def default_folder(plan: Plan) -> Path:
    """The results folder of a plan for which none is named; its name includes the data set's.

    Example: ``runs/gan-digits-seed0`` of a single training run, ``runs/losses-mnist-quick`` of a suite.
    """
    data = plan.measured.name
    if plan.recipe.single:
        return Path("runs") / f"{plan.variants[0].shown}-{data}-seed{plan.seeds[0]}"
    suite = Path(plan.recipe.suite.file).stem
    return Path("runs") / "-".join([suite, *([] if data == suite else [data]), plan.preset_name])


def manifest_of(plan: Plan) -> dict[str, Any]:
    """What was run and how, in words: all but the times and the cells' names."""
    measured = plan.measured
    return {
        "title": plan.recipe.suite.title,
        "suite": plan.recipe.suite.model_dump(),
        "preset": plan.preset_name,
        "data": {
            "name": measured.name,
            "title": measured.title,
            "note": measured.note,
            "requested": plan.recipe.suite.data,
            "fingerprint": measured.fingerprint,
            "train": len(measured.train),
            "test": len(measured.test),
            "classes": measured.classes,
            "class_names": list(measured.class_names),
            "shape": list(measured.shape),
            "kind": measured.kind,
            "density": measured.density.facts if measured.density else None,
        },
        "variants": [variant.shown for variant in plan.variants],
        "contrasts": entries.contrasts(plan.recipe.suite, [variant.shown for variant in plan.variants]),
        "seeds": list(plan.seeds),
        "budget": plan.preset.budget,
        "evaluate_at": list(plan.evaluate_at),
        "n": plan.preset.n,
        "ranked_by": plan.ranked_by,
        "extractors": {
            e.name: {
                "digest": e.digest,
                "accuracy": e.accuracy,
                "measurement": plan.measurement_digests[e.name],
            }
            for e in plan.extractors
        },
        "measurements": plan.measurements,
        "metrics": records_of(name for extractor in plan.extractors for name in extractor.metrics),
        "single": plan.recipe.single,
        "departures": {name: list(lines) for name, lines in plan.departures.items()},
        "notices": list(plan.notices),
        "device": describe(plan.device),
        "command": _command(),
        "device_kind": plan.device.type,
        "precision": plan.precision,
        "threads": plan.threads,
        "jobs": plan.jobs,
        "versions": {"python": sys.version.split()[0], **plan.versions},
        "git_commit": _git_commit(),
    }


def _command() -> str:
    """The command line that this process was started with; empty where it is another program's."""
    return shlex.join(["gan-zoo", *sys.argv[1:]]) if Path(sys.argv[0]).stem == "gan-zoo" else ""


def _git_commit() -> str | None:
    """The commit of the checkout that this runs from, ``+changes`` where it was edited since; None outside one."""

    def git(*words: str) -> str | None:
        try:
            said = subprocess.run(
                ["git", "-C", str(Path(__file__).parent.parent), *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return said.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD")
    tracked = git("ls-files", "--error-unmatch", "__init__.py")
    if not commit or not tracked:
        return None
    return f"{commit}+changes" if git("status", "--porcelain", "--untracked-files=no", "--", ".") else commit
