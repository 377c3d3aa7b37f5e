"""A disk that is full at every write site: one line with the path, nothing finished lost, and the same command resumes.

The disk is a small tmpfs with a file that leaves a given number of bytes; it needs the right to mount.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def cases(place: Workplace, options: argparse.Namespace) -> list[str]:
    """disk/COMMAND/BYTES, from none free to all that a command writes; none where no tmpfs can be mounted."""
    try:
        with _mounted(place.new("disk")):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no full disks: {error}", file=sys.stderr)
        return []
    found: list[str] = []
    names = [*_writers(place, place.folder)]
    for number in range(options.disks):
        name, step = names[number % len(names)], number // len(names)
        # More often few: small files come first.
        share = (step / max(1, options.disks // len(names))) ** 2
        found.append(f"disk/{name}/{int(_size(place, name) * share) // _PAGE * _PAGE}")
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


def run(place: Workplace, case: str) -> Found:
    """Run a command on a full disk, and again with room; what this shows."""
    _, name, free = case.split("/")
    base, whole = place.new(case), _whole(place, name)
    with _mounted(place.new(f"{case}/mounted")) as disk:
        out, ballast = disk / "out", disk / "ballast"
        if name.endswith(_FINISHED) and whole is not None:
            shutil.copytree(whole, out)
            for path in [*out.glob("*.csv"), *out.glob("report.*"), *out.glob("*/*.png")]:
                path.write_bytes(b"old")
        before = durable(out)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free // _PAGE * _PAGE - int(free))
        words = _writers(place, out)[name]
        environment = {"GAN_ZOO_CACHE": str(out)} if name == "data" else {}
        full = place.run(words, base, environment=environment)
        ballast.unlink()
        gone = lost(before, durable(out))
        faults = _faults(full, disk) + [("lost", full.summary)] * bool(gone)
        # A file that `new` has written is not written again.
        again = full if full.status == 0 else place.run(words, base, environment=environment)
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
    """The kind of file that an error names: its folder and suffix."""
    words = [word.strip("'\":;,") for word in line.split()]
    path = next((Path(word) for word in words if word.startswith(str(disk))), disk)
    inner = path.relative_to(disk)
    return f"{'/'.join(inner.parts[:2])}/*{inner.suffix}" if len(inner.parts) > 2 else str(inner)


@contextmanager
def _mounted(folder: Path) -> Iterator[Path]:
    """A tmpfs at a folder, unmounted at the end."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
