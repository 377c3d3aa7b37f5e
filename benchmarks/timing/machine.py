"""What figures were measured on, and with which code."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch
import torchvision
from script import digest

from gan_zoo.device import cores, describe

BENCHMARKS = Path(__file__).parent.parent
ROOT = BENCHMARKS.parent


def machine(device: torch.device) -> dict[str, Any]:
    """Processor, memory and versions; memory in bytes."""
    pages = os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in os.sysconf_names else 0
    memory = pages * os.sysconf("SC_PAGE_SIZE") if pages else None
    return {
        "device": describe(device),
        "processor": describe(torch.device("cpu")).rpartition(",")[0],
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_bytes": memory,
        "device_memory_bytes": torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None,
        "system": platform.platform(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "cuda": torch.version.cuda if device.type == "cuda" else None,
        },
    }


def commit() -> str | None:
    """The checkout's commit, ``+changes`` where files were edited since; None outside one."""
    said = []
    for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--", "gan_zoo", "benchmarks"]):
        try:
            ended = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        said.append(ended.stdout.strip())
    return f"{said[0]}+changes" if said[1] else said[0]


def code() -> str:
    """SHA-256 (hex) of the source that decides the figures, committed or not."""
    here = Path(__file__).parent
    return digest([*(ROOT / "gan_zoo").rglob("*.py"), BENCHMARKS / "speed.py", *here.rglob("*.py")])


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that finds this package and works with so many threads."""
    path = [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    quiet = {"KINETO_LOG_LEVEL": "99"}  # torch's profiler tells of missing GPUs otherwise
    return {**os.environ, **counts, **quiet, "PYTHONPATH": os.pathsep.join(path)}
