"""All that training stands on at one instant, and how it begins."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_zoo.data import Dataset, Split
from gan_zoo.device import derive, prepare, seeded
from gan_zoo.errors import PLUGIN_FAILURES, GanZooError
from gan_zoo.options import EXACT
from gan_zoo.variant import Networks, Variant

PURPOSES = ("order", "labels", "latent", "noise")
"""What random numbers are drawn for; each has a generator of its own, so that one never shifts another."""


class Optimizers(NamedTuple):
    """One optimizer a player."""

    generator: torch.optim.Optimizer
    discriminator: torch.optim.Optimizer


@dataclass
class History:
    """What was recorded: rows of means over blocks of rounds, and the rounds not yet gathered, still on the device.

    ``pending`` holds tensors (rounds, values), one row a round, in the order of ``names``.
    """

    names: tuple[str, ...] = ()
    pending: list[Tensor] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class State:
    """Training at one instant. ``advance`` changes it in place; a checkpoint holds all of it.

    ``seconds`` counts training alone; ``images`` counts real images judged; ``order`` and ``cursor`` are the epoch's
    permutation and the place in it; ``data_requested`` is the name that the data set was
    asked for by, ``fingerprint`` its own; ``default_random`` is the state of torch's
    default generator (for dropout). ``graphs`` says whether CUDA graphs may be used, ``recorded`` holds them,
    ``execution`` tells how rounds are run. ``warmup_seconds`` counts what is done once and trains nothing: loading
    libraries, trials of kernels, recording graphs. ``peak_memory`` is the most memory in bytes that training has taken.
    ``notices`` are for the user, one line each.
    """

    variant: Variant
    data: Split
    data_name: str
    data_requested: str
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
    rounds: int = 0
    seconds: float = 0.0
    history: History = field(default_factory=History)
    graphs: bool = True
    recorded: Any = None
    execution: str = "eager"
    warmup_seconds: float = 0.0
    peak_memory: int | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.data.labels.device


def init(
    variant: Variant,
    data: Dataset,
    seed: int,
    *,
    dtype: torch.dtype = torch.float32,
    precision: str = EXACT,
    channels_last: bool = True,
) -> State:
    """The state before the first step, on the data's device; weights are drawn on the CPU, the same for every device.

    In float64 (for tests) every operation is the plain one, in the plain order; below it the layout of convolutions
    (with ``channels_last``) and the implementation of the optimizer are faster ones, which round in another order.

    Raises:
        GanZooError: the networks cannot be built for this data, the data has too few samples for a batch, or the device
            does not have the precision.
    """
    device = data.train.labels.device
    prepare(device.type, precision)
    _check_size(variant, data)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "weights"))  # torch.manual_seed would reach CUDA's too
        networks = variant.build(data.shape, data.classes)
    plain = dtype == torch.float64
    for network in networks:
        network.to(device=device, dtype=dtype).train()
        if channels_last and not plain:
            _channels_last(network)
    preferred = {} if plain else {"fused": True, "capturable": device.type == "cuda"}
    return State(
        variant=variant,
        data=data.train,
        data_name=data.name,
        data_requested=data.requested,
        fingerprint=data.fingerprint,
        classes=data.classes,
        seed=seed,
        dtype=dtype,
        precision=precision,
        networks=networks,
        ema=copy.deepcopy(networks.generator).requires_grad_(False) if variant.ema else None,
        optimizers=Optimizers(
            variant.generator_optimizer.build(variant.generator_trains(networks), **preferred),
            variant.discriminator_optimizer.build(variant.discriminator_trains(networks), **preferred),
        ),
        objective={
            name: torch.tensor(value, dtype=dtype, device=device) for name, value in variant.objective.state.items()
        },
        random={purpose: seeded(seed, purpose, device) for purpose in PURPOSES},
        default_random=_seeded_default(seed, device),
        order=torch.arange(len(data.train), device=device),
        cursor=len(data.train),
    )


def check(variant: Variant, data: Dataset) -> None:
    """Build the networks once, so that a setting that does not fit is reported before anything is written.

    Raises:
        GanZooError: the networks cannot be built for this data, or the data has too few samples for a batch.
    """
    _check_size(variant, data)
    try:
        with torch.random.fork_rng(devices=[]):
            variant.build(data.shape, data.classes)
    except GanZooError:
        raise
    except PLUGIN_FAILURES as error:
        given = ", ".join(f"{key}={value}" for key, value in variant.options.items())
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise GanZooError(f"variant {variant.name!r} cannot be made{given and f' with {given}'}: {why}") from error


def _check_size(variant: Variant, data: Dataset) -> None:
    """Raise GanZooError where the data cannot fill a batch, or a batch has too few samples for batch norm."""
    samples, least = len(data.train), 2 * variant.packing
    if samples < least:
        raise GanZooError(f"data set {data.name!r} has {samples} training samples; a batch needs {least}")
    if samples < variant.batch_size:
        raise GanZooError(
            f"data set {data.name!r} has {samples} training samples, fewer than the batch of {variant.batch_size}: "
            f"lower it with --set batch_size={samples} or in a suite's preset with batch_size = {samples}, "
            "or add samples"
        )


def _channels_last(network: nn.Module) -> None:
    """Lay the weights of 2-d convolutions out channels last: half again as fast on a CPU."""
    for weight in network.parameters():
        if weight.dim() == 4:
            _, channels, height, width = weight.shape
            # With one channel torch sees no difference between the layouts and picks the slow one: strides tell it.
            strides = (channels * height * width, 1, channels * width, channels)
            weight.data = torch.empty_strided(weight.shape, strides, dtype=weight.dtype, device=weight.device).copy_(
                weight.data
            )


def _seeded_default(seed: int, device: torch.device) -> Tensor:
    return seeded(seed, "dropout", device).get_state()


@contextmanager
def default_random(state: State) -> Iterator[None]:
    """Lend the state's default generator to torch for a while, and put torch's own back afterwards."""
    on_cuda = state.device.type == "cuda"
    before = torch.cuda.get_rng_state(state.device) if on_cuda else torch.get_rng_state()
    _set_default(state.device, state.default_random)
    try:
        yield
    finally:
        state.default_random = torch.cuda.get_rng_state(state.device) if on_cuda else torch.get_rng_state()
        _set_default(state.device, before)


def _set_default(device: torch.device, value: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(value, device)
    else:
        torch.set_rng_state(value)
