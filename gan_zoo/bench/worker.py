"""A process that trains runs: it receives their names, and sends its progress."""

import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.interrupts import Stop
from gan_zoo.bench.plan import RunSpec, make_plan
from gan_zoo.bench.records import Row
from gan_zoo.bench.run import execute_run
from gan_zoo.errors import GanZooError, Interrupted
from gan_zoo.options import RunOptions

READY, DONE, FAILED, NOTICE = "ready", "done", "failed", "notice"
"""What a worker sends: that it can begin; a run's last row; why no run can be run; something a reader must know."""


def serve(pipe: Connection, options: RunOptions, folder: Path) -> None:
    """Run the runs whose names come through the pipe, until it is closed; events are sent as tuples (event, ...).

    SIGTERM stops the run after a checkpoint, and then the process.
    """
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.request)
    try:
        _serve(pipe, options, folder, stop)
    except EOFError:
        return
    except KeyboardInterrupt:
        # A second signal while the first one's checkpoint was written.
        raise SystemExit(128 + signal.SIGTERM) from None
    except Interrupted as error:
        raise SystemExit(error.status) from None
    except (GanZooError, OSError) as error:
        pipe.send((FAILED, str(error)))
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        pipe.send((FAILED, f"a worker process failed ({why}); run the same command again, or with --jobs 1"))


def _serve(pipe: Connection, options: RunOptions, folder: Path, stop: Stop) -> None:
    # The plan is made again: a variant is code, and code does not travel between processes.
    plan = make_plan(options)
    cells, evaluator, teller = {cell.name: cell for cell in plan.runs()}, plan.evaluator(), _Teller(pipe)
    pipe.send((READY,))
    while True:
        name = pipe.recv()
        if name not in cells:
            raise GanZooError(
                f"run {name!r} has another identity in a worker process: its variant changes from import to import"
            )
        pipe.send((DONE, execute_run(plan, cells[name], evaluator, folder, teller, stop)))


class _Teller(Listener):
    """The listener of a worker: sends on what it is notified of; with nobody to send it to, the process ends."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def _send(self, *event: object) -> None:
        try:
            self.pipe.send(event)
        except OSError:
            os._exit(1)

    def notice(self, text: str) -> None:
        self._send(NOTICE, text)

    def begin(self, cell: RunSpec) -> None:
        self._send("begin")

    def block(self, cell: RunSpec, share: float, rate: float, values: Mapping[str, float]) -> None:
        self._send("block", share, rate, dict(values))

    def evaluate(self, cell: RunSpec) -> None:
        self._send("evaluate")

    def end(self, cell: RunSpec, row: Row) -> None:
        self._send("end", row)
