"""Damaged files of every kind that is read: reported by a line that names the file, or made again to the same results.

A case copies a folder, damages one file and runs the commands that read it; what they leave is compared with what they
leave in an undamaged copy.
"""

import argparse
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT
from benchmarks.torture import damage
from benchmarks.torture.commands import Result, in_parallel
from benchmarks.torture.folders import TOYS, Workplace, pictures, tables

_ONE = ["--plugin", "toys.py", "--threads", 1]
_OUT = ["--out", "out"]
_TRAIN = ["train", "by_heart", "--data", "digits", "--set", "batch_size=16", *_ONE]


def _results(folder: str, case: Path, _result: Result) -> Any:
    found = {name: sorted(rows.items()) for name, rows in tables(case / folder).items()}
    return json.loads(json.dumps([found, pictures(case / folder)]))


def _drawn(case: Path, _result: Result) -> Any:
    return (case / "drawn.png").read_bytes().hex() if (case / "drawn.png").is_file() else ""


def _printed(_case: Path, result: Result) -> Any:
    return result.output


COMMANDS: dict[str, tuple[list[object], Callable[[Path, Result], Any]]] = {
    "report": (["report", "out"], partial(_results, "out")),
    "compare": (["compare", "earlier", "out", "--out", "side"], partial(_results, "side")),
    "bench": (
        ["bench", "small.toml", "--preset", "smoke", "--jobs", 1, *_ONE, "--out", "out"],
        partial(_results, "out"),
    ),
    "train": ([*_TRAIN, "--steps", 20, "--out", "new"], partial(_results, "new")),
    "extend": ([*_TRAIN, "--steps", 40, *_OUT], partial(_results, "out")),
    "sample": (["sample", "out", "--plugin", "toys.py", "--num-samples", 4, "--out", "drawn.png"], _drawn),
    "data": (["data", "mnist"], _printed),
    "doctor": (["doctor"], _printed),
    "list": (["list", "--plugin", "toys.py"], _printed),
}
"""Words of a command, and what is compared of what it leaves."""


@dataclass(frozen=True)
class Kind:
    """A kind of file: the folder that is copied, its files, the commands that read them, and changes of a field.

    The fastest command comes first. ``is_written_by_hand``: any valid content may be meant, so only what cannot be read
    counts as damage.
    """

    base: str
    files: str
    commands: tuple[str, ...]
    field: Callable[..., tuple[Any, str]] | None = None
    is_written_by_hand: bool = False


def _json(content: bytes, chance: random.Random, **how: bool) -> tuple[str, str]:
    return damage.json_field(content.decode(), chance, **how)


KINDS = {
    "records": Kind("finished", "out/records/*.jsonl", ("compare", "report", "bench"), damage.record_field),
    "packed records": Kind("packed", "out/records.csv.xz", ("compare", "report", "bench")),
    "manifest": Kind("finished", "out/manifest.json", ("compare", "report", "bench"), _json),
    "checkpoint": Kind(
        "trained", "out/checkpoints/by_heart*.safetensors", ("sample", "extend"), damage.checkpoint_field
    ),
    "previous checkpoint": Kind("trained", "out/checkpoints/*.previous.*", ("extend",)),
    "sample picture": Kind("finished", "out/records/*/*.png", ("report", "bench")),
    "table": Kind("finished", "out/*.csv", ("compare", "report")),
    "suite": Kind("finished", "small.toml", ("bench",), is_written_by_hand=True),
    "plugin": Kind("finished", "toys.py", ("list", "bench"), is_written_by_hand=True),
    "cached statistics": Kind("trained", "cache/features/*", ("train",)),
    "unpacked data": Kind("mnist", "cache/data/MNIST/raw/*", ("data",)),
    "packaged data": Kind("package", "package/gan_zoo/data/mnist/*.gz", ("data",)),
    "extractor weights": Kind("package", "package/gan_zoo/metrics/weights/digits-cnn.safetensors", ("doctor", "train")),
    "extractor card": Kind("package", "package/gan_zoo/metrics/weights/digits-cnn.json", ("doctor", "train"), _json),
}


@dataclass(frozen=True)
class Case:
    """One damaged file."""

    place: Workplace
    name: str
    kind: str
    seed: str


def torture(place: Workplace, options: argparse.Namespace) -> dict[str, Any]:
    """Damage files; returns counts and what failed. With ``--smoke`` only the fastest command reads each."""
    planned = enumerate([*KINDS][number % len(KINDS)] for number in range(options.corruptions))
    cases = [Case(place, f"corruption{n}", name, f"{options.seed}/corruptions/{n}") for n, name in planned]
    cases = [case for case in cases if options.only in ("", case.seed)]
    names = [case.kind for case in cases]
    in_parallel(partial(_make_base, place), sorted({KINDS[name].base for name in names}), options.jobs)
    kinds = [*dict.fromkeys(names)]
    expected = dict(
        zip(kinds, in_parallel(partial(_undamaged, place, options.smoke), kinds, options.jobs), strict=True)
    )
    found = in_parallel(lambda case: _damaged(case, expected[case.kind]), cases, options.jobs)
    return {
        "corruptions": len(cases),
        "corruptions_by_kind": {name: names.count(name) for name in kinds},
        "failures": [failure for failures in found for failure in failures],
    }


def _undamaged(place: Workplace, quick: bool, kind: str) -> list[Any]:
    """What the commands of a kind leave in a copy that is not damaged."""
    case = _copied(place, KINDS[kind].base, f"undamaged {kind}")
    return [_outcome(place, case, name)[1] for name in KINDS[kind].commands[: 1 if quick else None]]


def _damaged(case: Case, expected: list[Any]) -> list[list[str]]:
    """Damage a file and run the commands that read it; the faults that this shows."""
    kind, chance = KINDS[case.kind], random.Random(case.seed)
    folder = _copied(case.place, kind.base, case.name)
    path = chance.choice(sorted(file for file in folder.glob(kind.files) if file.is_file()))
    how = _damage(path, kind, chance)
    failures = []
    for name, whole in zip(kind.commands, expected, strict=False):
        result, outcome = _outcome(case.place, folder, name)
        if fault := judged(result, outcome == whole, path):
            where = f"{case.kind} {path.relative_to(folder)}, {how}, seed {case.seed}"
            failures.append([fault, f"{where}: {result.summary}"])
    if not failures:
        shutil.rmtree(folder)
    return failures


def _damage(path: Path, kind: Kind, chance: random.Random) -> str:
    """Damage a file; returns how."""
    content = path.read_bytes()
    if kind.field is not None and chance.random() < 0.5:
        changed, how = kind.field(content, chance, other_type=True)
        path.write_bytes(changed.encode() if isinstance(changed, str) else changed)
        return how
    changed, how = damage.changed_bytes(content, chance, invalid=kind.is_written_by_hand)
    path.write_bytes(changed)
    return how


def judged(result: Result, is_same: bool, path: Path) -> str:
    """The fault of a command that has read a damaged file; empty if there is none."""
    if result.fault:
        return result.fault
    named = path.name in result.output or f"{path.parent} are damaged" in result.output
    if result.status == 0:
        return "" if is_same or named else "silently used"
    return "" if named and result.errors else "unclear"


def _outcome(place: Workplace, case: Path, name: str) -> tuple[Result, Any]:
    words, read = COMMANDS[name]
    environment = {"GAN_ZOO_CACHE": str(case / "cache")}
    if whole := (case / "package").is_dir():
        environment["PYTHONPATH"] = str(case / "package")
    (case / "log").unlink(missing_ok=True)
    result = place.run(words, case, environment=environment, whole=whole)
    return result, read(case, result)


def _copied(place: Workplace, base: str, name: str) -> Path:
    folder = place.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place.folder / base, folder)
    return folder


def _make_base(place: Workplace, name: str) -> None:
    """Make the folder that is copied for kinds of files: suite, plugin and cache, and what the commands read."""
    folder = place.new(name)
    shutil.copy(TOYS, folder / "toys.py")
    shutil.copy(place.small_suite, folder / "small.toml")
    shutil.copytree(place.folder / "cache", folder / "cache")
    if name == "trained":
        shutil.copytree(place.trained, folder / "out")
    elif name == "mnist":
        _outcome(place, folder, "data")
    elif name == "package":
        shutil.copytree(ROOT / "gan_zoo", folder / "package" / "gan_zoo")
    else:
        shutil.copytree(place.finished, folder / "out")
        shutil.copytree(place.finished, folder / "earlier", ignore=shutil.ignore_patterns("checkpoints", "figures"))
    if name == "packed":
        from gan_zoo.bench.records import pack

        pack(folder / "out")
