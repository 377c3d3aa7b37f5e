"""The device, its numerical precision, memory and random generators."""

import contextlib
import ctypes
import ctypes.util
import hashlib
import math
import os
import platform
from functools import cache
from pathlib import Path

import torch

from gan_zoo.errors import GanZooError, check_known
from gan_zoo.options import EXACT, PRECISIONS

_EXACT_ERROR = 1e-5
"""Largest relative error of a product that still counts as float32 arithmetic (bf16 gives 3e-3)."""

_MARGIN = 1.3
"""Of the memory of tensors, for what the allocator holds beside them."""
_CONTEXT = 2**30
"""Bytes that CUDA takes in each process beside the tensors, about."""
_GPU = Path("/dev/nvidia0")
_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def pick(name: str | None = None) -> torch.device:
    """The device of that name; by default CUDA if there is one, else the CPU.

    Raises:
        GanZooError: no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise GanZooError(f"device {name!r} is not one; use cuda, cuda:1 ... or cpu") from None
    if device.type not in ("cuda", "cpu"):
        raise GanZooError(f"device {name!r} is not one that gan-zoo trains on; use cuda, cuda:1 ... or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        why = unused_gpu() or f"{torch.cuda.device_count()} CUDA devices"
        raise GanZooError(f"device {name!r} is not here ({why}); use --device cpu")
    return device


def spread(device: torch.device) -> tuple[torch.device, ...]:
    """The devices that share the runs of a plan: every visible one of ``cuda``, that one alone of ``cuda:1``."""
    if device.type == "cuda" and device.index is None:
        return tuple(torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    return (device,)


def unused_gpu() -> str:
    """Why torch does not use the NVIDIA GPU of this machine, in one line; empty if it does, or there is none."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not _GPU.exists() or torch.cuda.is_available():
        return ""
    if torch.version.cuda is None:
        return f"{_GPU} is not used: torch {torch.__version__} is built without CUDA; install a build with CUDA"
    return (
        f"{_GPU} is not used: torch {torch.__version__} finds no driver for CUDA {torch.version.cuda}; update the "
        "NVIDIA driver, or install a torch for an older CUDA"
    )


def prepare(kind: str, precision: str = EXACT, *, small: bool = False) -> None:
    """Set this process up for a precision at full speed on a kind of device (``cuda`` or ``cpu``).

    On CUDA, TF32 is off unless it is the precision, and cuDNN chooses the fastest of its deterministic algorithms by
    trial. On the CPU, products go through oneDNN, which is faster than MKL on AMD and exact there; where a trial
    product shows that it rounds to bfloat16 (CPUs with AMX), they stay with MKL; so do ``small`` ones, for which a call
    of oneDNN takes longer than the product. The process keeps freed memory.

    Raises:
        GanZooError: no such precision, or not on this kind of device.
    """
    check_known("precision", precision, PRECISIONS)
    if precision == "tf32" and kind != "cuda":
        raise GanZooError("precision 'tf32' is one of CUDA devices alone; on a CPU use bf16, or fp32")
    if kind == "cuda":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
        return
    _keep_freed_memory()
    torch.set_float32_matmul_precision("highest" if small else _exact_products())


@cache
def _exact_products() -> str:
    """The faster of torch's settings for products on this CPU that still gives float32 arithmetic."""
    torch.set_float32_matmul_precision("medium")
    random = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=random) for _ in range(2))
    exact = left.double() @ right.double()
    error = ((left @ right).double() - exact).norm().item() / exact.norm().item()
    return "medium" if error <= _EXACT_ERROR else "highest"


@cache
def _glibc() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("c") if platform.libc_ver()[0] == "glibc" else None
    return ctypes.CDLL(name) if name else None


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep freed blocks: mapping the activations afresh every step costs a tenth of it."""
    if (glibc := _glibc()) is not None:
        glibc.mallopt(_M_MMAP_MAX, 0)
        glibc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def describe(device: torch.device) -> str:
    """The device in words, e.g. ``NVIDIA H100 80GB HBM3`` or ``AMD EPYC, 2 threads``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{processor}, {threads} thread{'s' if threads > 1 else ''}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """CPU threads of a process by itself: what OMP_NUM_THREADS says, else one for every core that it may use."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() and int(named) > 0 else cores()


def reason(error: BaseException) -> str:
    """An error in one line: its first, and of that two sentences, after which torch's are on its settings."""
    line = str(error).partition("\n")[0] or type(error).__name__
    return ". ".join(line.split(". ")[:2]).removesuffix(".")


def is_fatal(error: BaseException, device: torch.device) -> bool:
    """Whether an error leaves CUDA unusable in this process, so that only another process can train on.

    After such an error every further call fails; an error of a capture, or of one call, leaves the device working.
    """
    if not isinstance(error, torch.AcceleratorError):
        return False
    try:
        torch.cuda.synchronize(device)
    except (RuntimeError, AssertionError, ValueError):
        return True
    return False


def synchronize(device: torch.device) -> None:
    """Wait for the device's queued work, so that a host clock reads true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Begin counting peak memory again: on CUDA, and of a process on Linux, which returns what it has freed first."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        if (glibc := _glibc()) is not None:
            glibc.malloc_trim(0)
        with contextlib.suppress(OSError):
            _CLEAR_REFS.write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """Peak memory in bytes since the last reset: allocated on CUDA, resident in a Linux process; None where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not _STATUS.exists():
        return None
    peak = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024


def gpu_share(peak: int, total: int) -> float:
    """The share of a GPU of ``total`` bytes, in hundredths, for a run whose tensors took ``peak`` bytes."""
    return min(1.0, math.ceil(100 * (_MARGIN * peak + _CONTEXT) / total) / 100)


def derive(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, unrelated to those of other purposes and other seeds."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def seeded(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator of its own for one purpose."""
    return torch.Generator(device).manual_seed(derive(seed, purpose))
