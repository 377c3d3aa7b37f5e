"""Measures of generated points against a mixture of Gaussians of known density: exact on the side of the truth."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS
from gan_zoo.mixture import Array, Mixture, Whole

EXTRACTOR = "density"
"""The name that stands in place of an extractor's: points are measured as they are."""
DEVIATIONS = 3.0
"""A point is of high quality within so many standard deviations of the mode nearest to it."""
COUNTED = 2_500
"""Points among which modes are looked for, whatever N is: with more points a stray one would find a mode in the end."""


def modes_found(points: Array, mixture: Mixture) -> int:
    """Modes that are the nearest one of at least one high-quality point among the first 2,500 of (N, D).

    Source: Srivastava et al. 2017, arXiv 1705.07761, section 4; Lin et al. 2018, arXiv 1712.04086, section 4.1, for
    2,500 points and the rule of three deviations.
    """
    nearest, good = _nearest(points[:COUNTED], mixture)
    return len(np.unique(nearest[good]))


def high_quality(points: Array, mixture: Mixture) -> float:
    """Share of points (N, D) within three standard deviations of the nearest mode; 0.9973 of a true 1-D, 0.9889 of 2-D.

    Source: as of ``modes_found``.
    """
    return float(_nearest(points, mixture)[1].mean())


def _nearest(points: Array, mixture: Mixture) -> tuple[Whole, NDArray[np.bool_]]:
    """The mode nearest to each point (N,), and whether it is near enough (N,)."""
    # scipy takes a second to import, which runs on images do not need.
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(mixture.means).query(points)
    return nearest, distance <= DEVIATIONS * mixture.deviation


def jsd(counts: Whole, mixture: Mixture) -> float:
    """Jensen-Shannon divergence in nats, at most ln 2, of counts (bins^D + 1,) to the exact cell probabilities.

    Of points drawn from the truth itself it is about (occupied bins - 1) / (8 N), not 0, and somewhat more where many
    bins hold a point or two: the bias of a histogram of N points.
    Source: Lin 1991, "Divergence measures based on the Shannon entropy"; by `scipy.spatial.distance.jensenshannon`.
    """
    truth = mixture.cell_probabilities()
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(np.append(truth, max(0.0, 1 - truth.sum())), counts) ** 2)


def d_gap(learned: Array, counts: Whole, mixture: Mixture) -> float:
    """Mean absolute difference of D from D* where the points are: under an even mixture of p_data and p_g.

    ``learned`` is D, a probability, at the bins' centers (bins^D,); ``counts`` (bins^D + 1,) give p_g. What lies
    outside the bins is left out. A bin with c of N points knows p_g to a relative 1 / sqrt(c), so D* is off by at most
    1 / (4 sqrt(c)) there: with a perfect D the gap is not quite 0.
    """
    weight = (mixture.cell_probabilities() + counts[:-1] / counts.sum()) / 2
    apart = np.abs(learned - mixture.optimal_discriminator(counts))
    return float(np.average(apart[weight > 0], weights=weight[weight > 0]))


@dataclass(frozen=True)
class Density:
    """What stands in place of an extractor where the data's density is known: `gan_zoo.metrics.Extractor`'s facts."""

    mixture: Mixture
    name: str = EXTRACTOR
    accuracy: float | None = None
    note: str = ""
    minimum_n: int = COUNTED

    @property
    def metrics(self) -> tuple[str, ...]:
        """The measures of points."""
        return tuple(name for name, metric in METRICS.items() if metric.kind == "points")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the mixture."""
        return hashlib.sha256(repr(self.mixture.facts).encode()).hexdigest()

    def encode(self, images: Any, batch: int = 500) -> Any:
        """Points have no features.

        Raises:
            GanZooError: always.
        """
        raise GanZooError("points are measured as they are: extractor 'density' has no features")
