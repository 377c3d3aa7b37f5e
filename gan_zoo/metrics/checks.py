"""What every measure asks of its input before it gives a figure."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError


def require_finite(values: Tensor, what: str) -> None:
    """Raise GanZooError, naming `what` and the count of bad rows, where an (N, D) tensor holds a NaN or an infinity.

    A row of NaN is silent otherwise: every comparison with it is false, so that precision and recall look plausible.
    """
    bad = int((~torch.isfinite(values)).any(dim=1).sum())
    if bad:
        raise GanZooError(f"{what}: {bad} of {len(values)} rows are not finite; no measure is defined on them")


def as_matrix(values: Tensor, what: str, minimum: int = 1) -> Tensor:
    """`values` as float64 on its own device, checked to be a finite (N, D) matrix with at least `minimum` rows."""
    if values.ndim != 2:
        raise GanZooError(f"{what} must have shape (N, D), not {tuple(values.shape)}")
    if len(values) < minimum:
        raise GanZooError(f"{what} has {len(values)} rows; this measure needs at least {minimum}")
    require_finite(values, what)
    return values.detach().to(torch.float64)


def as_pair(fake: Tensor, real: Tensor, minimum: int) -> tuple[Tensor, Tensor]:
    """Both sets as float64 matrices; refused unless they have as many rows, since bias and radii depend on N."""
    fake, real = as_matrix(fake, "fake features", minimum), as_matrix(real, "real features", minimum)
    require_same_shape(fake.shape, real.shape)
    return fake, real


def require_same_shape(fake: Sequence[int], real: Sequence[int]) -> None:
    """Raise GanZooError unless fake and real features, both (N, D), agree in N and in D."""
    if fake[1] != real[1]:
        raise GanZooError(
            f"fake features have {fake[1]} dimensions and real ones {real[1]}; use one extractor for both"
        )
    if fake[0] != real[0]:
        raise GanZooError(f"{fake[0]} fake images against {real[0]} real ones; N must be equal, take as many of each")
