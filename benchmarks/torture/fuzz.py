"""Odd inputs of every kind: whatever a command reads, it ends with a documented status, no traceback and no hang.

Commands that would train write to a folder that cannot be made, so that valid inputs end as soon as they are read.
"""

import argparse
import io
import json
import os
import random
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import ROOT
from benchmarks.torture import damage
from benchmarks.torture.folders import TOYS, Found, Workplace, files
from benchmarks.torture.plugins import odd_plugin

TIMEOUT = 60.0
"""Seconds after which a command hangs: the slowest, `report`, takes three."""
OUTSIDE = Path(damage.OUTSIDE)
Words = list[object]
_NOWHERE = ["--out", "file/below"]
"""A folder that nobody can make: it lies below a file."""
_ODD_WORDS = (
    *("", "-", "--", ".", "..", "file", "file/below", "missing", "a b", "ü", "\udcff", "\x1b[31mred", "x" * 5000, "~"),
    *("0", "-1", "1", "0.5", "nan", "inf", "1e999", "9" * 5000, "1e-320", "0,1", "0,0", ",", "[1", "{}", "true"),
    *("gan", "cgan,gan", "dcgan", "digits", "ring8", "mnist", "folder:", "folder:.", "folder:file", "http://x"),
    *("cpu", "cuda:99", "bf16", "smoke", "lr=1e-3", "batch_size=0", "width=[[", "lr=NaN", "=", "=1", "*", "[", "\\"),
)
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "PCX", "EPS")


def cases(_place: Workplace, options: argparse.Namespace) -> list[str]:
    """SEED/fuzz/KIND/NUMBER, in a random order."""
    names = random.Random(options.seed).choices([*KINDS], [share for share, _ in KINDS.values()], k=options.fuzz)
    return [f"{options.seed}/fuzz/{name}/{number}" for number, name in enumerate(names)]


def run(place: Workplace, case: str) -> Found:
    """Run a command on one input; the fault that this shows."""
    kind, base = case.split("/")[2], place.new(case)
    folder = base / "a" / "b" / "c"
    folder.mkdir(parents=True)
    (folder / "file").write_text("text")
    words, how = KINDS[kind][1](random.Random(case), folder, place)
    before = files(base)
    result = place.run(words, folder, timeout=TIMEOUT)
    fault = result.fault
    escaped = [path for path in files(base) - before if not Path(path).is_relative_to(folder)]
    if kind != "arguments" and (escaped or OUTSIDE.exists()):
        fault = fault or "written outside"
        OUTSIDE.unlink(missing_ok=True)
    if not fault:
        shutil.rmtree(base)
    return {"fuzzed": 1, f"fuzzed: {kind}": 1}, [(fault, f"{how}: {result.summary}")] * bool(fault)


def _arguments(chance: random.Random, _folder: Path, place: Workplace) -> tuple[Words, str]:
    command, options = chance.choice([*_options(place).items()])
    words = [command] * (chance.random() < 0.98) + [chance.choice(_ODD_WORDS) for _ in range(chance.randrange(3))]
    if command in ("show", "check", "train", "bench", "search") and chance.random() < 0.5:
        words[1:] = [chance.choice(["gan", "digits", "by_heart", "mnist"])]
    for _ in range(chance.randrange(5)):
        option = chance.choice(options or ["--zzz"])
        words += [option, chance.choice(_ODD_WORDS)] if chance.random() < 0.9 else [option]
    words = [word for word in words if word != "mnist" or command != "data"]
    if command == "train":
        words += ["--data", "digits"] * (chance.random() < 0.8)
    if command in ("train", "bench", "search"):
        words += _NOWHERE
    return [*words], "arguments"


def _options(place: Workplace) -> dict[str, list[str]]:
    """The options of every command, as its help names them."""

    def make(folder: Path) -> None:
        commands = re.findall(r"^  ([a-z]+) ", place.run(["--help"], folder).output, re.MULTILINE)
        helps = {name: place.run([name, "--help"], folder).output for name in commands}
        found = {name: re.findall(r"--[a-z][a-z-]*", text) for name, text in helps.items()}
        (folder / "options.json").write_text(json.dumps(found))

    known: dict[str, list[str]] = json.loads((place.once("options", make) / "options.json").read_text())
    return known


def _suite(chance: random.Random, folder: Path, _place: Workplace) -> tuple[Words, str]:
    source = chance.choice(sorted((ROOT / "gan_zoo" / "suites").glob("*.toml")))
    text = re.sub(r'^data = "[a-z_]*mnist"', 'data = "digits"', source.read_text(), flags=re.MULTILINE)
    if chance.random() < 0.6:
        text, how = damage.toml_value(text, chance)
        content = text.encode()
    else:
        content, how = damage.changed_bytes(text.encode(), chance)
    (folder / "suite.toml").write_bytes(content)
    preset = chance.choice(["smoke", "quick", "auto"])
    return ["bench", "suite.toml", "--preset", preset, *_NOWHERE], f"suite {source.name}, {how}"


def _results(files: str, chance: random.Random, folder: Path, place: Workplace) -> tuple[Words, str]:
    """A copy of a finished folder without its large files, one of them changed."""
    other = place.finished
    left_out = shutil.ignore_patterns("checkpoints", "figures", "samples", "report.*")
    shutil.copytree(other, folder / "out", ignore=left_out)
    path = chance.choice(sorted((folder / "out").glob(files)))
    content = path.read_bytes()
    if chance.random() < 0.2:
        content, how = damage.changed_bytes(content, chance)
    elif path.suffix == ".jsonl":
        content, how = damage.record_field(content, chance)
    else:
        text, how = damage.json_field(content.decode(), chance)
        content = text.encode()
    path.write_bytes(content)
    # Figures take seconds.
    is_report = chance.random() < 0.06
    words: Words = ["report"] if is_report else ["compare", "--out", "out", other]
    return [*words, "out"], f"{path.name}, {how}"


def _checkpoint(chance: random.Random, folder: Path, place: Workplace) -> tuple[Words, str]:
    out = chance.choice([place.trained, place.conditional])
    path = next(path for path in (out / "checkpoints").iterdir() if "previous" not in path.name)
    content = path.read_bytes()
    if chance.random() < 0.6:
        content, how = damage.checkpoint_field(content, chance)
    else:
        content, how = _changed_start(content, (16, 2000, len(content)), chance)
    (folder / "c.safetensors").write_bytes(content)
    words = ["sample", "c.safetensors", "--plugin", TOYS, "--num-samples", 2, "--out", "drawn.png"]
    return words, f"checkpoint, {how}"


def _changed_start(content: bytes, sizes: Sequence[int], chance: random.Random) -> tuple[bytes, str]:
    """Most of what can go wrong is in the header."""
    size = chance.choice(sizes)
    start, how = damage.changed_bytes(content[:size], chance)
    return start + content[size:], f"{how} in the first {size} bytes"


def _idx(chance: random.Random, folder: Path, _place: Workplace) -> tuple[Words, str]:
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        images = struct.pack(">4I", 0x803, 20, 28, 28) + bytes(20 * 784)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 20) + bytes(range(10)) * 2)
    path = chance.choice(sorted(raw.iterdir()))
    content = path.read_bytes()
    if chance.random() < 0.3:
        how = "odd size"
        content = content[:4] + struct.pack(">I", chance.choice([0, 1, 2**31, 2**32 - 1])) + content[8:]
    else:
        content, how = _changed_start(content, (4, 16, len(content)), chance)
    path.write_bytes(content)
    return ["data", "fashion_mnist", "--data-root", "."], f"IDX {path.name}, {how}"


def _images(chance: random.Random, folder: Path, _place: Workplace) -> tuple[Words, str]:
    pixels, done = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8), []
    for name in ("x", "y"):
        (folder / "set" / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(pixels).save(folder / "set" / name / f"{number}.png")
    for number in range(chance.randrange(1, 4)):
        kind = chance.choice([*_FORMATS, "named pipe", "broken link", "folder", "huge header"])
        path, how = folder / "set" / "x" / f"odd{number}.{kind.lower() if kind in _FORMATS else 'png'}", ""
        if kind == "named pipe":
            os.mkfifo(path)
        elif kind == "broken link":
            path.symlink_to("missing")
        elif kind == "folder":
            path.mkdir()
        elif kind == "huge header":
            size = chance.choice([20_000, 2**31 - 1])
            path.write_bytes(f"P6 {size} {size} 255\n".encode() + bytes(99))
        else:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind)
            content, how = damage.changed_bytes(file.getvalue(), chance)
            path.write_bytes(content)
        done.append(f"{kind} {how}")
    return ["data", f"folder:{chance.choice(['set', 'set/x'])}"], f"images: {', '.join(done)}"


def _plugin(chance: random.Random, folder: Path, _place: Workplace) -> tuple[Words, str]:
    content, how = odd_plugin(chance)
    if chance.random() < 0.3:
        content, how = damage.changed_bytes(TOYS.read_bytes(), chance)
    (folder / "odd.py").write_bytes(content)
    name = chance.choice(["odd", "by_heart", "gan"])
    train = ["train", name, "--data", "digits", "--steps", 1, *_NOWHERE]
    words = chance.choice([["list"], ["list", "--long"], ["list", "--json"], ["show", name], ["check", name], train])
    return [*words, "--plugin", "odd.py"], f"plugin, {how}"


KINDS: dict[str, tuple[float, Callable[[random.Random, Path, Workplace], tuple[Words, str]]]] = {
    "suites": (0.2, _suite),
    "IDX files": (0.08, _idx),
    "images": (0.08, _images),
    "checkpoints": (0.1, _checkpoint),
    "records": (0.1, partial(_results, "records/*.jsonl")),
    "manifests": (0.1, partial(_results, "manifest.json")),
    "plugins": (0.08, _plugin),
    "arguments": (0.26, _arguments),
}
"""The share of each kind of input, and the function that writes one and returns the command that reads it."""
