"""Damaged files of every kind that is read: reported by a line that names the file, or made again to the same results.

A case copies a folder, damages one file and runs the commands that read it. The file is silently used if a command
ends with status 0, no line of its output or of the report's notices names the file, and its outcome differs from that
in an undamaged copy: tables without times, sheets of samples, the text of the report that `report` writes, drawn
images, or what it prints. So a flipped bit without a meaning is none.

A changed field is missing or of another type: no reader could know that a valid value is not the one that was written.
Of suites and plugins, which are written by hand, only what cannot be read counts as damage.
"""

import argparse
import compileall
import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT
from benchmarks.torture import damage
from benchmarks.torture.commands import Result
from benchmarks.torture.folders import TOYS, Found, Workplace, pictures, tables

_ONE = ["--plugin", "toys.py", "--threads", 1]
_OUT = ["--out", "out"]
_TRAIN = ["train", "by_heart", "--data", "digits", "--set", "batch_size=16", *_ONE]


def _results(folder: str, case: Path, _result: Result) -> Any:
    found = {name: sorted(rows.items()) for name, rows in tables(case / folder).items()}
    made = {name: digest for name, digest in pictures(case / folder).items() if not name.startswith("records")}
    return json.loads(json.dumps([found, made]))


def _reported(case: Path, result: Result) -> Any:
    report = case / "out" / "report.md"
    return [*_results("out", case, result), report.read_text() if report.is_file() else ""]


def _drawn(case: Path, _result: Result) -> Any:
    return (case / "drawn.png").read_bytes().hex() if (case / "drawn.png").is_file() else ""


def _printed(_case: Path, result: Result) -> Any:
    return result.output


COMMANDS: dict[str, tuple[list[object], Callable[[Path, Result], Any]]] = {
    "report": (["report", "out"], _reported),
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


def cases(_place: Workplace, options: argparse.Namespace) -> list[str]:
    """SEED/corruptions/KIND/all or first/NUMBER: how many of the commands that read the file are run."""
    which = "first" if options.smoke else "all"
    names = [*KINDS]
    return [
        f"{options.seed}/corruptions/{names[number % len(names)]}/{which}/{number}"
        for number in range(options.corruptions)
    ]


def run(place: Workplace, case: str) -> Found:
    """Damage a file and run the commands that read it; the faults that this shows."""
    _, _, name, which, _ = case.split("/")
    kind, chance = KINDS[name], random.Random(case)
    commands = kind.commands if which == "all" else kind.commands[:1]
    folder = _copied(place, kind.base, case)
    path = chance.choice(sorted(file for file in folder.glob(kind.files) if file.is_file()))
    how = _damage(path, kind, chance)
    faults = []
    for command, expected in zip(commands, _undamaged(place, name, commands), strict=True):
        result, outcome = _outcome(place, folder, command)
        names = (path.name, f"{path.parent} are damaged")
        if fault := judged(result, outcome == expected, names, _notices(folder)):
            faults.append((fault, f"{path.relative_to(folder)}, {how}: {result.summary}"))
    if not faults:
        shutil.rmtree(folder)
    return {"corruptions": 1, f"corruptions: {name}": 1}, faults


def _undamaged(place: Workplace, name: str, commands: Sequence[str]) -> list[Any]:
    """What commands leave in a copy that is not damaged."""

    def make(folder: Path) -> None:
        case = _copied(place, KINDS[name].base, f"{folder}/copy")
        found = [_outcome(place, case, command)[1] for command in commands]
        (folder / "outcomes.json").write_text(json.dumps(found))

    found: list[Any] = json.loads((place.once(f"undamaged {name}", make) / "outcomes.json").read_text())
    return found


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


def _notices(folder: Path) -> str:
    """The lines of the report that a reader has to know before the answer."""
    report = folder / "out" / "report.md"
    lines = report.read_text().splitlines() if report.is_file() else []
    return "\n".join(line for line in lines if line.startswith("> "))


def judged(result: Result, is_same: bool, names: Sequence[str], notices: str = "") -> str:
    """The fault of a command that has read a damaged file of these names, with the report's notices; empty if none."""
    if result.fault:
        return result.fault
    named = any(name in result.output + notices for name in names)
    if result.status == 0:
        return "" if is_same or named else "silently used"
    return "" if named and result.errors else "unclear"


def _outcome(place: Workplace, case: Path, name: str) -> tuple[Result, Any]:
    words, read = COMMANDS[name]
    environment = {"GAN_ZOO_CACHE": str(case / "cache")}
    if whole := (case / "package").is_dir():
        environment["PYTHONPATH"] = str(case / "package")
    result = place.run(words, case, environment=environment, whole=whole)
    return result, read(case, result)


def _copied(place: Workplace, base: str, name: str) -> Path:
    """A copy, under this name, of the folder for kinds of files, which is made when it is first needed."""
    made = place.once(base, partial(_make_base, place, base))
    folder = place.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


def _make_base(place: Workplace, name: str, folder: Path) -> None:
    """Suite, plugin and cache, and what the commands read."""
    finished, trained = place.finished, place.trained
    shutil.copy(TOYS, folder / "toys.py")
    shutil.copy(place.small_suite, folder / "small.toml")
    shutil.copytree(place.folder / "cache", folder / "cache")
    if name == "trained":
        shutil.copytree(trained, folder / "out")
    elif name == "mnist":
        _outcome(place, folder, "data")
    elif name == "package":
        package = folder / "package" / "gan_zoo"
        shutil.copytree(ROOT / "gan_zoo", package)
        # Commands write no bytecode, and would compile all of it each time.
        compileall.compile_dir(package, quiet=2)
    else:
        shutil.copytree(finished, folder / "out")
        shutil.copytree(finished, folder / "earlier", ignore=shutil.ignore_patterns("checkpoints", "figures"))
    if name == "packed":
        from gan_zoo.bench.folder import pack

        pack(folder / "out")
