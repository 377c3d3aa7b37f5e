"""A disk that is full at every write site: one line with the path, nothing finished lost, and the same command resumes.

The disk is a small tmpfs with a file that leaves a given number of bytes; it needs the right to mount.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.torture.commands import Result, in_parallel
from benchmarks.torture.folders import Workplace, bench_words, counted, different, durable, lost, train_words

SIZE = 64 << 20
_PAGE = 4096
_NEW, _FINISHED = "in a new folder", "in a finished folder"


@dataclass(frozen=True)
class Case:
    """A command on a disk with so many free bytes."""

    place: Workplace
    number: int
    command: str
    free: int


def torture(place: Workplace, count: int, processes: int) -> dict[str, Any]:
    """Run commands on ``count`` disks with different room; returns counts and what failed, or why it was skipped."""
    try:
        with _mounted(place.new("disk")):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        return {"full_disks": 0, "full_disks_skipped": f"no tmpfs can be mounted: {error}", "failures": []}
    cases = _cases(place, count)
    results = in_parallel(_filled, cases, processes)
    return {
        "full_disks": sum(result["full"] for result in results),
        "full_disk_sites": sorted({site for result in results for site in result["sites"]}),
        "lost": sum(result["lost"] for result in results),
        "failures": [failure for result in results for failure in result["failures"]],
    }


def _words(place: Workplace, command: str) -> list[object]:
    return train_words(20) if command.startswith("train") else bench_words(place.small_suite)


def _cases(place: Workplace, count: int) -> list[Case]:
    """Free bytes from none to all that a command writes, for each command."""
    found: list[Case] = []
    names = [f"{command} {where}" for command in ("bench", "train") for where in (_NEW, _FINISHED)]
    for name in names:
        whole = _whole(place, name)
        pages = sum(1 + path.stat().st_size // _PAGE for path in whole.rglob("*") if path.is_file())
        share = count // len(names)
        # Small files come first, so most sites lie near the beginning.
        found += [Case(place, len(found) + n, name, int(pages * (n / share) ** 2) * _PAGE) for n in range(share)]
    return found


def _whole(place: Workplace, name: str) -> Path:
    return place.trained if name.startswith("train") else place.finished


def _filled(case: Case) -> dict[str, Any]:
    """Run a command on a full disk, and again with room; what this shows."""
    found: dict[str, Any] = {"full": False, "sites": [], "lost": 0, "failures": []}
    base = case.place.new(f"disk{case.number}")
    whole = _whole(case.place, case.command)
    with _mounted(case.place.new(f"disk{case.number}-mounted")) as disk:
        out, ballast = disk / "out", disk / "ballast"
        if case.command.endswith(_FINISHED):
            shutil.copytree(whole, out)
            for path in [*out.glob("*.csv"), *out.glob("report.*"), *out.glob("*/*.png")]:
                path.write_bytes(b"old")
        before = durable(out)
        with ballast.open("wb") as file:
            file.write(bytes(shutil.disk_usage(disk).free // _PAGE * _PAGE - case.free))
        words = [*_words(case.place, case.command), "--out", out]
        full = case.place.run(words, base)
        ballast.unlink()
        (base / "log").unlink()
        found["lost"] += lost(before, durable(out))
        problems = _problems(full, disk) + [("lost", full.summary)] * bool(found["lost"])
        found["full"] = full.status == 2
        found["sites"] = sorted({_site(line, out) for line in full.errors if str(disk) in line})
        again = case.place.run(words, base)
        if again.status != 0 or again.fault:
            problems.append(("not resumed", again.summary))
        else:
            found["lost"] += counted(out, whole)[0]
            problems += [("different", name) for name in different(out, whole)[:3]]
    found["failures"] = [[fault, f"{case.command}, {case.free} bytes free: {how}"] for fault, how in problems]
    return found


def _problems(result: Result, disk: Path) -> list[tuple[str, str]]:
    """The fault of a command on a full disk, if there is one."""
    is_clear = len(result.errors) == 1 and str(disk) in result.errors[0]
    fault = result.fault or ("" if result.status == 0 or is_clear else "unclear")
    return [(fault, result.summary)] * bool(fault)


def _site(line: str, out: Path) -> str:
    """The kind of file that an error names: its folder and suffix."""
    words = [word.strip("'\":;,") for word in line.split()]
    path = next((Path(word) for word in words if word.startswith(str(out))), out)
    inner = path.relative_to(out)
    return f"{inner.parts[0]}/*{inner.suffix}" if len(inner.parts) > 1 else str(inner)


@contextmanager
def _mounted(folder: Path) -> Iterator[Path]:
    """A tmpfs at a folder, unmounted at the end."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
