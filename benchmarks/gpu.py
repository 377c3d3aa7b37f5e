"""All that only a CUDA device can tell, in a given time: tests marked `cuda`, the speed table, the reference suites.

Example: python3 benchmarks/gpu.py --minutes 9 --data-root DIR

It stops in time and goes on where it stopped when it is run again: what is finished with the same code, torch and
device is not run again, of tests that failed only those that did, timed variants stay in the table, and finished runs
stay finished. It needs this checkout, the data files, and a python3 with torch 2.9 or newer and torch-fidelity; no
network and no installation.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    *("torch", "torchvision", "torch_fidelity", "pandas", "seaborn", "scipy", "sklearn", "safetensors", "pydantic"),
    *("typer", "rich", "jinja2", "filelock", "platformdirs", "pytest", "hypothesis"),
)
GRACE = 20.0
"""Seconds kept for a child to end in, and for the packing."""
MARK = "mark.cuda"
SUITES = (
    *("mnist", "losses", "conditioning", "least_squares", "dcgan_rules", "architectures"),
    *("fashion_mnist", "stacked_mnist"),
)
CODE = ("gan_zoo", "tests", "benchmarks")


@dataclass(frozen=True)
class Work:
    """One thing to do: ``share`` is the part of the time that is left which it may take; results go to ``out``."""

    name: str
    command: tuple[str, ...]
    share: float
    out: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left; the exit status is 2 for bad input, 1 where something failed, 0 else (also if time ran out)."""
    options = _parser().parse_args(arguments)
    if refusal := _refusal(options):
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    from gan_zoo.errors import StorageError

    try:
        return _run_all(options)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run_all(options: argparse.Namespace) -> int:
    """Run what is left, and pack it: 1 where something failed, else 0.

    Raises:
        StorageError: the results, or the pack, cannot be written.
    """
    from gan_zoo.io import check_writable

    end = time.monotonic() + options.minutes * 60 - GRACE
    folder = options.results
    check_writable(folder)
    failed = []
    done = Done(folder / "cuda" / "done.json")
    for work in _plan(options, end):
        left = end - time.monotonic()
        if work in done:
            print(f"gpu: {work.name}: done before", flush=True)
            continue
        if left < GRACE:
            print(f"gpu: {work.name}: no time left; run the same command again", flush=True)
            continue
        status = _run(work, left)
        if status == 0 and _is_complete(work):
            done.add(work)
        elif status not in (0, None):
            failed.append(f"{work.name} (exit status {status})")
    if options.pack is not None:
        _pack(folder, options.pack)
    if failed:
        print(f"gpu: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    said, _, rest = (__doc__ or "").partition("\n\n")
    made = argparse.ArgumentParser(
        description=said, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = made.add_argument
    add("--minutes", type=float, default=9.0, help="time for everything (9)")
    add("--data-root", type=Path, default=os.environ.get("GAN_ZOO_DATA"), help="folder that holds Fashion-MNIST")
    add("--results", type=Path, default=ROOT / "results", help="where records go (results)")
    add("--precision", default="tf32", help="of the reference suites: fp32, tf32 or bf16 (tf32)")
    add("--pack", type=Path, help="a folder that gets the results as one file, without checkpoints")
    return made


def _refusal(options: argparse.Namespace) -> str:
    """Why nothing can be run here; empty where it can."""
    if missing := [name for name in NEEDED if not _is_here(name)]:
        return f"{sys.executable} has no {', '.join(missing)}; unpack their wheels into a folder on PYTHONPATH"
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no CUDA device here; `make speed` measures a CPU"
    if options.minutes * 60 <= 3 * GRACE:
        return f"--minutes {options.minutes:g} is too few; give it {3 * GRACE / 60 + 1:g} or more"
    if options.data_root is None or not Path(options.data_root).is_dir():
        return f"data root {str(options.data_root)!r} is not a folder; name that of Fashion-MNIST with --data-root"
    return ""


def _is_here(name: str) -> bool:
    """Whether a package can be imported, and tells its version: a zipped wheel of compiled code is not enough."""
    try:
        importlib.import_module(name)
        importlib.metadata.version({"sklearn": "scikit-learn", "torch_fidelity": "torch-fidelity"}.get(name, name))
    except ImportError:
        return False
    return True


def _plan(options: argparse.Namespace, end: float) -> Iterator[Work]:
    """What there is to do, in order; the tests say first whether the rest can be believed."""
    folder, python = options.results, sys.executable
    data = str(Path(options.data_root).resolve())
    tests = folder / "cuda" / "tests.json"
    yield Work("tests", ("tests", str(tests)), 0.4, tests)
    minutes = f"{max(0.5, 0.5 * (end - time.monotonic()) / 60):.2f}"
    speed = ("benchmarks/speed.py", "--device", "cuda", "--resume", "--minutes", minutes)
    yield Work("speed", (python, *speed, "--out", str(folder / "speed")), 1.0, folder / "speed")
    for suite in SUITES:
        out = folder / f"{suite.replace('_', '-')}-full-{options.precision}"
        bench = ("-m", "gan_zoo", "bench", suite, "--preset", "full", "--device", "cuda")
        more = ("--precision", options.precision, "--data-root", data, "--out", str(out))
        yield Work(f"{suite} full", (python, *bench, *more), 1.0, out)


class Done:
    """What is finished, by its results' name, each with the code, torch and device that it was done with."""

    def __init__(self, path: Path) -> None:
        self.path, self.key, self.keys = path, _key(), _read(path)

    def __contains__(self, work: Work) -> bool:
        return work.out.exists() and self.keys.get(work.out.name) == self.key

    def add(self, work: Work) -> None:
        """Keep on the disk that it is finished."""
        from gan_zoo.io import atomic_write

        self.keys[work.out.name] = self.key
        atomic_write(self.path, json.dumps(self.keys, indent=2))


def _is_complete(work: Work) -> bool:
    """Whether a work that ended well has left nothing out: the speed table ends in time with what it has."""
    if work.name != "speed":
        return True
    newest = max(work.out.glob("*.json"), key=lambda path: path.stat().st_mtime, default=None)
    return newest is not None and not _read(newest).get("left_out")


def _run(work: Work, left: float) -> int | None:
    """Run it for its share of the time at most: None where the time ended it, which is no failure."""
    limit = left * work.share
    print(f"gpu: {work.name}: up to {limit:.0f} s", flush=True)
    if work.command[0] == "tests":
        return _test(Path(work.command[1]), limit)
    return _child(work.command, limit)


def _child(command: Sequence[str], limit: float) -> int | None:
    """Run a command in a group of its own: interrupted when its time is over, killed where it does not end then."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    child = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(limit)
    for stop in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE / 2)
            break
    return None


def _test(path: Path, limit: float) -> int | None:
    """Run the tests marked `cuda` that have not passed yet, and keep what they said, with what they ran on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = path.with_suffix(".xml")
    report.unlink(missing_ok=True)
    key, before = _key(), _read(path)
    passed = list(before.get("passed", [])) if before.get("key") == key else []
    # The machine may lack the plugins that pyproject.toml's own options are for.
    plain = ("-o", "addopts=--import-mode=importlib --strict-markers", "-m", "cuda", "-q", f"--junitxml={report}")
    files = [str(file) for file in sorted((ROOT / "tests").rglob("test_*.py")) if MARK in file.read_text("utf-8")]
    again = [f"--deselect={test}" for test in passed]
    status = _child((sys.executable, "-m", "pytest", *files, *plain, *again), limit)
    if not report.is_file():
        return status
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = [
        f"{case.get('classname')}.{case.get('name')}: {(case[0].get('message') or '').splitlines()[:1]}"
        for case in suite.iter("testcase")
        if any(child.tag in ("failure", "error") for child in case)
    ]
    passed += [
        f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
        for case in suite.iter("testcase")
        if not any(child.tag in ("failure", "error", "skipped") for child in case)
    ]
    report.unlink()
    from gan_zoo.io import atomic_write

    facts = {"key": key, "status": status, **counts, "failed": bad, "passed": passed}
    atomic_write(path, json.dumps(facts, indent=2))
    return status


def _key() -> str:
    """What results depend on: the device, torch, and a digest of the code."""
    import torch
    from script import digest

    code = digest(file for part in CODE for kind in ("*.py", "*.toml") for file in (ROOT / part).rglob(kind))
    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, code {code[:16]}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _pack(folder: Path, target: Path) -> None:
    """Everything but checkpoints as one file, since a lent machine may give back only a few."""
    from gan_zoo.io import atomic_path

    packed = target / "results.tar.gz"
    with atomic_path(packed) as part, tarfile.open(part, "w:gz") as archive:
        archive.add(folder, "results", filter=lambda member: None if "checkpoints" in member.name else member)
    print(f"gpu: {packed}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
