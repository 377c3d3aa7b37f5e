"""The kernel distance between two sets of feature vectors (KID), in float64."""

from torch import Tensor

from gan_zoo.metrics.features import as_matrix, as_pair
from gan_zoo.metrics.reference import Comparison, Reference
from gan_zoo.metrics.registry import register

# Rows of the kernel matrix in memory at once: 40 MB at N = 10,000.
_BLOCK = 500


def kernel_distance(fake: Tensor, real: Tensor, *, real_sum: Tensor | None = None) -> float:
    """Unbiased squared MMD over all pairs under the kernel (x.y / D + 1)^3; it can be negative.

    The kernel is that of KID (Binkowski et al. 2018, arXiv 1801.01401, section 3); the estimator is the one of Gretton
    et al. 2012 (JMLR 13), eq. 3. KID is usually the mean of this estimator over 100 random subsets of 1,000 images. All
    N images at once have the same expectation and less variance, and need no random state.

    Args:
        fake, real: feature vectors (N, D) each.
        real_sum: ``kernel_sum(real)``, if one reference serves many calls.

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
        block = matrix[start : start + _BLOCK]
        later = matrix[start + _BLOCK :]
        own = _kernel(block, block)
        total += own.sum() - own.diagonal().sum() + 2 * _kernel(block, later).sum()
    return total


def _kernel(one: Tensor, two: Tensor) -> Tensor:
    """(x.y / D + 1)^3 of all pairs of rows."""
    return (one @ two.T).div_(one.shape[1]).add_(1).pow_(3)


def _reference_sum(real: Reference) -> Tensor:
    return kernel_sum(real.features.vectors)


@register(
    name="kid",
    title="KID",
    better="lower",
    range="about 0 to infinity (an unbiased estimate can be slightly negative)",
    meaning="Squared maximum mean discrepancy, with a cubic polynomial kernel, between the features of generated "
    "and of real images.",
    limitations="Unbiased but noisy: a difference smaller than the spread over draws of samples means nothing. The "
    "scale is that of the features.",
    source="Bińkowski et al. 2018, arXiv 1801.01401",
    order=3,
)
def kid(compared: Comparison) -> float:
    real_sum = compared.real.statistic(_reference_sum)
    return kernel_distance(compared.fake.vectors, compared.real.features.vectors, real_sum=real_sum)
