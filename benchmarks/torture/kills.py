"""SIGKILL at random instants of `bench` and `train`, again and again: what is left is what one run leaves.

Forked commands record their phase (training, evaluation, checkpoint, tables, report), so that a kill is counted in the
phase in which its victim died: the process in that phase, the command alone, or the group of both. Whole commands are
killed at any time.
"""

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
    files,
    lost,
    restarted,
    saved,
    train_words,
)
from benchmarks.torture.phases import Phases

COMMANDS = ("train", "bench --jobs 2", "bench --jobs 1")
LENGTH = 10
"""Kills of a chain, which share an unbroken command and its folders."""
WHOLE_SHARE = 4
"""One in so many kills is of a command with an interpreter of its own."""
DELAYS = {"training": 0.6, "evaluation": 0.1, "checkpoint": 0.01, "tables": 0.03, "report": 1.0}
"""Longest times in seconds between the beginning of a phase and the kill; about as long as the phases last."""
AFTER = 2.0
"""Seconds of a command after its last run, roughly: tables and report."""
_VICTIMS = ("group", "process", "parent")


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
        before, had_checkpoint = durable(out), saved(out)
        phases = Phases() if kind == "forked" else None
        how = {"whole": True} if phases is None else {"prepare": phases.record}
        command = Command([*words, "--out", out], log, place.environment, **how)
        struck = _strike(command, phases, out, chance, span) if done["kills"] < int(count) else []
        result = command.wait(TIMEOUT)
        is_finished = result.status == 0
        now = durable(out)
        gone = lost(before, now) + restarted(before, now, had_checkpoint)
        problems = ["orphans" * bool(result.orphans) if result.status == -signal.SIGKILL else result.fault]
        if is_finished:
            missing, doubled = counted(out, unbroken)
            gone += missing
            done["doubled"] += doubled
            problems += ["different"] * bool(different(out, unbroken))
            problems += ["left behind"] * (_names(out) != _names(unbroken))
        elif not struck:
            problems.append("not resumed")
            is_finished = True
        problems += ["lost"] * bool(gone)
        cause = f"killed {' in '.join(struck)}, {base}: {result.summary}"
        faults += [(problem, cause) for problem in problems if problem]
        done["lost"] += gone
        if struck:
            done += Counter(["kills", *(f"kills: {what}" for what in (*struck, name))])
        number += is_finished
    return done, faults


def _names(folder: Path) -> set[str]:
    return {name.removeprefix(str(folder)) for name in files(folder)}


def _strike(command: Command, phases: Phases | None, out: Path, chance: random.Random, span: float) -> list[str]:
    """Kill a part of a command at a random instant; its name and its phase then, neither if the command had ended.

    A forked command is killed in a random phase; a whole one, which does not report its phase, at any time.
    """

    def wait_for(holds: Callable[[], object], timeout: float = TIMEOUT) -> None:
        wait_until(lambda: command.status() is not None or bool(holds()), timeout, pause=0.001)

    victim, aimed = chance.choice(_VICTIMS), command.pid
    if phases is None:
        wait_for((out / "records").is_dir if chance.random() < 0.8 else lambda: True)
        wait_for(lambda: False, chance.random() * (span + AFTER))
        workers = command.workers() if victim == "process" else []
        aimed = chance.choice([*workers, command.pid])
    else:
        phase = chance.choice([*DELAYS])
        wait_for(lambda: phases.process_in(phase, command.pid))
        wait_for(lambda: False, chance.random() * DELAYS[phase])
        aimed = phases.process_in(phase, command.pid) or command.pid
    if command.status() is not None or not kill(aimed if victim == "process" else command.pid, group=victim == "group"):
        return []
    return [victim, "whole" if phases is None else phases.of(aimed)]
