"""Nearest-neighbor measures: precision, recall, density and coverage, on L2-normalized features in float64.

Raw features would reward blank images: those have small features near the origin, inside the large balls around real
outliers, and an all-black set scores a precision of 1. Directions alone tell them apart.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from gan_zoo.metrics.checks import as_matrix, as_pair

# Rows of the distance matrix held at once: 80 MB each copy at N = 10,000.
_BLOCK = 1000


def precision_recall(fake: Tensor, real: Tensor, *, k: int = 3) -> tuple[float, float]:
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
    fake, real = as_pair(fake, real, minimum=k + 1)
    result = prc_features_to_metric(
        normalize(fake), normalize(real), prc_neighborhood=k, prc_batch_size=_BLOCK, save_cpu_ram=True, verbose=False
    )
    # The library averages in float32; these are shares of N, so whole counts give them back exactly.
    precision, recall = (
        round(result[key] * len(fake)) / len(fake) for key in (KEY_METRIC_PRECISION, KEY_METRIC_RECALL)
    )
    return precision, recall


def neighbor_radii(vectors: Tensor, *, k: int = 5) -> Tensor:
    """Distance of each normalized vector (N, D) to its k-th nearest neighbor in the same set, itself not counted: (N,).

    Raises:
        GanZooError: wrong shape, fewer than k + 1 rows, or a value that is not finite.
    """
    directions = normalize(as_matrix(vectors, "features", minimum=k + 1))
    blocks = (torch.cdist(block, directions) for block in directions.split(_BLOCK))
    return torch.cat([distances.topk(k + 1, largest=False).values[:, -1] for distances in blocks])


def density_coverage(fake: Tensor, real: Tensor, *, k: int = 5, radii: Tensor | None = None) -> tuple[float, float]:
    """Mean number of real balls that hold a fake, over k; and the share of real balls that hold at least one fake.

    Naeem et al. 2020, arXiv 2002.09797, the definitions of density and coverage, with open balls as in the
    authors' code. For fakes drawn from the real distribution density is 1 on average (Lemma 1) and coverage about
    1 - 2^-k (Lemma 2): 0.97 for k = 5.

    Args:
        fake: feature vectors (N, D), normalized here.
        real: feature vectors (N, D), normalized here.
        k: the neighbor that sets a ball's radius.
        radii: `neighbor_radii(real, k=k)`, where one reference serves many calls.

    Raises:
        GanZooError: unequal N or D, fewer than k + 1 rows, or a value that is not finite.
    """
    fake, real = as_pair(fake, real, minimum=k + 1)
    if radii is None:
        radii = neighbor_radii(real, k=k)
    fake, real = normalize(fake), normalize(real)
    held = covered = 0
    for centers, radius in zip(real.split(_BLOCK), radii.split(_BLOCK), strict=True):
        inside = torch.cdist(centers, fake) < radius[:, None]
        held += int(inside.sum())
        covered += int(inside.any(dim=1).sum())
    return held / (k * len(fake)), covered / len(real)
