"""Distances between two sets of feature vectors: Frechet (FID) and kernel (KID), on raw features in float64."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from gan_zoo.metrics.checks import as_matrix, as_pair, require_same_shape

KID_SEED = 2020


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of N feature vectors: all that a Frechet distance needs of a set."""

    mean: np.ndarray
    covariance: np.ndarray
    n: int


def moments(vectors: Tensor) -> Moments:
    """Moments of feature vectors (N, D), N at least 2, in float64.

    Raises:
        GanZooError: wrong shape, too few rows, or a value that is not finite.
    """
    statistics = fid_features_to_statistics(as_matrix(vectors, "features", minimum=2))
    # np.cov squeezes a single dimension away.
    return Moments(statistics["mu"], np.atleast_2d(statistics["sigma"]), len(vectors))


def frechet_distance(fake: Tensor | Moments, real: Tensor | Moments) -> float:
    """Squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared feature units.

    Heusel et al. 2017, arXiv 1706.08500, eq. 6; on Inception features it is the FID. Its bias falls as 1/N, hence one N
    for both sides and for all that is compared. With N below D the covariances are singular: the value is still
    finite, but mostly bias.

    Args:
        fake: feature vectors (N, D), or their moments.
        real: feature vectors (N, D), or their moments, computed once where one reference serves many calls.

    Raises:
        GanZooError: unequal N or D, fewer than 2 rows, or a value that is not finite.
    """
    one = fake if isinstance(fake, Moments) else moments(fake)
    two = real if isinstance(real, Moments) else moments(real)
    require_same_shape((one.n, len(one.mean)), (two.n, len(two.mean)))
    pair = ({"mu": side.mean, "sigma": side.covariance} for side in (one, two))
    value = float(fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID])
    # Rounding of the eigenvalues can end just below zero for equal sets.
    return max(value, 0.0)


def kernel_distance(
    fake: Tensor, real: Tensor, *, subsets: int = 100, subset_size: int = 1000, full_below: int = 2000
) -> float:
    """Unbiased squared MMD under the kernel (x.y / D + 1)^3; it can fall below zero.

    Binkowski et al. 2018, arXiv 1801.01401; the estimator is Gretton et al. 2012, eq. 3. Up to `full_below`
    images it is one estimate on all of them: as precise as the usual mean over 100 random subsets, invariant to order,
    and 25 times as fast. Above, where all pairs would not fit in memory, it is that mean, over subsets drawn from a
    fixed seed with the global random state left alone. Both estimate the same quantity.

    Args:
        fake: feature vectors (N, D).
        real: feature vectors (N, D).
        subsets: number of random subsets above `full_below`.
        subset_size: images in each of them; N where N is smaller.
        full_below: the largest N for which all pairs are used.

    Raises:
        GanZooError: unequal N or D, fewer than 2 rows, or a value that is not finite.
    """
    fake, real = as_pair(fake, real, minimum=2)
    full = len(fake) <= max(full_below, subset_size)
    result = kid_features_to_metric(
        fake,
        real,
        kid_subsets=1 if full else subsets,
        kid_subset_size=len(fake) if full else subset_size,
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=KID_SEED,
        verbose=False,
    )
    return float(result[KEY_METRIC_KID_MEAN])
