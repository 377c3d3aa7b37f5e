"""kill -9 at random instants of real `gan-zoo bench` and `train` commands, again and again: nothing is lost."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import Command, kinds
from results_folders import assert_same_tables

from gan_zoo.bench.records import MANIFEST, RECORDS
from gan_zoo.bench.schedule import RESULTS
from gan_zoo.bench.tables import TABLES
from gan_zoo.engine import checkpoint
from gan_zoo.errors import GanZooError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("own_registry")]

EVERY = 1.0
"""Seconds between two checkpoints."""
CHUNK = 1.0
"""Seconds of training between two looks at the clock: 0.2, and more where other processes share the cores."""
ENDING, IMPORTING = 5.0, 60.0
"""Seconds in which workers and the server process end after the command."""
LONG = (("images = 160", "images = 16_000"), ("[0.4, 1.0]", "[0.25, 0.5, 0.75, 1.0]"))
COMMANDS = ("bench, 2 jobs", "bench, 1 job", "train")
FEW, MANY = 2, 9
"""Kills of a scenario: in every run of the slow tests, and in `make test-kills`."""


@dataclass(frozen=True)
class Kill:
    """Whom to kill (``group``, ``parent`` or ``worker``), and when: a share of the span after an event."""

    whom: str
    event: str
    share: float


def kills(seed: int, count: int) -> list[Kill]:
    """The kills of a scenario, one after another; those after the last run come last."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        whom = ("group", "parent", "worker")[(seed + number) % 3]
        event = chance.choice(["start", "training", "training", "training", "writing", "writing", "closing"])
        share = chance.random()
        found.append(Kill(whom, "training" if (whom, event) == ("worker", "closing") else event, share))
    return sorted(found, key=lambda kill: kill.event == "closing")


@dataclass(frozen=True)
class OnDisk:
    """What a run has left: its records, and steps and seconds of the checkpoint that it resumes from."""

    content: bytes
    rows: list[dict[str, Any]]
    step: int | None
    seconds: float
    is_latest: bool

    @property
    def is_finished(self) -> bool:
        return bool(self.rows) and self.rows[-1]["row"] == "end" and self.rows[-1]["status"] in RESULTS


def on_disk(folder: Path) -> dict[str, OnDisk]:
    """All runs of a results folder by name."""
    found = {}
    for path in (folder / RECORDS).glob("*.jsonl"):
        content = path.read_bytes()
        latest = folder / "checkpoints" / f"{path.stem}.safetensors"
        saved = latest if latest.is_file() else checkpoint.previous(latest)
        counts = checkpoint.load(saved).facts["counts"] if saved.is_file() else {"rounds": None, "seconds": 0.0}
        found[path.stem] = OnDisk(
            content, parse(content), counts["rounds"], counts["seconds"], is_latest=latest.is_file()
        )
    return found


def parse(content: bytes) -> list[dict[str, Any]]:
    """The rows of whole lines."""
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def check_nothing_lost(before: dict[str, OnDisk], after: dict[str, OnDisk]) -> None:
    """A command leaves finished runs as they are, and resumes the others from their last checkpoint."""
    for name, was in before.items():
        now = after[name]
        if was.is_finished:
            assert now.content == was.content, f"{name} was finished and is written to"
            continue
        whole_lines = was.content[: was.content.rfind(b"\n") + 1]
        assert now.content.startswith(whole_lines)
        new = parse(now.content[len(whole_lines) :])
        starts = [row for row in new if row["row"] in ("begin", "resume")]
        assert len(starts) <= 1, f"{name} was tried twice by one command"
        assert not starts or starts[0] is new[0]
        if was.step is not None and starts:
            assert (starts[0]["row"], starts[0].get("step")) == ("resume", was.step)
        unsaved = [row["seconds"] for row in kinds(was.rows, "history") if row["step"] > (was.step or 0)]
        lost = max(unsaved, default=was.seconds) - was.seconds
        assert lost <= (1 if was.is_latest or was.step is None else 2) * (EVERY + CHUNK), f"{name}: {lost} s are lost"


def wait_for(kill: Kill, command: Command, folder: Path, span: float) -> None:
    """Wait for the kill's instant, or the end of the command."""
    size = written(folder)
    events: dict[str, Callable[[], bool]] = {
        "start": lambda: True,
        "training": lambda: written(folder) > size,
        "closing": lambda: (folder / MANIFEST).is_file() and '"finished": true' in (folder / MANIFEST).read_text(),
    }
    until(command, events["training" if kill.event == "writing" else kill.event])
    spans = {"start": span, "training": span / 4, "writing": span / 8, "closing": span / 4}
    instant = time.monotonic() + kill.share * spans[kill.event]
    until(command, lambda: time.monotonic() >= instant)
    if kill.event == "writing":
        # A file of milliseconds may be missed: then the instant is as good as any other.
        end = instant + span / 8
        until(
            command,
            lambda: time.monotonic() >= end or any(map(is_temporary, scan(folder / "checkpoints"))),
            pause=0.0,
        )


def until(command: Command, holds: Callable[[], bool], pause: float = 0.005) -> None:
    while command.process.poll() is None and not holds():
        time.sleep(pause)


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / RECORDS).glob("*.jsonl"))


def scan(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208


def is_temporary(file: str) -> bool:
    return ".part" in file or ".next" in file


def run(words: list[object], log: Path, kill: Kill | None = None, span: float = 0.0) -> tuple[int, bool]:
    """Run a command to its end or its kill: its exit status, and whether something was killed. No process is left."""
    killed, training = False, []
    with log.open("a") as output:
        command = Command(words, output)
        try:
            if kill is not None:
                wait_for(kill, command, Path(str(words[-1])), span)
                training = command.workers()
                killed = strike(kill, command)
            status = command.process.wait(600)
        finally:
            command.process.kill()
            command.process.wait()
            # A worker ends at once, so that the next command has the folder to itself.
            orphans = command.left_over(within=ENDING, among=training)
            # The server process first ends what it is importing.
            left = command.left_over(within=IMPORTING)
    assert not orphans, f"workers outlive the command: {orphans}"
    assert not left, f"processes outlive the command: {left}"
    return status, killed or status == -signal.SIGKILL


def strike(kill: Kill, command: Command) -> bool:
    """Kill whom the kill names, unless the command has ended; whether it was a worker."""
    chance = random.Random(kill.share)
    if kill.whom == "worker":
        until(command, lambda: command.kill_worker(chance.choice))
        return command.process.poll() is None
    if command.process.poll() is None:
        {"group": command.kill_group, "parent": command.kill_parent}[kill.whom]()
    return False


def files(folder: Path) -> dict[str, bytes]:
    """The files of a results folder by relative path; of samples, which are the same in every run, the content."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.suffix == ".png" and RECORDS in path.parts
        else b""
        for path in paths
    }


def check_same(folder: Path, whole: Path) -> None:
    """The results of killed commands are those of an unbroken one."""
    assert_same_tables(folder, whole, TABLES)
    assert files(folder) == files(whole)
    for path in (whole / "checkpoints").glob("*.safetensors"):
        if ".previous" not in path.name:
            one, other = (checkpoint.load(file).tensors for file in (path, folder / "checkpoints" / path.name))
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def _whole_runs() -> dict[str, tuple[Path, float]]:
    return {}


@pytest.fixture
def words(toys, suite):
    """The words of a command that writes to a folder."""

    def make(command: str, folder: Path) -> list[object]:
        common = ["--plugin", toys, "--threads", 1, "--checkpoint-every", EVERY, "--out", folder]
        if command == "train":
            return ["train", "by_heart", "--data", "digits", "--steps", 4000, "--set", "batch_size=16", *common]
        return ["bench", suite(*LONG), "--preset", "smoke", "--jobs", 2 if "2 jobs" in command else 1, *common]

    return make


@pytest.fixture
def whole(_whole_runs, words, tmp_path_factory):
    """The folder of an unbroken run of a command, and the seconds that it took."""

    def make(command: str) -> tuple[Path, float]:
        if command not in _whole_runs:
            folder = tmp_path_factory.mktemp("whole")
            started = time.monotonic()
            assert run(words(command, folder / "out"), folder / "log") == (0, False), (folder / "log").read_text()
            _whole_runs[command] = folder / "out", time.monotonic() - started
        return _whole_runs[command]

    return make


@pytest.mark.parametrize(
    ("command", "seed", "number"),
    [
        ("bench, 2 jobs", 0, FEW),
        ("train", 0, FEW),
        *(pytest.param(name, seed, MANY, marks=pytest.mark.kills) for name in COMMANDS for seed in (1, 2)),
    ],
)
def test_commands_that_are_killed_again_and_again_leave_what_an_unbroken_one_does(
    words, whole, tmp_path, command, seed, number
):
    unbroken, span = whole(command)
    waiting, log = kills(3 * COMMANDS.index(command) + seed, number), tmp_path / "log"
    # A folder that is finished before the last kill is followed by another one.
    for folder in (tmp_path / f"out{number}" for number in count()):
        status = None
        while status != 0:
            kill = waiting[0] if waiting else None
            before = on_disk(folder)
            status, killed = run(words(command, folder), log, kill, span)
            try:
                check_nothing_lost(before, on_disk(folder))
            except (AssertionError, GanZooError) as error:
                raise AssertionError(f"after {kill}: {error}\n{log.read_text()[-2000:]}") from error
            assert killed or status == 0, log.read_text()[-2000:]
            if killed:
                print(f"{command}: {folder.name} {waiting.pop(0)}, exit status {status}")
        check_same(folder, unbroken)
        if not waiting:
            break
