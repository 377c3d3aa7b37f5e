"""Cells side by side in processes of their own: small networks gain more from a core each than from many threads."""

import multiprocessing
import os
import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import tqdm

from gan_zoo.bench.cell import run_cell
from gan_zoo.bench.evaluation import Evaluator
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import CellPlan, Plan, Recipe, make_plan
from gan_zoo.bench.records import Row
from gan_zoo.errors import GanZooError

_POLL = 0.2
"""Seconds between looks at the workers."""


def run_cells(plan: Plan, cells: list[CellPlan], folder: Path, listener: Listener) -> Iterator[tuple[CellPlan, Row]]:
    """Run the cells, ``plan.jobs`` at a time, and give back each with its last row as it ends."""
    if plan.jobs == 1 or len(cells) <= 1:
        evaluator = plan.evaluator()
        for cell in cells:
            yield cell, run_cell(plan, cell, evaluator, folder, listener)
        return
    spawn = multiprocessing.get_context("spawn")
    events = spawn.Queue()
    pool = ProcessPoolExecutor(
        min(plan.jobs, len(cells)), spawn, _begin_worker, (replace(plan.recipe, download=False), folder, events)
    )
    try:
        by_name = {cell.name: cell for cell in cells}
        waiting = {pool.submit(_work, cell.name): cell for cell in cells}
        while waiting:
            _relay(events, by_name, listener)
            for future in [future for future in waiting if future.done()]:
                cell = waiting.pop(future)
                row = _result(future)
                _relay(events, by_name, listener)
                yield cell, row
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        events.close()
        events.join_thread()


def _result(future: "Future[Row]") -> Row:
    try:
        return future.result()
    except (GanZooError, OSError):
        raise
    except Exception as error:
        raise GanZooError(
            f"a worker process died ({type(error).__name__}: {error}); run the same command again, or with --jobs 1"
        ) from error


def _relay(events: Any, cells: Mapping[str, CellPlan], listener: Listener) -> None:
    """Pass what the workers have told on to the listener; wait a little where there is nothing."""
    try:
        event, name, *rest = events.get(timeout=_POLL)
        while True:
            getattr(listener, event)(cells[name], *rest)
            event, name, *rest = events.get_nowait()
    except queue.Empty:
        return


class _Teller(Listener):
    """The listener of a worker: puts what it hears into the queue."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def begin(self, cell: CellPlan) -> None:
        self.events.put(("begin", cell.name))

    def block(self, cell: CellPlan, share: float, rate: float, values: Mapping[str, float]) -> None:
        self.events.put(("block", cell.name, share, rate, dict(values)))

    def end(self, cell: CellPlan, row: Row) -> None:
        self.events.put(("end", cell.name, row))


_worker: tuple[Plan, Evaluator, dict[str, CellPlan], Path, Listener]


def _begin_worker(recipe: Recipe, folder: Path, events: Any) -> None:
    """Make the plan again: a variant is code, and code does not travel between processes."""
    global _worker
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # torch-fidelity's progress bars would make a lock between processes, which a killed worker leaks with a warning.
    tqdm.tqdm.set_lock(threading.RLock())
    plan = make_plan(recipe)
    _worker = plan, plan.evaluator(), {cell.name: cell for cell in plan.cells()}, folder, _Teller(events)


def _die_with_parent() -> None:
    """End at once with the parent: an orphan would go on writing to records that a new run has taken over."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(name: str) -> Row:
    plan, evaluator, cells, folder, listener = _worker
    if name not in cells:
        raise GanZooError(
            f"cell {name!r} is another one in a worker process: its variant changes from import to import; use --jobs 1"
        )
    return run_cell(plan, cells[name], evaluator, folder, listener)
