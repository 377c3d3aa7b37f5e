"""How much of the machine others used meanwhile."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LIMIT = 0.05
"""Share of all cores' time above which others' work spoils a turn."""


@dataclass(frozen=True)
class Usage:
    """Ticks of the clock of `/proc` since the machine started, over all cores.

    Attributes:
        total: all that went by, idle or not.
        busy: those that some process or the kernel used.
        stolen: those that the hypervisor gave to other machines.
        own: those that this process and its descendants used, the dead ones included.
    """

    total: int
    busy: int
    stolen: int
    own: int


def usage(proc: Path = PROC, process: int | None = None) -> Usage | None:
    """Ticks used so far by all and by this process' tree; None where the system does not tell."""
    try:
        fields = [int(word) for word in (proc / "stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen = fields
    busy = user + nice + system + interrupts + soft_interrupts
    return Usage(busy + idle + waiting + stolen, busy, stolen, _tree(proc, process or os.getpid()))


def others_share(before: Usage | None, after: Usage | None) -> float | None:
    """Share of all cores' time that others used between two readings, in [0, 1]; None where it is not known."""
    if before is None or after is None or after.total <= before.total:
        return None
    others = max(0, after.busy - before.busy - (after.own - before.own)) + after.stolen - before.stolen
    return others / (after.total - before.total)


def _tree(proc: Path, root: int) -> int:
    """Ticks of a process and its living descendants, each with those of its children that have ended."""
    parents, ticks = {}, {}
    for number, parent, used in _processes(proc):
        parents[number], ticks[number] = parent, used
    return sum(used for number, used in ticks.items() if _descends(number, root, parents))


def _descends(number: int, root: int, parents: dict[int, int]) -> bool:
    while number != root and number in parents:
        number = parents[number]
    return number == root


def _processes(proc: Path) -> Iterator[tuple[int, int, int]]:
    """Number, parent and ticks used of every process."""
    for path in proc.glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold spaces and parentheses itself.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(path.parent.name), int(fields[1]), sum(int(ticks) for ticks in fields[11:15])
