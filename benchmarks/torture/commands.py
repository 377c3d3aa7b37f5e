"""Commands of gan-zoo, each the leader of a session: forked from a process that has imported everything, or whole.

A fork starts in milliseconds instead of seconds. No tensor operation may come before it.
"""

import ast
import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any

import psutil

import gan_zoo

STATUSES = (0, 2, 130, 143)
"""Exit statuses that the documentation names; `compare --fail-on-regression` has 1 as well."""
TRACEBACK = "Traceback (most recent call last)"
_CRASHED = 70
_MEMORY = 8 << 30
"""Bytes of address space that a forked command may take beyond what is imported."""
_LOGGED = 200_000
_ENDING = 60.0
"""Seconds in which the processes of a command end after it: the server process first ends what it is importing."""
_spawn = util.spawnv_passfds


@dataclass(frozen=True)
class Result:
    """How a command ended.

    ``status`` is below 0 for a signal and None for a timeout; ``orphans`` counts processes that outlived the command.
    """

    words: tuple[str, ...]
    status: int | None
    output: str
    orphans: int = 0

    @property
    def fault(self) -> str:
        """``hang``, ``orphans``, ``traceback`` or empty."""
        if self.status is None:
            return "hang"
        if self.orphans:
            return "orphans"
        known = self.status in STATUSES or (self.status == 1 and "--fail-on-regression" in self.words)
        return "" if known and TRACEBACK not in self.output else "traceback"

    @property
    def summary(self) -> str:
        """The last line of the output, and the last line of gan_zoo in a traceback."""
        last = self.output.strip().splitlines()[-1:]
        frames = re.findall(r'File "[^"]*/(gan_zoo/[^"]+)", line (\d+)', self.output)
        words = " ".join(word[:80] for word in self.words).encode(errors="backslashreplace").decode()
        return f"{words}: {''.join(last)[:200]}" + (f" ({':'.join(frames[-1])})" if frames else "")

    @property
    def errors(self) -> list[str]:
        """The lines of output that report an error."""
        return [line for line in self.output.splitlines() if line.startswith("error: ")]


class Command:
    """A running command.

    Args:
        words: the command line without the program's name.
        log: the file to which stdout and stderr are appended.
        environment: added to that of this process.
        folder: the working folder; by default that of the log.
        whole: start a new interpreter, as a user does.
        prepare: called before the command, which is not whole, in its process.
    """

    def __init__(
        self,
        words: Sequence[object],
        log: Path,
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        whole: bool = False,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self.words, self.log = tuple(map(str, words)), log
        self._ended: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _become(self, folder or log.parent, environment, whole, prepare)

    def status(self) -> int | None:
        """The exit status; None while the command runs."""
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._ended = os.waitstatus_to_exitcode(status) if pid else None
        return self._ended

    def wait(self, timeout: float) -> Result:
        """Wait for the end, at most ``timeout`` seconds, and for that of its processes; what is left then is killed."""
        wait_until(lambda: self.status() is not None, timeout)
        status = self.status()
        if status is None:
            kill(self.pid)
            wait_until(lambda: self.status() is not None, timeout)
        else:
            wait_until(lambda: not self.session(), _ENDING)
        orphans = [pid for pid in self.session() if kill(pid)]
        output = self.log.read_bytes()[-_LOGGED:].decode(errors="replace") if self.log.exists() else ""
        return Result(self.words, status, output, len(orphans))

    def session(self) -> dict[int, int]:
        """The live processes that the command has started, each with its parent."""
        found = {}
        for process in psutil.process_iter():
            try:
                is_mine = process.pid != self.pid and os.getsid(process.pid) == self.pid
                if is_mine and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process.ppid()
            except (OSError, psutil.Error):
                continue
        return found

    def workers(self) -> list[int]:
        """The processes that train and write reports: children of the server process that the command has started."""
        session = self.session()
        return sorted(pid for pid, parent in session.items() if parent in session)


def wait_until(holds: Callable[[], bool], timeout: float, pause: float = 0.005) -> None:
    """Wait until something holds, at most ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not holds() and time.monotonic() < end:
        time.sleep(pause)


def kill(pid: int, *, group: bool = False) -> bool:
    """Send SIGKILL to a process, or to its group; whether there was one."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def run(words: Sequence[object], log: Path, environment: Mapping[str, str], timeout: float, **how: Any) -> Result:
    """Run a command to its end, or to the timeout (seconds)."""
    return Command(words, log, environment, **how).wait(timeout)


def import_everything() -> None:
    """Import what commands import, so that their forks need not."""
    for module in pkgutil.walk_packages(gan_zoo.__path__, "gan_zoo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # The first optimizer of a process imports the former.
    for name in ("torch._dynamo", "matplotlib.backends.backend_agg", "torch_fidelity"):
        importlib.import_module(name)


def in_parallel(function: Callable[[Any], Any], items: Sequence[Any], processes: int) -> list[Any]:
    """The results of a function, as JSON holds them, for all items in their order, from forked processes.

    Raises:
        RuntimeError: one of these processes failed.
    """
    with temporary_folder() as folder:
        # A pipe of the indices is the queue: a read of four bytes takes the next.
        todo, put = os.pipe()
        os.write(put, b"".join(index.to_bytes(4, "big") for index in range(len(items))))
        os.close(put)
        pids = [os.fork() or _work(function, items, todo, folder) for _ in range(processes)]
        os.close(todo)
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
        if any(statuses):
            raise RuntimeError("a process of the harness failed; its traceback is above")
        return [json.loads((folder / str(index)).read_text()) for index in range(len(items))]


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for a block; unlike ``TemporaryDirectory``, it is not deleted at the end of a forked command."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _work(function: Callable[[Any], Any], items: Sequence[Any], todo: int, folder: Path) -> int:
    try:
        while number := os.read(todo, 4):
            index = int.from_bytes(number, "big")
            (folder / str(index)).write_text(json.dumps(function(items[index])))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _become(
    command: Command,
    folder: Path,
    environment: Mapping[str, str],
    whole: bool,
    prepare: Callable[[], object] | None,
) -> None:
    """Turn this forked process into a command."""
    words = command.words
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(environment)
        if whole:
            os.execve(sys.executable, [sys.executable, "-m", "gan_zoo", *words], os.environ)
        space = psutil.Process().memory_info().vms + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        if prepare is not None:
            prepare()
        os._exit(_main(words))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(_CRASHED)


def _main(words: Sequence[str]) -> int:
    """Run the command line and what an interpreter does at its end; returns the exit status."""
    from gan_zoo.cli import main

    sys.argv = ["gan-zoo", *words]
    sys.stdin, sys.stdout, sys.stderr = (open(fd, "rw"[fd > 0], closefd=False) for fd in range(3))  # noqa: SIM115
    # Workers import the main module again, which is not the harness here.
    sys.modules["__main__"] = types.ModuleType("__main__")
    util.spawnv_passfds = _spawn_server
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _spawn_server(path: bytes, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """As ``spawnv_passfds``, which starts the server process of workers; a forked one has imported everything."""
    if "multiprocessing.forkserver" not in arguments[-1]:
        return _spawn(path, arguments, descriptors)
    pid = os.fork()
    if pid:
        return pid
    try:
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if descriptor > 2 and descriptor not in descriptors:
                try:
                    os.close(descriptor)
                except OSError:
                    continue
        # The lock is the parent's, which holds it.
        forkserver._forkserver._lock = threading.Lock()
        call = ast.parse(arguments[-1]).body[-1].value  # type: ignore[attr-defined]
        keywords: dict[str, Any] = {}
        for word in call.keywords:
            value = ast.literal_eval(word.value)
            keywords |= value if word.arg is None else {word.arg: value}
        forkserver.main(*map(ast.literal_eval, call.args), **keywords)
        os._exit(0)
    except BaseException:
        os._exit(_CRASHED)
