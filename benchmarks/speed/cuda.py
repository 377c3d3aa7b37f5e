"""Everything that needs a CUDA device, in a given time: tests marked `cuda`, the speed table, the reference suites.

Example: python3 -m benchmarks.speed.cuda --minutes 9 --data-root DIR

Stops in time; the same command continues. What is finished with the same code, torch and device is not run again. It
needs this checkout, the data files, and a python3 with torch 2.9 or newer and the packages of NEEDED; no network and no
installation.
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
from functools import partial
from pathlib import Path

from benchmarks.common import ROOT, NotReproduced, digest, run_command
from gan_zoo.errors import GanZooError

NEEDED = (
    *("torch", "torchvision", "torch_fidelity", "pandas", "seaborn", "scipy", "sklearn", "safetensors", "pydantic"),
    *("typer", "rich", "jinja2", "filelock", "platformdirs", "psutil", "pytest", "hypothesis"),
)
GRACE = 20.0
"""Seconds reserved for a child to end, and for packing."""
SUITES = (
    *("mnist", "losses", "conditioning", "least_squares", "dcgan_rules", "architectures"),
    *("fashion_mnist", "stacked_mnist"),
)


@dataclass(frozen=True)
class Work:
    """One part: ``share`` is the part of the remaining time that it may take; results go to ``out``."""

    name: str
    command: tuple[str, ...]
    share: float
    out: Path


OPTIONS = {
    "--minutes": (9.0, "time for everything"),
    "--data-root": (Path(os.environ.get("GAN_ZOO_DATA", "data")), "folder that holds Fashion-MNIST"),
    "--results": (ROOT / "results", "folder for the results"),
    "--precision": ("tf32", "of the reference suites: fp32, tf32 or bf16"),
    "--pack": (Path, "a folder that gets the results as one file, without checkpoints"),
}


def check(options: argparse.Namespace) -> None:
    """Raises GanZooError if nothing can be run."""
    missing = [name for name in NEEDED[:1] if not _is_installed(name)]
    if not missing:
        import torch

        if not torch.cuda.is_available():
            raise GanZooError(f"torch {torch.__version__} has no CUDA device; `make speed` measures a CPU")
        missing = [name for name in NEEDED if not _is_installed(name)]
    if missing:
        raise GanZooError(f"{sys.executable} has no {', '.join(missing)}; unpack their wheels on PYTHONPATH")
    if options.minutes * 60 <= 3 * GRACE:
        raise GanZooError(f"--minutes {options.minutes:g} is too few; give it {3 * GRACE / 60 + 1:g} or more")
    if not options.data_root.is_dir():
        raise GanZooError(f"--data-root {str(options.data_root)!r} is not a folder; name that of Fashion-MNIST")


def _is_installed(name: str) -> bool:
    """Whether a package can be imported and has a version: a zipped wheel of compiled code is not enough."""
    try:
        importlib.import_module(name)
        importlib.metadata.version({"sklearn": "scikit-learn", "torch_fidelity": "torch-fidelity"}.get(name, name))
    except ImportError:
        return False
    return True


def run_all(options: argparse.Namespace) -> str:
    """Run what is left, and pack it.

    Raises:
        GanZooError: nothing can be run; NotReproduced if something failed.
    """
    check(options)
    from gan_zoo.io import atomic_write, check_writable

    end = time.monotonic() + options.minutes * 60 - GRACE
    check_writable(options.results)
    finished = options.results / "cuda" / "done.json"
    done = json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else {}
    key = code_key()
    failed = []
    for work in works(options, end):
        left = end - time.monotonic()
        if work.out.exists() and done.get(work.out.name) == key:
            print(f"cuda: {work.name}: done before", flush=True)
        elif left < GRACE:
            print(f"cuda: {work.name}: no time left; run the same command again", flush=True)
        else:
            print(f"cuda: {work.name}: up to {left * work.share:.0f} s", flush=True)
            status = child(("-m", *work.command), left * work.share)
            if status == 0 and work.name != "speed":  # which resumes by itself, and ends in time with what it has
                done[work.out.name] = key
                atomic_write(finished, json.dumps(done, indent=2))
            elif status:
                failed.append(f"{work.name} (exit status {status})")
    if options.pack is not None:
        pack(options.results, options.pack)
    if failed:
        raise NotReproduced(f"failed: {', '.join(failed)}")
    return str(options.results)


def works(options: argparse.Namespace, end: float) -> Iterator[Work]:
    """All parts, in order; the tests show first whether the rest is valid."""
    folder = options.results
    data = str(options.data_root.resolve())
    report = folder / "cuda" / "tests.xml"
    files = [str(file) for file in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.cuda" in file.read_text()]
    # The machine may lack the plugins that the options of pyproject.toml need.
    plain = ("-o", "addopts=--import-mode=importlib --strict-markers", "-m", "cuda", "-q", f"--junitxml={report}")
    yield Work("tests", ("pytest", *files, *plain), 0.4, report)
    minutes = f"{max(0.5, 0.5 * (end - time.monotonic()) / 60):.2f}"
    speed = ("benchmarks.speed.report", "--device", "cuda", "--resume", "--minutes", minutes)
    yield Work("speed", (*speed, "--out", str(folder / "speed")), 1.0, folder / "speed")
    for suite in SUITES:
        out = folder / f"{suite.replace('_', '-')}-full-{options.precision}"
        bench = ("gan_zoo", "bench", suite, "--preset", "full", "--device", "cuda", "--precision", options.precision)
        yield Work(f"{suite} full", (*bench, "--data-root", data, "--out", str(out)), 1.0, out)


def child(arguments: Sequence[str], limit: float) -> int | None:
    """Run Python in a process group of its own: interrupted after ``limit`` seconds, and killed if it does not end."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, start_new_session=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(limit)
    for stop in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE / 2)
            break
    return None


def code_key() -> str:
    """What results depend on: the device, torch, and a digest of the code."""
    import torch

    folders = ("gan_zoo", "tests", "benchmarks")
    code = digest(file for part in folders for kind in ("*.py", "*.toml") for file in (ROOT / part).rglob(kind))
    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, code {code[:16]}"


def pack(folder: Path, target: Path) -> None:
    """Everything but checkpoints as one file, since a lent machine may return only a few."""
    from gan_zoo.io import atomic_path

    packed = target / "results.tar.gz"
    with atomic_path(packed) as part, tarfile.open(part, "w:gz") as archive:
        archive.add(folder, "results", filter=lambda member: None if "checkpoints" in member.name else member)
    print(f"cuda: {packed}")


main = partial(run_command, __doc__, "speed.cuda", run_all, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
