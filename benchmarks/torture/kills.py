"""SIGKILL at random instants of `bench` and `train`, again and again: what is left is what one run leaves."""

import argparse
import json
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.torture.commands import Command, in_parallel, kill, wait_until
from benchmarks.torture.folders import (
    TIMEOUT,
    Workplace,
    bench_words,
    counted,
    different,
    durable,
    lost,
    train_words,
)

STAGES = {
    "start": "",
    "training": "records/*.jsonl",
    "evaluation": "records/*/*.png",
    "checkpoint": "checkpoints/*",
    "tables": "*.csv",
    "report": "figures/*",
}
"""Where a change of files shows that a command has come to a stage."""
COMMANDS = ("train", "bench, 2 jobs", "bench, 1 job")
LENGTH = 10
"""Kills of a chain, which share an unbroken command and its folders."""
WHOLE_SHARE = 0.25
"""Share of the kills that are of commands with an interpreter of their own."""
SHARES = {"start": 1.0, "training": 0.25}
"""Span after a stage's beginning in which a kill lies, as a share of the seconds of an unbroken command."""
_VICTIMS = ("group", "worker", "parent")


@dataclass(frozen=True)
class Chain:
    """Kills one after another of one command."""

    place: Workplace
    name: str
    command: str
    count: int
    whole: bool
    seed: str


def torture(place: Workplace, options: argparse.Namespace) -> dict[str, Any]:
    """Kill commands; returns counts and what failed."""
    planned = [chain for chain in chains(place, options.kills, options.seed) if options.only in ("", chain.seed)]
    names = sorted({chain.command for chain in planned})
    in_parallel(lambda name: str(_unbroken(place, name)), names, options.jobs)
    results = in_parallel(_killed, planned, options.jobs)
    stages = [stage for result in results for stage in result["stages"]]
    return {
        "kills": len(stages),
        "kills_of_whole_commands": sum(len(r["stages"]) for r, c in zip(results, planned, strict=True) if c.whole),
        "kills_by_stage": {stage: stages.count(stage) for stage in sorted(set(stages))},
        "lost": sum(result["lost"] for result in results),
        "doubled": sum(result["doubled"] for result in results),
        "tables_identical": not any(result["different"] for result in results),
        "failures": [failure for result in results for failure in result["failures"]],
    }


def chains(place: Workplace, count: int, seed: int) -> list[Chain]:
    whole = round(count * WHOLE_SHARE)
    sizes = [(min(LENGTH, total - first), kind) for total, kind in ((whole, True), (count - whole, False))
             for first in range(0, total, LENGTH)]  # fmt: skip
    names = [COMMANDS[number % len(COMMANDS)] for number in range(len(sizes))]
    return [
        Chain(place, f"kills{number}", name, size, is_whole, f"{seed}/kills/{number}")
        for number, (name, (size, is_whole)) in enumerate(zip(names, sizes, strict=True))
    ]


def _words(place: Workplace, command: str) -> list[object]:
    if command == "train":
        words = train_words(600)
    else:
        words = bench_words(place.suite("long", images=8_000, seeds=2), jobs=2 if "2 jobs" in command else 1)
    return [*words, "--checkpoint-every", 0.5]


def _unbroken(place: Workplace, command: str) -> Path:
    return place.unbroken(f"unbroken {command}", _words(place, command))


def _killed(chain: Chain) -> dict[str, Any]:
    """Run the command of a chain, with a kill each time, until all kills are done and the folder is finished."""
    chance, base = random.Random(chain.seed), chain.place.new(chain.name)
    found: dict[str, Any] = {"stages": [], "lost": 0, "doubled": 0, "different": [], "failures": []}
    unbroken, number, finished = _unbroken(chain.place, chain.command), 0, True
    span = json.loads((unbroken / "manifest.json").read_text())["wall_seconds"]
    while len(found["stages"]) < chain.count or not finished:
        number += finished
        out, log = base / f"out{number}", base / f"log{number}"
        before = durable(out)
        command = Command([*_words(chain.place, chain.command), "--out", out], log, chain.place.environment,
                          whole=chain.whole)  # fmt: skip
        stage = "" if len(found["stages"]) == chain.count else chance.choice([*STAGES])
        killed = bool(stage) and _strike(command, out, stage, chance, span)
        result = command.wait(TIMEOUT)
        found["stages"] += [stage] * killed
        found["lost"] += (gone := lost(before, durable(out)))
        finished = result.status == 0
        fault = "orphans" * bool(result.orphans) if killed and result.status == -signal.SIGKILL else result.fault
        failed = ["lost"] * bool(gone) + [fault] * bool(fault)
        if finished:
            failed += _compared(out, unbroken, found)
        elif not killed:
            failed.append(f"exit status {result.status}")
            finished = True
        where = f"{chain.command}, seed {chain.seed}, after kill {len(found['stages'])} ({stage}): {result.summary}"
        found["failures"] += [[fault, where] for fault in failed]
    return found


def _compared(out: Path, unbroken: Path, found: dict[str, Any]) -> list[str]:
    missing, doubled = counted(out, unbroken)
    names = different(out, unbroken)
    found["lost"] += missing
    found["doubled"] += doubled
    found["different"] += names
    return [f"different: {', '.join(names[:5])}"] * bool(names)


def _strike(command: Command, out: Path, stage: str, chance: random.Random, span: float) -> bool:
    """Kill a part of the command at a random instant after it has come to a stage; whether it was still running."""

    def wait_for(holds: Callable[[], bool], timeout: float = TIMEOUT, pause: float = 0.002) -> None:
        wait_until(lambda: command.status() is not None or holds(), timeout, pause)

    before = _signature(out, stage)
    wait_for(lambda: stage == "start" or _signature(out, stage) != before)
    wait_for(lambda: False, chance.random() * span * SHARES.get(stage, 0.05))
    victim = chance.choice(_VICTIMS)
    if victim == "worker":
        wait_for(lambda: bool(command.workers()), pause=0.02)
    if command.status() is not None:
        return False
    if victim != "worker":
        return kill(command.pid, group=victim == "group")
    workers = command.workers()
    return bool(workers) and kill(chance.choice(workers))


def _signature(out: Path, stage: str) -> set[tuple[str, int]]:
    """The files that show a stage, with the times of their last change."""
    found = set()
    for path in out.glob(STAGES[stage]) if STAGES[stage] and out.is_dir() else ():
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:
            continue
    return found
