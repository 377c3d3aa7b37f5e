"""Batches: real samples in the order of an epoch, and the inputs of the generator."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan_zoo.engine.state import State


class Fakes(NamedTuple):
    """Inputs of the generator: latents (B, latent size), and labels (B,) of a conditional variant."""

    latent: Tensor
    labels: Tensor | None


class Batch(NamedTuple):
    """Inputs of a discriminator step: real samples (B, ...), their labels (B,), and the inputs of its fakes."""

    real: Tensor
    labels: Tensor
    fakes: Fakes


Draw = Callable[[State], Batch]


def draw(state: State) -> Batch:
    """The next batch of real samples, and the inputs of its fakes."""
    if state.variant.sampling == "replacement":
        return batch_at(state, draw_index(state))
    if not next_size(state):
        begin_epoch(state)
    size = next_size(state)
    index = state.order[state.cursor : state.cursor + size]
    state.cursor += size
    return batch_at(state, index)


def batch_at(state: State, index: Tensor) -> Batch:
    """The real samples at ``index``, int64 (B,), and the inputs of their fakes."""
    real, labels = state.data.take(index)
    size = state.variant.fake_batch_size
    if size is not None:
        return Batch(real.to(state.dtype), labels, draw_fakes(state, size))
    latent = state.variant.latent.draw(len(real), random=state.random["latent"], dtype=state.dtype)
    return Batch(real.to(state.dtype), labels, Fakes(latent, None if state.variant.conditioning == "none" else labels))


def draw_fakes(state: State, size: int) -> Fakes:
    """Fresh latents for whole packs, and labels drawn from the training set."""
    size -= size % state.variant.packing
    latent = state.variant.latent.draw(size, random=state.random["latent"], dtype=state.dtype)
    if state.variant.conditioning == "none":
        return Fakes(latent, None)
    index = torch.randint(len(state.data), (size,), generator=state.random["labels"], device=state.device)
    return Fakes(latent, state.data.labels[index])


def full_size(state: State) -> int:
    """Size of a full batch: whole packs."""
    return state.variant.batch_size - state.variant.batch_size % state.variant.packing


def draw_index(state: State) -> Tensor:
    """Indices of a batch drawn with replacement."""
    return torch.randint(len(state.data), (full_size(state),), generator=state.random["order"], device=state.device)


def next_size(state: State, ahead: int = 0) -> int:
    """Size of the batch that begins ``ahead`` samples after the cursor; 0 at the end of the epoch.

    The last batch of an epoch may be smaller; one of fewer than two packs, too few for batch norm, is dropped. Several
    processes need two packs each.
    """
    packing = state.variant.packing
    left = len(state.data) - state.cursor - ahead
    least = 2 * packing * (1 if state.parallel is None else state.parallel.size)
    return 0 if left < least else min(full_size(state), left - left % packing)


def begin_epoch(state: State) -> None:
    """Draw the order of another epoch in place."""
    torch.randperm(len(state.data), generator=state.random["order"], device=state.device, out=state.order)
    state.cursor = 0
