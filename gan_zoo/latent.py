"""Latent vectors: what a generator draws its samples from."""

import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_zoo.errors import GanZooError, check_known, shown


@dataclass(frozen=True)
class Part:
    """One named stretch of the latent vector, ``size`` values of one distribution.

    ``low`` and ``high`` bound ``uniform`` (high excluded) and ``truncated_normal`` (a standard normal conditioned on
    the interval); ``categorical`` is one-hot over ``size`` classes, all as likely.
    """

    name: str
    size: int
    distribution: str
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        check_known("latent distribution", self.distribution, _DRAWS)
        if self.size < 1:
            raise GanZooError(f"latent size {self.size} is too small; it must be at least 1")
        if not self.low < self.high:
            raise GanZooError(f"latent bounds [{self.low}, {self.high}] are no interval; low must be below high")

    def __str__(self) -> str:
        if self.distribution not in ("uniform", "truncated_normal"):
            return f"{self.size} {self.distribution}"
        # All digits of a bound, none too many: the text is part of a run's identity.
        low, high = (repr(float(bound)).removesuffix(".0") for bound in (self.low, self.high))
        return f"{self.size} {self.distribution} [{low}, {high}{')' if self.distribution == 'uniform' else ']'}"


def _uniform(part: Part, n: int, **where: Any) -> Tensor:
    return torch.rand(n, part.size, **where) * (part.high - part.low) + part.low


def _normal(part: Part, n: int, **where: Any) -> Tensor:
    return torch.randn(n, part.size, **where)


def _truncated_normal(part: Part, n: int, **where: Any) -> Tensor:
    low, high = torch.special.ndtr(torch.tensor([part.low, part.high], dtype=torch.float64)).tolist()
    inside = torch.rand(n, part.size, **where) * (high - low) + low
    return torch.special.ndtri(inside).clamp(part.low, part.high)


def _categorical(part: Part, n: int, *, dtype: torch.dtype, **where: Any) -> Tensor:
    return one_hot(torch.randint(part.size, (n,), **where), part.size).to(dtype)


_DRAWS = {"uniform": _uniform, "normal": _normal, "truncated_normal": _truncated_normal, "categorical": _categorical}


def _great_circle(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Spherical interpolation between two vectors (1, size), at shares (steps, 1) of the angle between them."""
    angle = torch.acos(torch.nn.functional.cosine_similarity(start, end).clamp(-1, 1))
    if angle.sin() < 1e-6:  # The circle of parallel vectors is not unique, or a line.
        return torch.lerp(start, end, shares)
    return (torch.sin((1 - shares) * angle) * start + torch.sin(shares * angle) * end) / angle.sin()


@dataclass(frozen=True)
class Latent:
    """A latent vector: one part or several, joined with ``+``."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        given = [part.name for part in self.parts]
        if not given:
            raise GanZooError("a latent needs at least one part, e.g. '100 normal'")
        if repeated := sorted({name for name in given if given.count(name) > 1}):
            raise GanZooError(f"two parts of a latent are named {repeated[0]!r}; give each its own name=")

    @property
    def size(self) -> int:
        """Number of values in the whole vector."""
        return sum(part.size for part in self.parts)

    def resized(self, size: int) -> "Latent":
        """The same distributions with ``size`` values in all: the first part is resized, the others stay.

        Raises:
            GanZooError: the other parts leave no value for the first.
        """
        others = self.size - self.parts[0].size
        if size <= others:
            rest = f", as {others} values are {' + '.join(map(str, self.parts[1:]))}" if others else ""
            raise GanZooError(f"latent size {size} is too small; it must be at least {others + 1}{rest}")
        return Latent((replace(self.parts[0], size=size - others), *self.parts[1:]))

    def __add__(self, other: "Latent") -> "Latent":
        return Latent(self.parts + other.parts)

    def __str__(self) -> str:
        return " + ".join(str(part) for part in self.parts)

    def draw(self, n: int, *, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """``n`` latent vectors, shape (n, size), on the generator's device."""
        where: dict[str, Any] = {"generator": random, "device": random.device, "dtype": dtype}
        return torch.cat([_DRAWS[part.distribution](part, n, **where) for part in self.parts], dim=1)

    def interpolate(self, first: Tensor, second: Tensor, steps: int) -> Tensor:
        """``steps`` latent vectors (steps, size) from one (size,) to another, both included.

        Parts of normal values move on a great circle, which keeps their length plausible (White 2016, arXiv 1609.04468,
        section 2.1), all others on a line.

        Raises:
            GanZooError: fewer than two steps.
        """
        if steps < 2:
            raise GanZooError(f"{steps} steps of an interpolation are too few; use at least 2")
        shares = torch.linspace(0, 1, steps, dtype=torch.float64, device=first.device)[:, None]
        ends = zip(self.split(first[None].double()).values(), self.split(second[None].double()).values(), strict=True)
        paths = [
            (_great_circle if part.distribution == "normal" else torch.lerp)(start, end, shares)
            for part, (start, end) in zip(self.parts, ends, strict=True)
        ]
        return torch.cat(paths, dim=1).to(first.dtype)

    def split(self, vectors: Tensor) -> dict[str, Tensor]:
        """The parts of latent vectors (n, size) by name, each (n, part size)."""
        sizes = [part.size for part in self.parts]
        return dict(zip((part.name for part in self.parts), vectors.split(sizes, dim=1), strict=True))


def uniform(size: int, low: float = 0.0, high: float = 1.0, name: str = "noise") -> Latent:
    """Uniform values on [low, high)."""
    return Latent((Part(name, size, "uniform", low, high),))


def normal(size: int, name: str = "noise") -> Latent:
    """Standard normal values."""
    return Latent((Part(name, size, "normal"),))


def truncated_normal(size: int, low: float = -1.0, high: float = 1.0, name: str = "noise") -> Latent:
    """Standard normal values conditioned on [low, high], by inversion of the distribution function."""
    return Latent((Part(name, size, "truncated_normal", low, high),))


def categorical(size: int, name: str = "category") -> Latent:
    """A one-hot vector over ``size`` equally likely classes."""
    return Latent((Part(name, size, "categorical"),))


_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PART = re.compile(rf"(\d+) +([a-z_]+)(?: *\[ *({_NUMBER}) *, *({_NUMBER}) *[])])?")


def parse(text: str) -> Latent:
    """A latent from its own text, e.g. ``100 uniform [0, 1)`` or ``62 normal + 10 categorical``.

    Raises:
        GanZooError: the text is not of that form.
    """
    parts = []
    for index, piece in enumerate(re.split(r"(?<![eE])\+", text)):
        match = _PART.fullmatch(piece.strip())
        if not match:
            raise GanZooError(f"latent {shown(piece.strip())} is not of the form '100 normal' or '100 uniform [0, 1)'")
        size, distribution, low, high = match.groups()
        bounds = (-1.0, 1.0) if distribution == "truncated_normal" else (0.0, 1.0)
        if low:
            bounds = (float(low), float(high))
        parts.append(Part("noise" if index == 0 else f"part{index}", int(size), distribution, *bounds))
    return Latent(tuple(parts))
