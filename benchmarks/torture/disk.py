"""A disk that is full at every write site: one line with the path, nothing finished lost, and the same command resumes.

The disk is a small tmpfs that a file fills: when a certain file is opened for writing, the first of each folder and
suffix in turn, or from the start but for a number of bytes. It needs the right to mount.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.torture.commands import Result
from benchmarks.torture.folders import (
    TOYS,
    Found,
    Workplace,
    bench_words,
    counted,
    different,
    durable,
    lost,
    train_words,
)

SIZE = 128 << 20
_PAGE = 4096
_FINISHED = "again"
_BALLAST = "ballast"


def _writers(place: Workplace, out: Path) -> dict[str, list[object]]:
    """Commands that write to ``out``; those that are run again find it finished."""
    bench = [*bench_words(place.small_suite), "--out", out]
    train = [*train_words(20), "--out", out]
    copied = place.once("copied", lambda folder: shutil.copytree(place.finished, folder / "out"))
    return {
        "bench": bench,
        "train": train,
        f"bench {_FINISHED}": bench,
        f"train {_FINISHED}": train,
        "compare": ["compare", place.finished, copied / "out", "--out", out],
        "sample": ["sample", place.trained, "--plugin", TOYS, "--out", out / "drawn.png"],
        "new": ["new", "my_gan", "--out", out / "my_gan.py"],
        "data": ["data", "mnist"],
    }


def _command(place: Workplace, name: str, folder: Path, disk: Path) -> tuple[list[object], Path, dict[str, str]]:
    """Words, working folder and environment of a command that writes to a disk."""
    environment = {"GAN_ZOO_CACHE": str(disk / "out")} if name == "data" else {}
    return _writers(place, disk / "out")[name], folder, environment


def cases(place: Workplace, options: argparse.Namespace) -> list[str]:
    """disk/COMMAND/open/NUMBER for the first file of each kind, then disk/COMMAND/free/BYTES; none without a tmpfs."""
    try:
        with _mounted(place.new("disk")):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no full disks: {error}", file=sys.stderr)
        return []
    found: list[str] = []
    names = [*_writers(place, place.folder)]
    for name in names:
        sites = _sites(place, name)
        found += [f"disk/{name}/open/{sites.index(site)}" for site in dict.fromkeys(sites)]
    random.Random(options.seed).shuffle(found)
    steps = max(1, (options.disks - len(found)) // len(names))
    for number in range(options.disks - len(found)):
        name, step = names[number % len(names)], number // len(names)
        # More often few: small files come first.
        found.append(f"disk/{name}/free/{int(_size(place, name) * (step / steps) ** 2) // _PAGE * _PAGE}")
    return found[: options.disks]


def _sites(place: Workplace, name: str) -> list[str]:
    """The kinds of the files that a command opens for writing, in their order."""

    def make(folder: Path) -> None:
        with _mounted(place.new(f"{folder}/mounted")) as disk:
            _prepare(place, name, disk)
            place.run(*_command(place, name, folder, disk), prepare=_watch(disk, folder / "opened", None))

    return (place.once(f"sites of {name}", make) / "opened").read_text().splitlines()


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


def _prepare(place: Workplace, name: str, disk: Path) -> None:
    """Put there what a command finds."""
    whole = _whole(place, name)
    if name.endswith(_FINISHED) and whole is not None:
        shutil.copytree(whole, disk / "out")
        for path in [*disk.glob("out/*.csv"), *disk.glob("out/report.*"), *disk.glob("out/*/*.png")]:
            path.write_bytes(b"old")


def _fill(disk: Path, free: int = 0) -> None:
    with (disk / _BALLAST).open("wb") as file:
        if (size := shutil.disk_usage(disk).free // _PAGE * _PAGE - free) > 0:
            os.posix_fallocate(file.fileno(), 0, size)


def _watch(disk: Path, log: Path, number: int | None) -> Callable[[], None]:
    """What has a command log the kinds of files that it opens for writing, and fill the disk before one of them."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[0], str) or not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        path = Path(os.path.abspath(args[0]))  # noqa: PTH100
        if not path.is_relative_to(disk) or path.name == _BALLAST:
            return
        before = log.read_text().count("\n") if log.exists() else 0
        with log.open("a") as file:
            file.write(f"{_kind(path, disk)}\n")
        if before == number:
            _fill(disk)

    return lambda: sys.addaudithook(hook)


def run(place: Workplace, case: str) -> Found:
    """Run a command on a full disk, and again with room; what this shows."""
    _, name, when, number = case.split("/")
    base, whole = place.new(case), _whole(place, name)
    with _mounted(place.new(f"{case}/mounted")) as disk:
        out = disk / "out"
        _prepare(place, name, disk)
        before = durable(out)
        command = _command(place, name, base, disk)
        if when == "free":
            _fill(disk, int(number))
            full = place.run(*command)
        else:
            full = place.run(*command, prepare=_watch(disk, base / "opened", int(number)))
        (disk / _BALLAST).unlink(missing_ok=True)
        gone = lost(before, durable(out))
        faults = _faults(full, disk) + [("lost", full.summary)] * bool(gone)
        # A file that `new` has written is not written again.
        again = full if full.status == 0 else place.run(*command)
        if again.status != 0 or again.fault:
            faults.append(("not resumed", again.summary))
        elif whole is not None:
            gone += counted(out, whole)[0]
            faults += [("different", changed) for changed in different(out, whole)[:3]]
    sites = {f"full disk: {_site(line, disk)}": 1 for line in full.errors if str(disk) in line}
    return {"full_disks": int(full.status == 2), "lost": gone, **sites}, faults


def _faults(result: Result, disk: Path) -> list[tuple[str, str]]:
    """The fault of a command on a full disk, if there is one."""
    is_clear = len(result.errors) == 1 and str(disk) in result.errors[0]
    fault = result.fault or ("" if result.status == 0 or is_clear else "unclear")
    return [(fault, result.summary)] * bool(fault)


def _site(line: str, disk: Path) -> str:
    """The kind of file that an error names."""
    words = [word.strip("'\":;,") for word in line.split()]
    return _kind(next((Path(word) for word in words if word.startswith(str(disk))), disk), disk)


def _kind(path: Path, disk: Path) -> str:
    """The folder, that of a run as *, and suffix of a file."""
    inner = path.relative_to(disk)
    parents = [part if level < 2 else "*" for level, part in enumerate(inner.parts[:-1])]
    return "/".join([*parents, f"*{inner.suffix}"]) if inner.suffix else str(inner)


@contextmanager
def _mounted(folder: Path) -> Iterator[Path]:
    """A tmpfs at a folder, unmounted at the end."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
