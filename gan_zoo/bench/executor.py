"""Cells side by side in processes of their own: small networks gain more from a core each than from many threads."""

import contextlib
import os
import signal
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from gan_zoo.bench import launch, worker
from gan_zoo.bench.cell import begin_anyhow, now, records_path, run_cell
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import CellPlan, Plan, Recipe
from gan_zoo.bench.records import Row, append, read_cell
from gan_zoo.errors import GanZooError

Rows = Generator[tuple[CellPlan, Row], None, None]
"""Cells with their last rows, as they end."""
_ENDING = 10.0
"""Seconds that a process may take between closing its pipe and its end."""
GONE: Row = {}
"""In place of a row: the process that should have told one is gone."""


def run_cells(plan: Plan, cells: list[CellPlan], folder: Path, listener: Listener) -> Rows:
    """Run the cells, ``plan.jobs`` at a time, and give back each with its last row as it ends.

    A cell whose process is killed, as by a kernel that is out of memory, ends with status ``error`` and is not tried
    again in this run; the others go on.
    """
    if plan.jobs > 1 and len(cells) > 1:
        yield from _run_beside(plan, cells, folder, listener)
        return
    evaluator = plan.evaluator()
    for cell in cells:
        yield cell, run_cell(plan, cell, evaluator, folder, listener)


def _run_beside(plan: Plan, cells: list[CellPlan], folder: Path, listener: Listener) -> Rows:
    waiting, recipe = deque(cells), replace(plan.recipe, download=False)
    crew: list[_Worker] = []
    try:
        while waiting or crew:
            while waiting and len(crew) < plan.jobs:
                crew.append(_Worker(recipe, folder, waiting.popleft()))
            for one in _heard(crew):
                cell, row = one.cell, one.hear(listener)
                if row is None:
                    continue
                if row is GONE:
                    row = _record_death(plan, cell, folder, one.stop())
                    listener.end(cell, row)
                    crew.remove(one)
                elif waiting:
                    one.give(waiting.popleft())
                else:
                    one.stop()
                    crew.remove(one)
                yield cell, row
    finally:
        for one in crew:
            one.stop()


def _heard(crew: list["_Worker"]) -> list["_Worker"]:
    """Wait until one or more of the workers have something to tell, or are gone."""
    ready = wait([one.pipe for one in crew])
    return [one for one in crew if one.pipe in ready]


class _Worker:
    """A worker process as its parent sees it, and the cell that it is at."""

    def __init__(self, recipe: Recipe, folder: Path, cell: CellPlan) -> None:
        context = launch.context()
        self.pipe, theirs = context.Pipe()
        words = (theirs, recipe, folder, dict(os.environ))
        self.process = context.Process(target=worker.serve, args=words, daemon=True)  # type: ignore[attr-defined]
        with launch.deaf_to_interrupts():
            self.process.start()
        # With this end closed here, a dead process is heard at once as the end of the pipe.
        theirs.close()
        self.ready = False
        self.give(cell)

    def give(self, cell: CellPlan) -> None:
        """Tell it to run a cell."""
        self.cell = cell
        # To one that is gone nothing can be told; `hear` finds out.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(cell.name)

    def hear(self, listener: Listener) -> Row | None:
        """Pass on what it tells next: None, its cell's last row when that has ended, or ``GONE`` where its process is.

        Raises:
            GanZooError: it cannot run cells.
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

    def stop(self) -> int:
        """End the process, whatever it is at, and give back its exit status, below 0 for the signal that ended it."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()
        return self.process.exitcode or 0


def _record_death(plan: Plan, cell: CellPlan, folder: Path, status: int) -> Row:
    """Write down that a cell's process is gone, with what it had done according to its records."""
    how = "was killed, probably for memory" if status == -signal.SIGKILL else f"died (exit status {status})"
    path = records_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    begin_anyhow(plan, cell, folder)
    done = read_cell(path)
    last = done.history[-1] if done.history else {}
    row: Row = {"row": "end", "status": "error", "ended": now(), "steps": last.get("step", 0)}
    row["message"] = f"its process {how}; run again, or with --jobs 1"
    counts = ("images", "discriminator_steps", "generator_steps", "seconds")
    row |= {name: last.get(name, 0) for name in counts} | {"images_per_second": None, "peak_memory_bytes": None}
    append(path, row)
    return row
