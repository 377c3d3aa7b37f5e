"""Kill real `gan-zoo` commands with worker processes half-way, for tests of what they resume."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import IO, Any

COMMAND = "from gan_zoo.cli import main; main()"
_MARK = "GAN_ZOO_TEST_COMMAND"
"""The environment variable by which the processes of a command are found; it is inherited."""
Runs = dict[str, list[dict[str, Any]]]


def rows(folder: Path) -> Runs:
    """The rows of every run of a results folder by its name; a torn last line is none."""
    found = {}
    for path in (folder / "records").glob("*.jsonl"):
        found[path.stem] = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return found


def kinds(run: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The rows of one kind."""
    return [row for row in run if row["row"] == kind]


class Command:
    """A running `gan-zoo` command line, the leader of its own process group."""

    def __init__(self, words: Iterable[object], output: IO[str] | int = subprocess.PIPE) -> None:
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        name, value = self._mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *map(str, words)],
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", name: value},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_group(self) -> None:
        """Kill every process of the command at once."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def kill_parent(self) -> None:
        """Kill the process of the command itself, and none that it has started."""
        self.process.kill()

    def kill_worker(self, choose: Callable[[list[int]], int]) -> bool:
        """Kill one of the processes that train; whether there was one."""
        if pids := self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(choose(pids), signal.SIGKILL)
                return True
        return False

    def workers(self) -> list[int]:
        """The processes that train: those that the server process, a child of the command, has forked."""
        parents = self._parents()
        return sorted(pid for pid, parent in parents.items() if parent in parents and parent != self.process.pid)

    def left_over(self, within: float, among: Container[int] | None = None) -> list[str]:
        """What is still alive after so many seconds of the command's processes, or of those ``among``; it is killed."""
        end = time.monotonic() + within
        while (pids := [pid for pid in self._parents() if among is None or pid in among]) and time.monotonic() < end:
            time.sleep(0.05)
        found = []
        for pid in pids:
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:100])
                os.kill(pid, signal.SIGKILL)
        return found

    def _parents(self) -> dict[int, int]:
        """The live processes of the command, each with its parent. A dead one has no environment any more."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._mark.encode() in (path / "environ").read_bytes().split(b"\0"):
                    found[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        return found


def kill_when(holds: Callable[[Runs], bool], folder: Path, words: Iterable[object], *, within: float = 240) -> None:
    """Run the command line and kill its whole group, SIGKILL, as soon as ``holds`` of the runs in ``folder``."""
    command = Command(words)
    try:
        end = time.monotonic() + within
        while not ((folder / "records").is_dir() and holds(rows(folder))):
            assert command.process.poll() is None, command.process.communicate()
            assert time.monotonic() < end, "the command did not come so far"
            time.sleep(0.02)
    finally:
        command.kill_group()
        command.process.communicate()
