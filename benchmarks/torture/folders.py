"""What commands are run on: suites of the toys, folders of unbroken commands, and the comparison of what they leave."""

import hashlib
import json
import os
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from benchmarks.common import ROOT
from benchmarks.torture.commands import Result, run
from gan_zoo.errors import GanZooError

TOYS = ROOT / "tests" / "toys.py"
TIMES = ["seconds", "images_per_second", "peak_memory_bytes", "evaluation_seconds"]
"""Columns that no two runs share."""
RESULTS = ("ok", "diverged", "collapsed", "out_of_memory")
TIMEOUT = 300.0
Found = tuple[dict[str, int], list[tuple[str, str]]]
"""What a case has done, as counts, and its faults, each with how it came about."""
_SUITE = """
title = "Toys"
data = "digits"
{variants}
extractors = ["digits-cnn"]

[presets.smoke]
seeds = {seeds}
budget = {{ images = {images} }}
evaluate_at = [0.5, 1.0]
num_samples = 140
batch_size = 16
"""
_TWO = 'variants = ["by_heart", "sibling"]\ncontrasts = [["sibling", "by_heart"]]'


@dataclass(frozen=True)
class Workplace:
    """The folder of all inputs and outputs, and the environment of commands."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """One thread, caches of its own, wide lines, and no network."""
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        (self.folder / "sets").mkdir(exist_ok=True)
        cache = {"GAN_ZOO_CACHE": str(self.folder / "cache"), "GAN_ZOO_DATA": str(self.folder / "sets")}
        path = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        return {"OMP_NUM_THREADS": "1", "COLUMNS": "400", **proxies, **cache, **path}

    def new(self, name: str) -> Path:
        """An empty folder of this name."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """A folder that a function has filled, by whatever process needed it first."""
        path = self.folder / name
        with FileLock(self.folder / f"{name}.lock"):
            if not path.exists():
                make(self.new(name))
        return path

    def suite(self, name: str, *, images: int, seeds: int = 1, variants: str = _TWO) -> Path:
        """A suite of the toys in a file."""
        text = _SUITE.format(images=images, seeds=seeds, variants=variants)
        return self.once(name, lambda folder: (folder / f"{name}.toml").write_text(text)) / f"{name}.toml"

    def run(
        self, words: Sequence[object], folder: Path, environment: dict[str, str] | None = None, **how: Any
    ) -> Result:
        """Run a command in a folder, with its output in the file ``log`` there."""
        (folder / "log").unlink(missing_ok=True)
        return run(words, folder / "log", self.environment | (environment or {}), how.pop("timeout", TIMEOUT), **how)

    def unbroken(self, name: str, words: Sequence[object]) -> Path:
        """The folder that a command wrote.

        Raises:
            GanZooError: the command failed.
        """

        def make(folder: Path) -> None:
            result = self.run([*words, "--out", folder / "out"], folder)
            if result.status != 0 or result.fault:
                raise GanZooError(f"{name}: {result.summary}")

        return self.once(name, make) / "out"

    @property
    def small_suite(self) -> Path:
        """A suite that trains for a second."""
        return self.suite("small", images=320)

    @property
    def finished(self) -> Path:
        """The folder that `bench` left of it."""
        return self.unbroken("bench", bench_words(self.small_suite))

    @property
    def trained(self) -> Path:
        """The folder that `train` left of a toy."""
        return self.unbroken("train", train_words(20))

    @property
    def conditional(self) -> Path:
        """The folder that `train` left of a small conditional network, whose checkpoint has shape and classes."""
        words = ["train", "cdcgan", "--data", "digits", "--steps", 4, "--no-evaluate", "--threads", 1]
        return self.unbroken("conditional", [*words, "--set", "width=4", "--set", "batch_size=8"])


def bench_words(suite: Path, *, jobs: int = 1) -> list[object]:
    """A command that runs a suite of the toys."""
    return ["bench", suite, "--preset", "smoke", "--jobs", jobs, "--plugin", TOYS, "--threads", 1]


def train_words(steps: int) -> list[object]:
    """A command that trains a toy."""
    words = ["train", "by_heart", "--data", "digits", "--steps", steps, "--set", "batch_size=16"]
    return [*words, "--plugin", TOYS, "--threads", 1]


def tables(folder: Path) -> dict[str, Counter[str]]:
    """The rows of each table of a results folder, without times, each with the number of times that it stands there."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=TIMES, errors="ignore")
        found[path.name] = Counter(map("\t".join, frame.itertuples(index=False)))
    return found


def pictures(folder: Path) -> dict[str, str]:
    """Digests of all pictures of samples by their paths; figures show times."""
    paths = [*folder.glob("samples/*.png"), *folder.glob("records/*/*.png")]
    return {path.relative_to(folder).as_posix(): _digest(path.read_bytes()) for path in paths}


def checkpoints(folder: Path) -> dict[str, str]:
    """Digests of the tensors of the last checkpoints by their names."""
    paths = [path for path in folder.glob("checkpoints/*.safetensors") if ".previous" not in path.name]
    return {path.name: _digest(tensor_bytes(path.read_bytes())) for path in paths}


def tensor_bytes(content: bytes) -> bytes:
    """A safetensors file without its metadata, which has seconds."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    return json.dumps(header, sort_keys=True).encode() + content[8 + size :]


def different(folder: Path, whole: Path, *, with_checkpoints: bool = True) -> list[str]:
    """The tables, pictures and checkpoints that differ from those of an unbroken folder."""
    found = []
    for read in (tables, pictures, checkpoints)[: 3 if with_checkpoints else 2]:
        mine, theirs = read(folder), read(whole)  # type: ignore[operator]
        found += sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    return found


def counted(folder: Path, whole: Path) -> tuple[int, int]:
    """Rows of an unbroken folder's tables that are missing, and rows that stand more often than there."""
    mine, theirs = tables(folder), tables(whole)
    pairs = [(mine.get(name, Counter()), theirs.get(name, Counter())) for name in mine.keys() | theirs.keys()]
    missing = sum((unbroken - own).total() for own, unbroken in pairs)
    return missing, sum(max(0, n - max(1, unbroken[row])) for own, unbroken in pairs for row, n in own.items())


def durable(folder: Path) -> dict[str, list[bytes]]:
    """The whole lines of the records of each run."""
    return {path.stem: path.read_bytes().split(b"\n")[:-1] for path in (folder / "records").glob("*.jsonl")}


def lost(before: dict[str, list[bytes]], after: dict[str, list[bytes]]) -> int:
    """Lines of records that are gone, and runs that were begun again although they had finished."""
    gone = 0
    for name, lines in before.items():
        now = after.get(name, [])
        gone += sum(old != new for old, new in zip(lines, now, strict=False)) + max(0, len(lines) - len(now))
        last = json.loads(lines[-1]) if lines else {}
        gone += last.get("row") == "end" and last.get("status") in RESULTS and len(now) > len(lines)
    return gone


def saved(folder: Path) -> set[str]:
    """The names of the runs that have a checkpoint."""
    return {path.name.partition(".")[0] for path in folder.glob("checkpoints/[!.]*.safetensors")}


def restarted(before: dict[str, list[bytes]], after: dict[str, list[bytes]], had_checkpoint: set[str]) -> int:
    """Runs with a checkpoint that were not resumed from it."""
    rows = {name: [json.loads(line)["row"] for line in after.get(name, [])[len(before[name]) :]] for name in before}
    return sum("begin" in rows[name] for name in rows.keys() & had_checkpoint)


def files(folder: Path) -> set[str]:
    """All files and links below a folder."""
    return {os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names}  # noqa: PTH118


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
