"""A disk that is full at every write site: one line with the path, nothing finished lost, and the same command resumes.

The disk is a small tmpfs with a file that leaves a given number of bytes; it needs the right to mount.
"""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.torture.commands import Result, in_parallel
from benchmarks.torture.folders import TOYS, Workplace, bench_words, counted, different, durable, lost, train_words

SIZE = 128 << 20
_PAGE = 4096
_FINISHED = "again"


def _writers(place: Workplace, out: Path) -> dict[str, list[object]]:
    """Commands that write to ``out``; those that are run again find it finished."""
    bench = [*bench_words(place.small_suite), "--out", out]
    train = [*train_words(20), "--out", out]
    return {
        "bench": bench,
        "train": train,
        f"bench {_FINISHED}": bench,
        f"train {_FINISHED}": train,
        "compare": ["compare", place.finished, place.finished, "--out", out],
        "sample": ["sample", place.trained, "--plugin", TOYS, "--out", out / "drawn.png"],
        "new": ["new", "my_gan", "--out", out / "my_gan.py"],
        "data": ["data", "mnist"],
    }


@dataclass(frozen=True)
class Case:
    """A command on a disk with so many free bytes."""

    place: Workplace
    number: int
    command: str
    free: int


def torture(place: Workplace, options: argparse.Namespace) -> dict[str, Any]:
    """Run commands on disks with different room; returns counts and what failed, or why it was skipped."""
    try:
        with _mounted(place.new("disk")):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        return {"full_disks": 0, "full_disks_skipped": f"no tmpfs can be mounted: {error}", "failures": []}
    cases = _cases(place, options.disks)
    results = in_parallel(_filled, cases, options.jobs)
    return {
        "full_disks": sum(result["full"] for result in results),
        "full_disk_sites": sorted({site for result in results for site in result["sites"]}),
        "lost": sum(result["lost"] for result in results),
        "failures": [failure for result in results for failure in result["failures"]],
    }


def _cases(place: Workplace, count: int) -> list[Case]:
    """Free bytes from none to all that a command writes, more often few: small files come first."""
    found: list[Case] = []
    names = [*_writers(place, place.folder)]
    for number in range(count):
        name, step = names[number % len(names)], number // len(names)
        share = step / max(1, count // len(names))
        found.append(Case(place, number, name, int(_size(place, name) * share**2) // _PAGE * _PAGE))
    return found


def _size(place: Workplace, name: str) -> int:
    """About the bytes that a command writes."""
    if name == "data":
        return 70 << 20
    whole = _whole(place, name)
    paths = [] if whole is None else [path for path in whole.rglob("*") if path.is_file()]
    return sum(path.stat().st_size + _PAGE for path in paths) or 4 * _PAGE


def _whole(place: Workplace, name: str) -> Path | None:
    """What an unbroken command leaves."""
    return {"bench": place.finished, "train": place.trained}.get(name.partition(" ")[0])


def _filled(case: Case) -> dict[str, Any]:
    """Run a command on a full disk, and again with room; what this shows."""
    base, whole = case.place.new(f"disk{case.number}"), _whole(case.place, case.command)
    with _mounted(case.place.new(f"disk{case.number}-mounted")) as disk:
        out, ballast = disk / "out", disk / "ballast"
        if case.command.endswith(_FINISHED) and whole is not None:
            shutil.copytree(whole, out)
            for path in [*out.glob("*.csv"), *out.glob("report.*"), *out.glob("*/*.png")]:
                path.write_bytes(b"old")
        before = durable(out)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free // _PAGE * _PAGE - case.free)
        words = _writers(case.place, out)[case.command]
        environment = {"GAN_ZOO_CACHE": str(out)} if case.command == "data" else {}
        full = case.place.run(words, base, environment=environment)
        ballast.unlink()
        (base / "log").unlink()
        gone = lost(before, durable(out))
        problems = _problems(full, disk) + [("lost", full.summary)] * bool(gone)
        again = case.place.run(words, base, environment=environment)
        if again.status != 0 or again.fault:
            problems.append(("not resumed", again.summary))
        elif whole is not None:
            gone += counted(out, whole)[0]
            problems += [("different", name) for name in different(out, whole)[:3]]
    return {
        "full": full.status == 2,
        "sites": [_site(line, out) for line in full.errors if str(disk) in line],
        "lost": gone,
        "failures": [[fault, f"{case.command}, {case.free} bytes free: {how}"] for fault, how in problems],
    }


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
