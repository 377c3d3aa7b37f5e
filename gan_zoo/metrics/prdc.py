"""Nearest-neighbor measures: precision, recall, density and coverage, on L2-normalized features in float64.

Raw features would reward blank images: those have small features near the origin, inside the large balls around real
outliers, and an all-black set scores a precision of 1. Directions alone tell them apart.

Distances are computed on the vectors' device in blocks of rows, through matrix products, and never twice: one block
serves all four measures. A product gives the squared distance of two directions to about 1e-15, so that what is equal
in exact arithmetic (duplicates, a neighbor on the edge of its own ball) may come out unequal: within `_TIE` they count
as equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_zoo.metrics.checks import as_matrix, as_pair

PRECISION_K, COVERAGE_K = 3, 5

# Rows of the distance matrix held at once: 40 MB at N = 10,000, and as much again in masks and copies.
_BLOCK = 500
_TIE = 1e-12


class Overlap(NamedTuple):
    """What `overlap` gives."""

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(
    fake: Tensor,
    real: Tensor,
    *,
    precision_k: int = PRECISION_K,
    coverage_k: int = COVERAGE_K,
    radii: Tensor | None = None,
) -> Overlap:
    """All four measures in one pass over the distances: see `precision_recall` and `density_coverage`.

    Args:
        fake: feature vectors (N, D), normalized here.
        real: feature vectors (N, D), normalized here.
        precision_k: the neighbor that sets the radii for precision and recall.
        coverage_k: the neighbor that sets the radii for density and coverage.
        radii: `neighbor_radii(real, k=(precision_k, coverage_k))`, where one reference serves many calls.

    Raises:
        GanZooError: unequal N or D, no more rows than the larger k, or a value that is not finite.
    """
    fake, real = as_pair(fake, real, minimum=max(precision_k, coverage_k) + 1)
    if radii is None:
        radii = neighbor_radii(real, k=(precision_k, coverage_k))
    fake_edges = neighbor_radii(fake, k=(precision_k,))[:, 0].square() + _TIE
    real_edges = radii.square() + radii.new_tensor([_TIE, -_TIE])
    fake, real = normalize(fake), normalize(real)
    believable = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    found, held, covered = torch.zeros(3, dtype=torch.int64, device=fake.device)
    for centers, edges in zip(real.split(_BLOCK), real_edges.split(_BLOCK), strict=True):
        squared = _squared_distances(centers, fake)
        believable |= (squared <= edges[:, :1]).any(dim=0)
        found += (squared <= fake_edges).any(dim=1).sum()
        inside = squared < edges[:, 1:]
        held += inside.sum()
        covered += inside.any(dim=1).sum()
    n = len(fake)
    return Overlap(int(believable.sum()) / n, int(found) / n, int(held) / (coverage_k * n), int(covered) / n)


def precision_recall(fake: Tensor, real: Tensor, *, k: int = PRECISION_K) -> tuple[float, float]:
    """Share of fakes inside the real manifold, and of reals inside the fake one.

    Kynkäänniemi et al. 2019, arXiv 1904.06991, eqs. 1 and 2: a manifold is the union of closed balls around each
    sample that reach to its k-th nearest neighbor in the same set.

    Args:
        fake: feature vectors (N, D), normalized here.
        real: feature vectors (N, D), normalized here.
        k: the neighbor that sets a ball's radius.

    Raises:
        GanZooError: unequal N or D, fewer than k + 1 rows, or a value that is not finite.
    """
    result = overlap(fake, real, precision_k=k, coverage_k=k)
    return result.precision, result.recall


def density_coverage(fake: Tensor, real: Tensor, *, k: int = COVERAGE_K) -> tuple[float, float]:
    """Mean number of real balls that hold a fake, over k; and the share of real balls that hold at least one fake.

    Naeem et al. 2020, arXiv 2002.09797, the definitions of density and coverage, with open balls as in the
    authors' code. For fakes drawn from the real distribution density is 1 on average (Lemma 1) and coverage about
    1 - 2^-k (Lemma 2): 0.97 for k = 5.

    Args:
        fake: feature vectors (N, D), normalized here.
        real: feature vectors (N, D), normalized here.
        k: the neighbor that sets a ball's radius.

    Raises:
        GanZooError: unequal N or D, fewer than k + 1 rows, or a value that is not finite.
    """
    result = overlap(fake, real, precision_k=k, coverage_k=k)
    return result.density, result.coverage


def neighbor_radii(vectors: Tensor, *, k: Sequence[int] = (PRECISION_K, COVERAGE_K)) -> Tensor:
    """Distances of each normalized vector (N, D) to its k-th nearest neighbors in the same set: float64 (N, len(k)).

    The vector itself is not counted as its neighbor; its duplicates are.

    Raises:
        GanZooError: wrong shape, no more rows than the largest k, or a value that is not finite.
    """
    directions = normalize(as_matrix(vectors, "features", minimum=max(k) + 1))
    blocks = (_squared_distances(block, directions) for block in directions.split(_BLOCK))
    # The nearest of all is the vector itself, at index 0.
    nearest = torch.cat([squared.topk(max(k) + 1, largest=False).values[:, list(k)] for squared in blocks])
    return nearest.clamp(min=0).sqrt()


def _squared_distances(one: Tensor, two: Tensor) -> Tensor:
    """Squared distances (A, B) of the rows of (A, D) and (B, D); rounding can take zeros just below zero."""
    products = torch.addmm(two.square().sum(dim=1), one, two.T, alpha=-2)
    return products.add_(one.square().sum(dim=1, keepdim=True))
