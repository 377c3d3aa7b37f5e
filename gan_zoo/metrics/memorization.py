"""The nearest training images of generated ones, and whether they are nearer than those of unseen real images.

Distances are between L2-normalized features, as in `prdc`: a copy keeps its direction if its contrast changes.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.features import as_matrix, full_float32, require_finite
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import register

# Samples and training images compared at once: 4 MB of products, which fit a core's cache.
_ROWS, _COLUMNS = 500, 2000


class Nearest(NamedTuple):
    """Neighbors in the training set, the nearest first: distances float64 (N, k) and indices int64 (N, k)."""

    distances: Tensor
    indices: Tensor


def nearest(vectors: Tensor, training: Tensor, *, k: int = 1) -> Nearest:
    """The k nearest training vectors of each vector, by the distance of their directions, between 0 and 2.

    The search multiplies matrices in float32; the distances are then computed by subtraction in float64, so that a
    copy is at 0.

    Args:
        vectors: feature vectors (N, D), normalized here.
        training: feature vectors (M, D) on the same device, normalized here; M at least k.
        k: how many neighbors.

    Raises:
        GanZooError: wrong shapes, unequal D, fewer than k training vectors, or a value that is not finite.
    """
    queries = as_matrix(vectors, "features")
    if training.ndim != 2 or training.shape[1] != queries.shape[1] or len(training) < k:
        raise GanZooError(
            f"training features have shape {tuple(training.shape)}; {k} neighbors of features "
            f"{tuple(queries.shape)} need at least {k} rows of {queries.shape[1]} dimensions"
        )
    require_finite(training, "training features")
    queries = normalize(queries)
    directions = normalize(training.float())
    with full_float32(queries.device):
        index = torch.cat([_search(block, directions, k) for block in queries.float().split(_ROWS)])
    found = normalize(training[index].double(), dim=2)
    distances = (found - queries.unsqueeze(1)).norm(dim=2)
    distances, order = distances.sort(dim=1, stable=True)
    return Nearest(distances, index.gather(1, order))


def memorization(fake: Tensor, real: Tensor) -> float:
    """Share of pairs in which the generated image is nearer to the training set than the test image; ties count half.

    Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675: the Mann-Whitney statistic of their global test (the whole
    space at once, no cells), divided by the number of pairs. Fresh draws of the data's distribution give 0.5 on
    average, copies of training images 1.

    Args:
        fake, real: distances (N,) and (M,) of generated and of unseen real images to their nearest training images.

    Raises:
        GanZooError: no distances, another shape, or a value that is not finite.
    """
    fake = as_matrix(fake.unsqueeze(-1), "distances of generated images")[:, 0]
    real = as_matrix(real.unsqueeze(-1), "distances of real images")[:, 0].sort().values
    below, up_to = (torch.searchsorted(real, fake, right=right).sum() for right in (False, True))
    return 1 - int(below + up_to) / (2 * len(fake) * len(real))


def _search(rows: Tensor, training: Tensor, k: int) -> Tensor:
    """Indices (B, k) of the training directions that make the largest products with each direction."""
    best = rows.new_full((len(rows), k), -torch.inf)
    index = torch.zeros(len(rows), k, dtype=torch.int64, device=rows.device)
    for start in range(0, len(training), _COLUMNS):
        products = rows @ training[start : start + _COLUMNS].T
        values, places = products.topk(min(k, products.shape[1]), dim=1) if k > 1 else products.max(dim=1, keepdim=True)
        best, order = torch.cat([best, values], dim=1).topk(k, dim=1)
        index = torch.cat([index, places + start], dim=1).gather(1, order)
    return index


def _test_distances(real: Reference) -> Tensor:
    assert real.training is not None
    return nearest(real.features.vectors, real.training).distances[:, 0]


@register(
    name="memorization",
    title="Memorization",
    better="half",
    range="0 to 1, about 0.5 for unseen real data",
    bounds=(0, 1),
    meaning="Share of pairs in which the generated image is closer to its nearest training image than the test "
    "image is to its own; ties count one half.",
    limitations="Poor images are far from all data and score 0, even if they are copies. Real training images (the "
    "floor) score 1 by definition.",
    source="Meehan et al. 2020, arXiv 2004.05675",
    needs=("training",),
    extractors=("classifier", "stacked"),
    order=12,
    in_ranking=False,
)
def memorization_metric(compared: Comparison) -> float:
    assert compared.real.training is not None
    distances = nearest(compared.fake.vectors, compared.real.training).distances[:, 0]
    return memorization(distances, compared.real.statistic(_test_distances))
