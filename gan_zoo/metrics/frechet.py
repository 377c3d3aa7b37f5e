"""The Frechet distance between two sets of feature vectors (FID), in float64, and its limit at infinite N."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.features import as_matrix, require_same_shape
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import register
from gan_zoo.statistics import Estimate, t_interval


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of N feature vectors, float64 on the CPU."""

    mean: Tensor
    covariance: Tensor
    n: int

    @cached_property
    def root(self) -> Tensor:
        """A matrix R (D, D) with R R^T the covariance, by its eigenvectors, so that it may be singular."""
        values, basis = torch.linalg.eigh(self.covariance)
        return basis * values.clamp(min=0).sqrt()


def moments(vectors: Tensor) -> Moments:
    """Moments of feature vectors (N, D), N at least 2, computed on their device in float64.

    Raises:
        GanZooError: wrong shape, too few rows, or a value that is not finite.
    """
    matrix = as_matrix(vectors, "features", minimum=2)
    # torch.cov squeezes a single dimension away.
    return Moments(matrix.mean(dim=0).cpu(), torch.atleast_2d(torch.cov(matrix.T)).cpu(), len(matrix))


def frechet_distance(fake: Tensor | Moments, real: Tensor | Moments) -> float:
    """Squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared feature units.

    Heusel et al. 2017, arXiv 1706.08500, eq. 6; on Inception features it is the FID. Its bias falls as 1/N, so N must
    be equal for all that is compared. With N below D the covariances are singular: the value is finite, but mostly
    bias.

    C1 C2 has the eigenvalues of the symmetric R^T C1 R with R R^T = C2, which are faster to compute and always real.

    Args:
        fake, real: feature vectors (N, D) each, or their moments.

    Raises:
        GanZooError: unequal N or D, fewer than 2 rows, or a value that is not finite.
    """
    one = fake if isinstance(fake, Moments) else moments(fake)
    two = real if isinstance(real, Moments) else moments(real)
    require_same_shape((one.n, len(one.mean)), (two.n, len(two.mean)))
    cross = torch.linalg.eigvalsh(two.root.T @ one.covariance @ two.root).clamp(min=0).sqrt().sum()
    value = (one.mean - two.mean).square().sum() + one.covariance.trace() + two.covariance.trace() - 2 * cross
    # Rounding of the eigenvalues can end just below zero for equal sets.
    return max(float(value), 0.0)


def _reference_moments(real: Reference) -> Moments:
    return moments(real.features.vectors)


@register(
    name="fid",
    title="FID",
    better="lower",
    range="0 to infinity",
    meaning="Fréchet distance between two Gaussians fitted to the features of generated and of real images.",
    limitations="Not comparable between different num_samples (the bias is proportional to 1 / num_samples) or "
    "different extractors (the scale is that of the features).",
    source="Heusel et al. 2017, arXiv 1706.08500",
    log=True,
    order=1,
)
def fid(compared: Comparison) -> float:
    return frechet_distance(compared.fake.vectors, compared.real.statistic(_reference_moments))


@dataclass(frozen=True)
class Extrapolation:
    """The distance at infinite N and the slope a of limit + a / N: means over draws, with intervals."""

    limit: Estimate
    slope: Estimate


def frechet_infinity(counts: Sequence[int], values: Sequence[Sequence[float]]) -> Extrapolation:
    """The Frechet distance at infinite N, from its values at several N; a line in 1/N is fitted to each draw.

    Chong and Forsyth 2020, arXiv 1911.07023: to leading order the expected distance is linear in 1/N, and
    the intercept is free of that bias. Terms in 1/N^2 remain: N should be well above the number of features. The
    interval is Student's t over the draws' intercepts, so values of one draw at different N need not be independent.

    Args:
        counts: N of each column, at least two different ones.
        values: a row of finite distances for each independent draw of images.

    Raises:
        GanZooError: fewer than two different counts.
    """
    if len(set(counts)) < 2:
        raise GanZooError(f"counts are {list(counts)}; a line in 1/N needs two or more different N")
    sizes = np.asarray(counts, dtype=np.float64)
    limits, slopes = np.polynomial.polynomial.polyfit(1 / sizes, np.asarray(values, dtype=np.float64).T, 1)
    return Extrapolation(t_interval(limits), t_interval(slopes))
