"""Distances between two sets of feature vectors: Frechet (FID) and kernel (KID), on raw features in float64."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gan_zoo.metrics.checks import as_matrix, as_pair, require_same_shape

# Rows of the kernel matrix held at once: 40 MB at N = 10,000.
_BLOCK = 500


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of N feature vectors: all that a Frechet distance needs of a set.

    Both are float64 on the CPU, whatever the vectors' device: what is left to do has the size of D and not of N.
    """

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

    Heusel et al. 2017, arXiv 1706.08500, eq. 6; on Inception features it is the FID. Its bias falls as 1/N, hence one N
    for both sides and for all that is compared. With N below D the covariances are singular: the value is still
    finite, but mostly bias.

    C1 C2 has the eigenvalues of the symmetric R^T C1 R with R R^T = C2, which are found many times faster and never
    turn out complex; R is computed once a reference.

    Args:
        fake: feature vectors (N, D), or their moments.
        real: feature vectors (N, D), or their moments, computed once where one reference serves many calls.

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


def kernel_distance(fake: Tensor, real: Tensor, *, real_sum: Tensor | None = None) -> float:
    """Unbiased squared MMD over all pairs under the kernel (x.y / D + 1)^3; it can fall below zero.

    The kernel is that of KID (Binkowski et al. 2018, arXiv 1801.01401, section 3); the estimator is the one of Gretton
    et al. 2012 (JMLR 13), eq. 3. KID is usually the mean of this estimator over 100 random subsets of 1,000 images. All
    N images at once have the same expectation and less variance, need no random state, and give the same in any order.
    Computed in blocks of rows on the vectors' device.

    Args:
        fake: feature vectors (N, D).
        real: feature vectors (N, D).
        real_sum: `kernel_sum(real)`, where one reference serves many calls.

    Raises:
        GanZooError: unequal N or D, fewer than 2 rows, or a value that is not finite.
    """
    fake, real = as_pair(fake, real, minimum=2)
    n = len(fake)
    same = float(kernel_sum(fake)) + float(kernel_sum(real) if real_sum is None else real_sum)
    cross = float(sum(_kernel(block, real).sum() for block in fake.split(_BLOCK)))
    return same / (n * (n - 1)) - 2 * cross / n**2


def kernel_sum(vectors: Tensor) -> Tensor:
    """Sum of the kernel over all ordered pairs of different rows of feature vectors (N, D): float64, a scalar.

    Raises:
        GanZooError: wrong shape, fewer than 2 rows, or a value that is not finite.
    """
    matrix = as_matrix(vectors, "features", minimum=2)
    total = matrix.new_zeros(())
    for start in range(0, len(matrix), _BLOCK):
        block, later = matrix[start : start + _BLOCK], matrix[start + _BLOCK :]
        own = _kernel(block, block)
        total += own.sum() - own.diagonal().sum() + 2 * _kernel(block, later).sum()
    return total


def _kernel(one: Tensor, two: Tensor) -> Tensor:
    """(x.y / D + 1)^3 of each row of one set and each of the other."""
    return (one @ two.T).div_(one.shape[1]).add_(1).pow_(3)
