"""All that training stands on at one instant, and how it begins."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_zoo.data import Dataset, Split
from gan_zoo.engine.device import prepare
from gan_zoo.errors import GanZooError
from gan_zoo.variant import Networks, Variant

PURPOSES = ("order", "labels", "latent", "noise")
"""What random numbers are drawn for; each has a generator of its own, so that one never shifts another."""


class Optimizers(NamedTuple):
    """One optimizer a player."""

    generator: torch.optim.Optimizer
    discriminator: torch.optim.Optimizer


@dataclass
class History:
    """What was recorded: rows of means over blocks of rounds, and the rounds not yet gathered, still on the device."""

    names: tuple[str, ...] = ()
    pending: list[Tensor] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class State:
    """Training at one instant. ``advance`` changes it in place; a checkpoint holds all of it.

    ``seconds`` counts training alone; ``images`` counts real images judged; ``order`` and ``cursor`` are the epoch's
    permutation and the place in it; ``default_random`` is the state of torch's default generator (for dropout).
    """

    variant: Variant
    data: Split
    data_name: str
    classes: int
    seed: int
    dtype: torch.dtype
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

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.data.labels.device


def derive(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, unrelated to those of other purposes and other seeds."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def seeded(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator of its own for one purpose."""
    return torch.Generator(device).manual_seed(derive(seed, purpose))


def init(variant: Variant, data: Dataset, seed: int, *, dtype: torch.dtype = torch.float32) -> State:
    """The state before the first step, on the data's device; weights are drawn on the CPU, the same for every device.

    Raises:
        GanZooError: the networks cannot be built for this data, or the data has too few samples for a batch.
    """
    device = data.train.labels.device
    prepare(device.type)
    if len(data.train) < 2 * variant.packing:
        raise GanZooError(
            f"data set {data.name!r} has {len(data.train)} training samples; a batch needs {2 * variant.packing}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "weights"))  # torch.manual_seed would reach CUDA's too
        networks = variant.build(data.shape, data.classes)
    # Half again as fast for convolutions on CPU and CUDA; in float64 no library gains from it.
    layout = torch.channels_last if dtype != torch.float64 and _convolves(networks) else torch.preserve_format
    for network in networks:
        network.to(device=device, dtype=dtype).to(memory_format=layout).train()
    return State(
        variant=variant,
        data=data.train,
        data_name=data.name,
        classes=data.classes,
        seed=seed,
        dtype=dtype,
        networks=networks,
        ema=copy.deepcopy(networks.generator).requires_grad_(False) if variant.ema else None,
        optimizers=Optimizers(
            variant.generator_optimizer.build(variant.generator_trains(networks)),
            variant.discriminator_optimizer.build(variant.discriminator_trains(networks)),
        ),
        objective={
            name: torch.tensor(value, dtype=dtype, device=device) for name, value in variant.objective.state.items()
        },
        random={purpose: seeded(seed, purpose, device) for purpose in PURPOSES},
        default_random=_seeded_default(seed, device),
        order=torch.arange(len(data.train), device=device),
        cursor=len(data.train),
    )


def _convolves(networks: Networks) -> bool:
    return any(isinstance(m, nn.modules.conv._ConvNd) and m.weight.dim() == 4 for n in networks for m in n.modules())


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
