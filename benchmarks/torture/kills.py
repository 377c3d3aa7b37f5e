"""SIGKILL at random instants of `bench` and `train`, again and again: what is left is what one run leaves."""

import argparse
import json
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.torture.commands import Command, kill, wait_until
from benchmarks.torture.folders import (
    TIMEOUT,
    Found,
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
COMMANDS = ("train", "bench --jobs 2", "bench --jobs 1")
LENGTH = 10
"""Kills of a chain, which share an unbroken command and its folders."""
WHOLE_SHARE = 4
"""One in so many kills is of a command with an interpreter of its own."""
SHARES = {"start": 1.0, "training": 0.25}
"""Span after a stage's beginning in which a kill lies, as a share of the seconds of an unbroken command."""
_VICTIMS = ("group", "worker", "parent")


def cases(_place: Workplace, options: argparse.Namespace) -> list[str]:
    """Chains of kills of one command: SEED/kills/COMMAND/whole or forked/KILLS/NUMBER."""
    found: list[str] = []
    whole = options.kills // WHOLE_SHARE
    for kind, count in (("whole", whole), ("forked", options.kills - whole)):
        for first in range(0, count, LENGTH):
            command = COMMANDS[len(found) % len(COMMANDS)]
            found.append(f"{options.seed}/kills/{command}/{kind}/{min(LENGTH, count - first)}/{len(found)}")
    return found


def _words(place: Workplace, command: str) -> list[object]:
    if command == "train":
        words = train_words(600)
    else:
        words = bench_words(place.suite("long", images=8_000, seeds=2), jobs=int(command[-1]))
    return [*words, "--checkpoint-every", 0.5]


def run(place: Workplace, case: str) -> Found:
    """Run the command of a chain, with a kill each time, until all kills are done and the folder is finished."""
    _, _, name, kind, count, _ = case.split("/")
    chance, base, words = random.Random(case), place.new(case), _words(place, name)
    unbroken = place.unbroken(f"unbroken {name}", words)
    span = json.loads((unbroken / "manifest.json").read_text())["wall_seconds"]
    done: Counter[str] = Counter()
    faults: list[tuple[str, str]] = []
    number = 0
    is_finished = False
    while done["kills"] < int(count) or not is_finished:
        out, log = base / f"out{number}", base / f"log{number}"
        log.unlink(missing_ok=True)
        before = durable(out)
        command = Command([*words, "--out", out], log, place.environment, whole=kind == "whole")
        stage = chance.choice([*STAGES]) if done["kills"] < int(count) else ""
        is_killed = stage != "" and _strike(command, out, stage, chance, span)
        result = command.wait(TIMEOUT)
        is_finished = result.status == 0
        gone = lost(before, durable(out))
        problems = ["orphans" * bool(result.orphans) if result.status == -signal.SIGKILL else result.fault]
        if is_finished:
            missing, doubled = counted(out, unbroken)
            gone += missing
            done["doubled"] += doubled
            problems += ["different"] * bool(different(out, unbroken))
        elif not is_killed:
            problems.append("not resumed")
            is_finished = True
        problems += ["lost"] * bool(gone)
        faults += [(problem, f"{stage}, {base}: {result.summary}") for problem in problems if problem]
        done += Counter({"kills": is_killed, f"kills: {stage}": is_killed, f"kills: {kind}": is_killed, "lost": gone})
        number += is_finished
    return done, faults


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
