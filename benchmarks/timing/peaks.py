"""What the machine can do at most: products, convolutions and copies, the best of several tries each.

Run as ``python -m timing.peaks DEVICE`` it prints them as JSON: a process of its own, as it sets the precision.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gan_zoo.device import synchronize

SQUARES = (1024, 2048, 8192)
MLP_SHAPES = ((512, 1024, 1024), (512, 1024, 512), (512, 512, 1024), (512, 512, 256))
"""Rows, inner size and columns of the largest products of the articles' MLPs."""
CONVOLUTIONS = (
    ("convolution 128-256", False, (128, 16, 16), (256, 128, 3, 3)),
    ("convolution 256-512", False, (256, 8, 8), (512, 256, 3, 3)),
    ("transposed 512-256", True, (512, 4, 4), (512, 256, 4, 4)),
    ("transposed 256-128", True, (256, 8, 8), (256, 128, 4, 4)),
)
"""DCGAN's layers at stride 2 and padding 1: name, whether transposed, one sample's shape, the weight's shape."""
BATCH = 512
EXACT_ERROR = 1e-5
"""Largest relative error of a product that counts as float32."""
TRIES, SECONDS_A_TRY, SECONDS_A_SHAPE = 12, 0.02, 0.4

_SETTINGS = {"fp32": ("highest", "medium"), "tf32": ("high",), "bf16": ("highest",)}
"""torch's matmul precisions to try for ours: on a CPU 'medium' may take another library, as exact as 'highest'."""

Peaks = dict[str, Any]


def measure(device: torch.device) -> Peaks:
    """FLOP/s by precision of matrix products and convolutions, the largest and by shape, and bytes/s of copies."""
    found: Peaks = {"matrix": {}, "convolution": {}, "by_shape": {}, "copy_bytes_per_second": _copy(device)}
    for precision in ("fp32", *(["tf32"] if device.type == "cuda" else []), "bf16"):
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        shapes: dict[str, float] = {}
        for kind, tries in (("matrix", _products), ("convolution", _convolutions)):
            best = {}
            for setting in _SETTINGS[precision]:
                if not _set(setting, precision, device):
                    continue
                for name, flops, work in tries(device, dtype):
                    best[name] = max(best.get(name, 0.0), flops / _fastest(work, device))
            found[kind][precision] = max(best.values())
            shapes |= best
        found["by_shape"][precision] = shapes
    return found


def _set(setting: str, precision: str, device: torch.device) -> bool:
    """Set torch's precision of products; False where it is not, or not exactly, the wanted one on this device."""
    torch.set_float32_matmul_precision(setting)
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    if setting != "medium":
        return True
    left, right = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0)).to(device)
    exact = left.double() @ right.double()
    return bool(((left @ right).double() - exact).norm() <= EXACT_ERROR * exact.norm())


Tries = Iterator[tuple[str, float, Callable[[], Tensor]]]


def _products(device: torch.device, dtype: torch.dtype) -> Tries:
    squares = [(side, side, side) for side in SQUARES if side <= 2048 or device.type == "cuda"]
    for rows, inner, columns in (*squares, *MLP_SHAPES):
        left = torch.randn(rows, inner, device=device, dtype=dtype)
        right = torch.randn(columns, inner, device=device, dtype=dtype).t()
        yield f"product {rows}x{inner}x{columns}", 2.0 * rows * inner * columns, lambda a=left, b=right: a @ b


def _convolutions(device: torch.device, dtype: torch.dtype) -> Tries:
    layouts = (torch.contiguous_format, torch.channels_last)
    for (name, transposed, sample, weight), layout in product(CONVOLUTIONS, layouts):
        into = torch.randn(BATCH, *sample, device=device, dtype=dtype).to(memory_format=layout)
        weights = torch.randn(weight, device=device, dtype=dtype).to(memory_format=layout)
        apply = functional.conv_transpose2d if transposed else functional.conv2d
        # Each weight is applied once a place: of the input in a transposed convolution, else of the half-sized output.
        places = sample[1] * sample[2] // (1 if transposed else 4)
        flops = 2.0 * weights.numel() * places * BATCH
        yield name, flops, lambda f=apply, x=into, w=weights: f(x, w, stride=2, padding=1)


def _copy(device: torch.device) -> float:
    """Bytes a second read and written by a copy of 256 MiB."""
    source = torch.zeros(2**26, device=device)
    target = torch.ones_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), device)


@torch.no_grad()
def _fastest(work: Callable[[], Tensor], device: torch.device) -> float:
    """Seconds of one call, the best of several tries of many calls each."""
    for _ in range(2):
        once = _seconds(work, 1, device)
    calls = max(1, round(SECONDS_A_TRY / once))
    best, until = once, time.perf_counter() + SECONDS_A_SHAPE
    for _ in range(TRIES):
        best = min(best, _seconds(work, calls, device) / calls)
        if time.perf_counter() > until:
            break
    return best


def _seconds(work: Callable[[], Tensor], calls: int, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(calls):
        work()
    synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps(measure(torch.device(sys.argv[1]))))
