"""Nearest-neighbor metrics: precision, recall, density and coverage, on L2-normalized features in float64.

Raw features would reward blank images: their features lie near the origin, inside the large balls around real
outliers, and an all-black set scores a precision of 1. Normalized features do not.

Distances are computed in blocks of rows through matrix products. A product gives the squared distance of two directions
to about 1e-15, so that distances that are equal in exact arithmetic (duplicates, a neighbor on the edge of its own
ball) may differ: within `_TIE` they count as equal.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_zoo.metrics.features import as_matrix, as_pair
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import register

PRECISION_K, COVERAGE_K = 3, 5
"""The neighbors that set the radii for precision and recall, and for density and coverage."""

# Rows of the distance matrix in memory at once: 40 MB at N = 10,000, and as much again in masks and copies.
_BLOCK = 500
_TIE = 1e-12


class Overlap(NamedTuple):
    """The four metrics of `overlap`.

    Attributes:
        precision: share of fakes inside the real manifold.
        recall: share of reals inside the fake manifold. Kynkäänniemi et al. 2019, arXiv 1904.06991, eqs. 1 and 2: a
            manifold is the union of closed balls around each sample that reach to its k-th nearest neighbor.
        density: mean number of real balls that contain a fake, over k.
        coverage: share of real balls that contain at least one fake. Naeem et al. 2020, arXiv 2002.09797, with open
            balls as in the authors' code. For fakes of the real distribution density is 1 on average (Lemma 1) and
            coverage about 1 - 2^-k (Lemma 2).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(fake: Tensor, real: Tensor, *, radii: Tensor | None = None) -> Overlap:
    """Precision, recall, density and coverage in one pass over the distances.

    Args:
        fake, real: feature vectors (N, D) each, normalized here.
        radii: `neighbor_radii(real)`, if one reference serves many calls.

    Raises:
        GanZooError: unequal N or D, no more rows than the larger k, or a value that is not finite.
    """
    fake, real = as_pair(fake, real, minimum=COVERAGE_K + 1)
    if radii is None:
        radii = neighbor_radii(real)
    fake_edges = neighbor_radii(fake)[:, 0].square() + _TIE
    real_edges = radii.square() + radii.new_tensor([_TIE, -_TIE])
    fake, real = normalize(fake), normalize(real)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled, inside_count, covered = torch.zeros(3, dtype=torch.int64, device=fake.device)
    for centers, edges in zip(real.split(_BLOCK), real_edges.split(_BLOCK), strict=True):
        squared = _squared_distances(centers, fake)
        precise |= (squared <= edges[:, :1]).any(dim=0)
        recalled += (squared <= fake_edges).any(dim=1).sum()
        inside = squared < edges[:, 1:]
        inside_count += inside.sum()
        covered += inside.any(dim=1).sum()
    n = len(fake)
    density = int(inside_count) / (COVERAGE_K * n)
    return Overlap(int(precise.sum()) / n, int(recalled) / n, density, int(covered) / n)


def neighbor_radii(vectors: Tensor) -> Tensor:
    """Distances, float64 (N, 2), of each normalized vector (N, D) to its third and its fifth nearest neighbor.

    The vector itself is not counted as its neighbor; its duplicates are.

    Raises:
        GanZooError: wrong shape, fewer than six rows, or a value that is not finite.
    """
    directions = normalize(as_matrix(vectors, "features", minimum=COVERAGE_K + 1))
    blocks = (_squared_distances(block, directions) for block in directions.split(_BLOCK))
    # The nearest of all is the vector itself, at index 0.
    nearest = torch.cat([squared.topk(COVERAGE_K + 1, largest=False).values for squared in blocks])
    nearest = nearest[:, [PRECISION_K, COVERAGE_K]]
    return nearest.clamp(min=0).sqrt()


def _squared_distances(one: Tensor, two: Tensor) -> Tensor:
    """Squared distances (A, B) of the rows of (A, D) and (B, D); rounding can take zeros just below zero."""
    products = torch.addmm(two.square().sum(dim=1), one, two.T, alpha=-2)
    return products.add_(one.square().sum(dim=1, keepdim=True))


def _reference_radii(real: Reference) -> Tensor:
    return neighbor_radii(real.features.vectors)


def _overlap(compared: Comparison) -> Overlap:
    radii = compared.real.statistic(_reference_radii)
    return overlap(compared.fake.vectors, compared.real.features.vectors, radii=radii)


@register(
    name="precision",
    title="Precision",
    better="higher",
    range="0 to 1",
    bounds=(0, 1),
    meaning="Share of generated images inside the estimated manifold of real images: fidelity.",
    limitations="Outliers among the real images inflate the manifold. A generator that repeats one good image "
    "scores 1.",
    source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    extractors=("classifier", "stacked"),
    order=4,
)
def precision(compared: Comparison) -> float:
    return compared.statistic(_overlap).precision


@register(
    name="recall",
    title="Recall",
    better="higher",
    range="0 to 1",
    bounds=(0, 1),
    meaning="Share of real images inside the estimated manifold of generated images: diversity.",
    limitations="Outliers among the generated images inflate the manifold: a few of them can appear to cover "
    "everything.",
    source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    extractors=("classifier", "stacked"),
    order=5,
)
def recall(compared: Comparison) -> float:
    return compared.statistic(_overlap).recall


@register(
    name="density",
    title="Density",
    better="higher",
    range="0 to infinity, about 1 for real data",
    bounds=(0, None),
    meaning="Mean number of real neighborhoods that contain a generated image, relative to the number expected "
    "of real images.",
    limitations="Exceeds 1 if the generator concentrates on the densest region of the data.",
    source="Naeem et al. 2020, arXiv 2002.09797",
    extractors=("classifier", "stacked"),
    order=6,
    in_ranking=False,
)
def density(compared: Comparison) -> float:
    return compared.statistic(_overlap).density


@register(
    name="coverage",
    title="Coverage",
    better="higher",
    range="0 to 1, about 0.97 for real data with k = 5",
    bounds=(0, 1),
    meaning="Share of real images whose neighborhood contains at least one generated image.",
    limitations="Depends on num_samples. Exact duplicates among the real images shrink their neighborhoods to a point.",
    source="Naeem et al. 2020, arXiv 2002.09797",
    extractors=("classifier", "stacked"),
    order=7,
)
def coverage(compared: Comparison) -> float:
    return compared.statistic(_overlap).coverage
