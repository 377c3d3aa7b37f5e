"""The roofline: what a step computes and moves, what the machine can do at most, and the figure of both."""

import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figure import figure
from gan_zoo.data import Dataset, Split
from gan_zoo.device import prepare, synchronize
from gan_zoo.engine import advance, init
from gan_zoo.report.figures.style import FAINT
from gan_zoo.variant import Variant

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
BLOCKS, SECONDS_A_BLOCK, SECONDS_A_SHAPE = 12, 0.02, 0.4
OPTIMIZER_PASSES = {"Adam": 7, "AdamW": 7, "RMSprop": 5, "SGD": 3}
"""Reads and writes of each parameter in float32: Adam reads p, g, m, v and writes p, m, v."""
_NORM = nn.modules.batchnorm._BatchNorm
_COUNTED = (nn.Linear, nn.modules.conv._ConvNd, _NORM)

Peaks = dict[str, Any]


@dataclass(frozen=True)
class Cost:
    """What a step takes.

    Attributes:
        flops: floating-point operations of products and convolutions, two for a multiplication and its addition.
        activations: values of layer outputs that are moved; activation functions are fused.
        weights: values moved of the weights that layers read, and of the gradients they write.
        optimizer: bytes that the optimizers read and write, in float32; 0 for an unknown optimizer.
    """

    flops: int
    activations: float
    weights: float
    optimizer: int

    def bytes_moved(self, value: int) -> float:
        """Bytes a step, with activations and weights of ``value`` bytes each."""
        return (self.activations + self.weights) * value + self.optimizer


def cost(variant: Variant, shape: tuple[int, ...], classes: int) -> Cost:
    """What a step (D and G updates) on full batches takes, for samples of ``shape``. Penalties move no bytes here."""
    generator, discriminator = variant.build(shape, classes)
    real, fake = variant.batch_size, variant.fake_batch_size or variant.batch_size
    fresh = variant.generator_batch_size or fake
    reused = int(variant.reuses_fakes)
    latent = variant.latent.draw(2, random=torch.Generator(), dtype=torch.float32)
    spec = variant.spec(shape, classes)
    labels = torch.zeros(2, dtype=torch.int64)
    drawing = (latent, labels)[: 1 + bool(spec.generator_classes)]
    judging = (torch.zeros(2, *spec.discriminator_input_shape), labels)[: 1 + bool(spec.discriminator_classes)]
    with torch.no_grad():
        sampled = _moved(generator, *drawing)
    generated, discriminated = _moved(generator, *drawing), _moved(discriminator, *judging)
    scored = _moved(discriminator.requires_grad_(False), judging[0].requires_grad_(), *judging[1:])
    updates = variant.discriminator_steps, variant.generator_steps
    passes = (
        (sampled, fake, updates[0] - reused),
        (discriminated, real // variant.packing, updates[0]),
        (discriminated, fake // variant.packing, updates[0]),
        (generated, fresh, updates[1]),
        (scored, fresh // variant.packing, updates[1]),
    )
    optimizers = (
        (variant.discriminator_optimizer, discriminator, updates[0]),
        (variant.generator_optimizer, generator, updates[1]),
    )
    return Cost(
        flops=flops(variant, shape, classes),
        activations=sum(activations * samples * times for (activations, _), samples, times in passes),
        weights=sum(weights * times for (_, weights), _, times in passes),
        optimizer=sum(
            times * OPTIMIZER_PASSES.get(made.name, 0) * 4 * sum(p.numel() for p in network.parameters())
            for made, network, times in optimizers
        ),
    )


def flops(variant: Variant, shape: tuple[int, ...], classes: int) -> int:
    """Operations of one step of the engine by torch's counter, on the CPU, on a full batch of noise."""
    images = torch.randint(0, 256, (variant.batch_size, *shape), dtype=torch.uint8)
    split = Split(images, torch.arange(variant.batch_size) % max(classes, 1))
    names = tuple(str(number) for number in range(classes))
    noise = Dataset("noise", "Noise", split, split, classes, names, extractor="", fingerprint="")
    state = init(variant, noise, 0)
    with FlopCounterMode(display=False) as counter:
        advance(state, 1)
    return counter.get_total_flops()


def _moved(network: nn.Module, *inputs: Tensor) -> tuple[float, float]:
    """Values of activations (per sample) and of weights that one pass moves, backward pass included."""
    activations = weights = 0.0

    def tally(layer: nn.Module, received: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal activations, weights
        backward = output.requires_grad
        # Written, and read by the next layer; in the backward pass read again, and its gradient written and read.
        activations += output[0].numel() * (5 if backward else 2)
        if not isinstance(layer, _NORM):
            products = 1 + (backward and layer.weight.requires_grad) + (backward and received[0].requires_grad)
            weights += products * layer.weight.numel()

    hooks = [layer.register_forward_hook(tally) for layer in network.modules() if isinstance(layer, _COUNTED)]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return activations, weights


def measure_peaks(device: torch.device) -> Peaks:
    """FLOP/s by precision of matrix products and convolutions, the largest and by shape, and bytes/s of copies."""
    source = torch.zeros(2**26, device=device)
    target = torch.ones_like(source)
    copy = 2 * source.nbytes / _fastest(lambda: target.copy_(source), device)
    found: Peaks = {"matrix": {}, "convolution": {}, "by_shape": {}, "copy_bytes_per_second": copy}
    for precision in ("fp32", *(["tf32"] if device.type == "cuda" else []), "bf16"):
        prepare(device.type, precision)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        found["by_shape"][precision] = {}
        for kind, tries in (("matrix", _products), ("convolution", _convolutions)):
            best: dict[str, float] = {}
            for name, operations, work in tries(device, dtype):
                best[name] = max(best.get(name, 0.0), operations / _fastest(work, device))
            found[kind][precision] = max(best.values())
            found["by_shape"][precision] |= best
    return found


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
        inputs = torch.randn(BATCH, *sample, device=device, dtype=dtype).to(memory_format=layout)
        weights = torch.randn(weight, device=device, dtype=dtype).to(memory_format=layout)
        apply = functional.conv_transpose2d if transposed else functional.conv2d
        # Each weight is applied at each input pixel of a transposed convolution, else at each of the half-sized output.
        pixels = sample[1] * sample[2] // (1 if transposed else 4)
        yield name, 2.0 * weights.numel() * pixels * BATCH, lambda f=apply, x=inputs, w=weights: f(x, w, None, 2, 1)


@torch.no_grad()
def _fastest(work: Callable[[], Tensor], device: torch.device) -> float:
    """Seconds of one call, the least of several blocks of calls."""

    def block(calls: int) -> None:
        for _ in range(calls):
            work()
        synchronize(device)

    once = min(timeit.repeat(lambda: block(1), number=1, repeat=2))
    calls = max(1, round(SECONDS_A_BLOCK / once))
    blocks = timeit.repeat(
        lambda: block(calls), number=1, repeat=min(BLOCKS, 1 + int(SECONDS_A_SHAPE / (once * calls)))
    )
    return min(once, min(blocks) / calls)


def peak_of(mode: str, precision: str, peaks: Peaks) -> float:
    """The higher peak of products and convolutions in a precision, in FLOP/s.

    By torch's defaults, which the baseline loop keeps, convolutions are in TF32 if the device has it.
    """
    baseline = mode in ("tutorial", "in_memory")
    convolutions = "tf32" if baseline and "tf32" in peaks["convolution"] else precision
    return max(peaks["matrix"][precision], peaks["convolution"][convolutions])


def add_shares(rows: list[dict[str, Any]], peaks: Peaks | None) -> None:
    """Add to each row its share of the machine's peak, and the ratio to the baseline loop that the peak would give."""
    baseline = {row["variant"]: row["flops_per_second"] for row in rows if row["mode"] == "tutorial"}
    for row in rows:
        row |= dict.fromkeys(("share_of_peak", "share_of_roofline", "ratio_at_peak"))
        if peaks is not None:
            peak = peak_of(row["mode"], row["precision"], peaks)
            row["share_of_peak"] = row["flops_per_second"] / peak
            roof = min(peak, row["flops_per_byte"] * peaks["copy_bytes_per_second"])
            row["share_of_roofline"] = row["flops_per_second"] / roof
            if row["variant"] in baseline:
                row["ratio_at_peak"] = peak / baseline[row["variant"]]


def draw(path: Path, report: dict[str, Any]) -> None:
    """A panel a variant: GFLOP/s of each mode against its FLOP a byte, under the peaks and the bandwidth."""
    rows, peaks = report["rows"], report["peaks"]
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    bandwidth = peaks["copy_bytes_per_second"] / 1e9
    intensity = np.geomspace(0.5, 5 * max(row["flops_per_byte"] for row in rows), 200)
    shape = {"columns": len(variants), "panel": (4.2, 3.6), "sharex": True, "sharey": True}
    with figure(path, f"Roofline, {report['machine']['device']}", "GFLOP/s against FLOP a byte", **shape) as (_, axes):
        for axis, variant in zip(axes, variants, strict=True):
            for precision in peaks["matrix"]:
                peak = peak_of("engine", precision, peaks) / 1e9
                axis.plot(intensity, np.minimum(peak, bandwidth * intensity), color=FAINT, linewidth=1)
                axis.annotate(f"peak {precision}", (0.5, peak), fontsize=8, color=FAINT, va="bottom")
            for row in (row for row in rows if row["variant"] == variant):
                label = f"{row['mode']}, {row['share_of_peak']:.0%} of peak"
                axis.plot(row["flops_per_byte"], row["flops_per_second"] / 1e9, "o", label=label)
            axis.set_yscale("log")
            axis.set(xscale="log", title=variant, xlabel="FLOP a byte", ylabel="GFLOP/s")
            axis.legend(fontsize=8)
