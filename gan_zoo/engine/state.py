"""The state of training, and its initialization."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_zoo.data import Dataset, Split
from gan_zoo.device import derive, prepare, seeded
from gan_zoo.engine.parallel import Parallel
from gan_zoo.errors import GanZooError, one_line, shown
from gan_zoo.options import EXACT, DataOptions
from gan_zoo.variant import Networks, Variant

PURPOSES = ("order", "labels", "latent", "noise")
"""Purposes of random numbers, each with its own generator."""

_PROGRESS = ("images", "discriminator_steps", "generator_steps")


class Optimizers(NamedTuple):
    """One a player."""

    generator: torch.optim.Optimizer
    discriminator: torch.optim.Optimizer


@dataclass
class History:
    """Rows of means over intervals, and the iterations since, on the device.

    ``pending`` holds tensors (iterations, values), the values in the order of ``names``.
    """

    names: tuple[str, ...] = ()
    pending: list[Tensor] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class State:
    """The state of training, which ``advance`` changes in place.

    Attributes:
        data_requested, data_options: how the data set was requested; fingerprint: its fingerprint.
        default_random: state of torch's default generator (for dropout).
        order, cursor: the permutation of the epoch and the position in it.
        images: real images seen by the discriminator.
        iterations: one update cycle each, of ``discriminator_steps`` and ``generator_steps``.
        seconds, warmup_seconds: of training; of what is done once (loading libraries, choosing kernels, recording).
        graphs, recorded, execution: whether CUDA graphs may be used, the graphs, and how iterations are run.
        peak_memory: most memory in bytes during training.
        notices: lines for the user.
        progress: counts that schedules depend on, float64 on the device, so that CUDA graphs can advance them; empty
            for a variant without schedules.
        parallel: this process among those that train the run together; None: it trains by itself.
    """

    variant: Variant
    data: Split
    data_name: str
    data_requested: str
    data_options: DataOptions
    fingerprint: str
    classes: int
    seed: int
    dtype: torch.dtype
    precision: str
    networks: Networks
    ema: nn.Module | None
    optimizers: Optimizers
    objective: dict[str, Tensor]
    random: dict[str, torch.Generator]
    default_random: Tensor
    order: Tensor
    cursor: int
    images: int = 0
    discriminator_steps: int = 0
    generator_steps: int = 0
    iterations: int = 0
    seconds: float = 0.0
    history: History = field(default_factory=History)
    graphs: bool = True
    recorded: Any = None
    execution: str = "eager"
    warmup_seconds: float = 0.0
    peak_memory: int | None = None
    notices: list[str] = field(default_factory=list)
    progress: dict[str, Tensor] = field(default_factory=dict)
    parallel: Parallel | None = None

    @property
    def device(self) -> torch.device:
        """The device of training."""
        return self.data.labels.device

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks by name, the moving average included."""
        modules = self.networks._asdict()
        return modules if self.ema is None else {**modules, "ema": self.ema}


def init(
    variant: Variant,
    data: Dataset,
    seed: int,
    *,
    dtype: torch.dtype = torch.float32,
    precision: str = EXACT,
    channels_last: bool = True,
    parallel: Parallel | None = None,
) -> State:
    """The state before the first step, on the data's device; weights are drawn on the CPU, the same for every device.

    Except in float64 (for tests), convolutions are laid out channels last (with ``channels_last``) and optimizers are
    fused, which rounds in another order. With ``parallel``, every process makes the same state.

    Raises:
        GanZooError: the networks cannot be built for this data, the data has too few samples for a batch, or the device
            does not have the precision; or a batch that the processes cannot share.
    """
    device = data.train.labels.device
    prepare(device.type, precision)
    _check_size(variant, data)
    plain = dtype == torch.float64
    networks = _build(variant, data, seed, dtype, channels_last=channels_last and not plain)
    notices: list[str] = []
    if parallel is not None:
        check_shares(variant, parallel)
        networks, notices = _with_batch_norm_of(parallel, networks, variant)
    return State(
        variant=variant,
        data=data.train,
        data_name=data.name,
        data_requested=data.requested,
        data_options=data.options,
        fingerprint=data.fingerprint,
        classes=data.classes,
        seed=seed,
        dtype=dtype,
        precision=precision,
        networks=networks,
        ema=copy.deepcopy(networks.generator).requires_grad_(False) if variant.ema else None,
        optimizers=_make_optimizers(variant, networks, device, plain=plain),
        objective={
            name: torch.tensor(value, dtype=dtype, device=device) for name, value in variant.objective.state.items()
        },
        random={purpose: seeded(seed, purpose, device) for purpose in PURPOSES},
        default_random=seeded(seed, "dropout", device).get_state(),
        order=torch.arange(len(data.train), device=device),
        cursor=len(data.train),
        notices=notices,
        parallel=parallel,
        progress={name: torch.zeros((), dtype=torch.float64, device=device) for name in _PROGRESS if variant.scheduled},
    )


def _build(variant: Variant, data: Dataset, seed: int, dtype: torch.dtype, *, channels_last: bool) -> Networks:
    """Networks in training mode on the device of the data; the weights are drawn on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "weights"))  # torch.manual_seed would seed CUDA too
        networks = variant.build(data.shape, data.classes)
    for network in networks:
        network.to(device=data.train.labels.device, dtype=dtype).train()
        if channels_last:
            _channels_last(network)
    return networks


def check_shares(variant: Variant, parallel: Parallel) -> None:
    """Raise GanZooError if a batch has not the same number of samples, or of packs, for each process, and two each."""
    share = variant.packing * parallel.size
    for name in ("batch_size", "fake_batch_size", "generator_batch_size"):
        size = getattr(variant, name)
        if size is not None and (size % share or size < 2 * share):
            packs = f" in packs of {variant.packing}" if variant.packing > 1 else ""
            fitting = max(2 * share, size - size % share)
            raise GanZooError(
                f"{variant.name or variant.title}: {name} {size} cannot be shared by {parallel.size} processes{packs}; "
                f"use a multiple of {share} from {2 * share} on, e.g. --set {name}={fitting}"
            )


def _with_batch_norm_of(parallel: Parallel, networks: Networks, variant: Variant) -> tuple[Networks, list[str]]:
    """Networks whose batch norm is that of several processes, and a line for the user on it."""
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for network in networks for m in network.modules()):
        return networks, []
    if parallel.sync_batch_norm:
        return Networks(*map(nn.SyncBatchNorm.convert_sync_batchnorm, networks)), []
    each = variant.batch_size // parallel.size
    note = f"batch norm is over the {each} samples of each process, not over {variant.batch_size}"
    return networks, [f"{note}; on CUDA, --sync-batch-norm is over all"]


def _make_optimizers(variant: Variant, networks: Networks, device: torch.device, *, plain: bool) -> Optimizers:
    preferred = {} if plain else {"fused": True, "capturable": device.type == "cuda"}
    return Optimizers(
        variant.generator_optimizer.build(variant.generator_trains(networks), **preferred),
        variant.discriminator_optimizer.build(variant.discriminator_trains(networks), **preferred),
    )


def set_progress(state: State) -> None:
    """Set the counts that schedules depend on to those of the state."""
    for name, value in state.progress.items():
        value.fill_(getattr(state, name))


def check(variant: Variant, data: Dataset) -> None:
    """Build the networks, so that a setting that does not fit is reported before anything is written.

    Raises:
        GanZooError: the networks cannot be built for this data, or the data has too few samples for a batch.
    """
    _check_size(variant, data)
    with torch.random.fork_rng(devices=[]):
        build_networks(variant, data.shape, data.classes)


def build_networks(variant: Variant, shape: tuple[int, ...], classes: int) -> Networks:
    """The networks of a variant, whose code is untrusted: whatever it raises becomes one line.

    Raises:
        GanZooError: the networks cannot be built for samples of this shape.
    """
    try:
        return variant.build(shape, classes)
    except (GanZooError, KeyboardInterrupt):
        raise
    except BaseException as error:
        given = ", ".join(f"{key}={shown(value)}" for key, value in variant.options.items())
        with_options = f" with {given}" if given else ""
        raise GanZooError(f"variant {variant.name!r} cannot be made{with_options}: {one_line(error)}") from error


def _check_size(variant: Variant, data: Dataset) -> None:
    """Raise GanZooError if the data cannot fill a batch, or a batch has too few samples for batch norm."""
    samples = len(data.train)
    least = 2 * variant.packing
    if samples < least:
        raise GanZooError(f"data set {data.name!r} has {samples} training samples; a batch needs {least}")
    if samples < variant.batch_size:
        raise GanZooError(
            f"data set {data.name!r} has {samples} training samples, fewer than the batch of {variant.batch_size}: "
            f"lower it with --set batch_size={samples} or in a suite's preset with batch_size = {samples}, "
            "or add samples"
        )


def _channels_last(network: nn.Module) -> None:
    """Lay the weights of 2-d convolutions out channels last, which is 1.5 times as fast on a CPU."""
    for weight in network.parameters():
        if weight.dim() == 4:
            _, channels, height, width = weight.shape
            # With one channel the layouts differ in their strides alone.
            strides = (channels * height * width, 1, channels * width, channels)
            laid_out = torch.empty_strided(weight.shape, strides, dtype=weight.dtype, device=weight.device)
            weight.data = laid_out.copy_(weight.data)


def default_generator(device: torch.device) -> torch.Generator:
    """torch's default generator on a device."""
    if device.type != "cuda":
        return torch.default_generator
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]


@contextmanager
def default_random(state: State) -> Iterator[None]:
    """Use the state's default generator as torch's within the context."""
    generator = default_generator(state.device)
    before = generator.get_state()
    generator.set_state(state.default_random)
    try:
        yield
    finally:
        state.default_random = generator.get_state()
        generator.set_state(before)
