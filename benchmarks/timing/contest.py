"""Interleaved rounds: every mode in a process of its own, taking timed turns one after another."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from gan_zoo.errors import GanZooError
from timing import load, machine
from timing.contestants import ENGINE
from timing.tutorial import VARIANTS, WORKERS

CAP = 3
"""Times the wanted rounds that are measured at most, where others' load spoils them."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """How turns are taken: device (``cpu``, ``cuda``), CPU threads a process, seconds a turn, rounds wanted."""

    device: str
    threads: int
    seconds: float
    rounds: int


@dataclass(frozen=True)
class Timing:
    """One mode in one round; ``others`` is the share of the cores' time that others used, None where unknown."""

    images_per_second: float
    ms_per_step: float
    others: float | None
    workers: dict[int, float]
    """Images a second of the tutorial loop by the DataLoader's workers; empty for other modes."""


Round = dict[str, Timing]


@dataclass
class Contest:
    """All rounds of one variant, and what its processes said of themselves, by mode."""

    variant: str
    rounds: list[Round]
    facts: dict[str, dict[str, Any]]
    profiles: dict[str, dict[str, float]]
    least_seconds: float = 0.0
    """What the start and the first round took."""

    @property
    def clean(self) -> list[Round]:
        """The rounds in which others left the machine alone."""
        return [one for one in self.rounds if not spoiled(one)]

    @property
    def discarded(self) -> int:
        """Rounds that others' load spoiled."""
        return len(self.rounds) - len(self.clean)

    @property
    def noisy(self) -> bool:
        """Whether more than half of the rounds were spoiled."""
        return self.discarded > len(self.rounds) / 2

    @property
    def counted(self) -> list[Round]:
        """The rounds that figures are made from: the clean ones, or all of them where there is no clean one."""
        return self.clean or self.rounds


def spoiled(one: Round) -> bool:
    """Whether others worked during any turn of a round."""
    return any(timing.others is not None and timing.others > load.LIMIT for timing in one.values())


def modes_of(variant: str, device: str) -> list[str]:
    """The modes of a variant on a device; only the articles' four systems have a tutorial loop."""
    engine = [mode for mode in ENGINE if mode != "tf32" or device != "cpu"]
    return [*(("tutorial", "in_memory") if variant in VARIANTS else ()), *engine]


def contest(variant: str, setting: Setting, until: float, *, profile: bool, say: Say) -> Contest:
    """Measure a variant: rounds until enough are clean, up to a cap or the time ``until`` (`time.monotonic`).

    At least one round is measured, whatever the time. On a CPU the processes begin one after another, so that each has
    the machine for itself; on a CUDA device, where starting takes longer than measuring, side by side.

    Raises:
        GanZooError: a process could not begin, or failed.
    """
    begun = time.monotonic()
    with ExitStack() as stack:
        workers = {}
        for mode in modes_of(variant, setting.device):
            workers[mode] = stack.enter_context(worker(variant, mode, setting))
            if setting.device == "cpu":
                workers[mode].await_first_step()
        for one in workers.values():
            one.await_first_step()
            one.facts |= one.ask(warm_up=True)
        result = Contest(variant, [], {mode: one.facts for mode, one in workers.items()}, {})
        longest = 0.0
        while len(result.clean) < setting.rounds and len(result.rounds) < CAP * setting.rounds:
            started = time.monotonic()
            if result.rounds and started + longest > until:
                break
            result.rounds.append({mode: one.timing(setting.seconds) for mode, one in workers.items()})
            longest = max(longest, time.monotonic() - started)
            result.least_seconds = result.least_seconds or time.monotonic() - begun
            say(_progress(variant, result.rounds[-1]))
        if profile:
            seconds = setting.seconds if setting.device == "cpu" else setting.seconds / 10
            engine = {mode: one for mode, one in workers.items() if mode in ENGINE}
            result.profiles = {mode: one.ask(profile=seconds)["profile"] for mode, one in engine.items()}
    return result


def _progress(variant: str, one: Round) -> str:
    figures = ", ".join(f"{mode} {timing.ms_per_step:.4g}" for mode, timing in one.items())
    return f"{variant}: ms a step: {figures}{'  (others worked: discarded)' if spoiled(one) else ''}"


class Worker:
    """The process of one mode, seen from here; ``facts`` is what it last said of itself."""

    def __init__(self, mode: str, process: subprocess.Popen[str]) -> None:
        self.mode, self.process = mode, process
        self.facts: dict[str, Any] = {}

    def await_first_step(self) -> None:
        """Wait until it has trained its first step."""
        self.facts = self.facts or self._reply()

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request, and the wait for its reply."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def timing(self, seconds: float) -> Timing:
        """A turn, watched for others' load; of the tutorial loop a turn a number of DataLoader workers, the fastest."""
        before, turns = load.usage(), {}
        for workers in WORKERS if self.mode == "tutorial" else (0,):
            turns[workers] = self.ask(seconds=seconds, workers=workers)
        others = load.others_share(before, load.usage())
        rates = {workers: turn["images"] / turn["seconds"] for workers, turn in turns.items()}
        best = turns[max(rates, key=rates.__getitem__)]
        self.facts |= {"peak_memory_bytes": best["peak_memory_bytes"], "note": best["note"]}
        return Timing(
            images_per_second=best["images"] / best["seconds"],
            ms_per_step=1e3 * best["seconds"] / best["steps"],
            others=others,
            workers=rates if self.mode == "tutorial" else {},
        )

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {"error": f"its process ended with status {self.process.wait()}"}
        if "error" in reply:
            raise GanZooError(f"mode {self.mode}: {reply['error']}")
        return reply


@contextmanager
def worker(variant: str, mode: str, setting: Setting) -> Iterator[Worker]:
    """A process that is ready to take turns, and ends when left."""
    spec = {
        "started": time.time(),
        "mode": mode,
        "variant": variant,
        "device": setting.device,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "timing.worker", json.dumps(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=machine.environment(setting.threads),
    ) as process:
        try:
            yield Worker(mode, process)
        finally:
            process.stdin.close()
