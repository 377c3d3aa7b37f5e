"""A mixture of Gaussians whose density is known in closed form. Without torch, as the report draws it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Mixture:
    """A mixture of isotropic Gaussians of one deviation, in the units of the data, and a grid of bins over [-1, 1)^D.

    Attributes:
        means: (K, D), the modes.
        weights: (K,), which sum to 1.
        deviation: standard deviation of each Gaussian along each axis.
        bins: bins an axis; all are equally wide.
        scale: what coordinates in the literature's units were multiplied by.
    """

    means: Array
    weights: Array
    deviation: float
    bins: int
    scale: float

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Mixture":
        """The mixture of ``facts``."""
        return cls(**{**facts, "means": np.array(facts["means"]), "weights": np.array(facts["weights"])})

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {**vars(self), "means": self.means.tolist(), "weights": self.weights.tolist()}

    @property
    def dimensions(self) -> int:
        """D, the number of coordinates of a point."""
        return int(self.means.shape[1])

    @property
    def edges(self) -> Array:
        """The bins' edges along each axis, (bins + 1,)."""
        return np.linspace(-1.0, 1.0, self.bins + 1)

    @property
    def centers(self) -> Array:
        """The centers of all bins, (bins^D, D), the last coordinate changing fastest."""
        middle = (self.edges[1:] + self.edges[:-1]) / 2
        return np.stack(np.meshgrid(*[middle] * self.dimensions, indexing="ij"), axis=-1).reshape(-1, self.dimensions)

    def density(self, points: Array) -> Array:
        """The density (N,) at points (N, D)."""
        # scipy takes a second to import, and listing data sets does not need it.
        from scipy.stats import norm

        apart = points[:, None, :] - self.means
        return np.asarray(norm.pdf(apart, scale=self.deviation).prod(axis=2) @ self.weights)

    def cell_probabilities(self) -> Array:
        """The exact probability of each bin, (bins^D,) in the order of ``centers``, by the normal distribution."""
        from scipy.stats import norm

        # Of each mode along each axis, (K, D, bins).
        along = np.diff(norm.cdf(self.edges, self.means[..., None], self.deviation), axis=-1)
        total = along[:, 0] * self.weights[:, None]
        for axis in range(1, self.dimensions):
            total = (total[:, :, None] * along[:, axis, None, :]).reshape(len(total), -1)
        probabilities = total.sum(axis=0)
        # Differences of values near 1 know nothing below 1e-16; ratios of such remnants would look like knowledge.
        return np.where(probabilities < 1e-15, 0.0, probabilities)

    def histogram(self, points: Array) -> Whole:
        """Counts of points (N, D) in the bins, (bins^D + 1,): the last is of the points outside."""
        place = np.floor((points + 1) / 2 * self.bins)
        inside = ((place >= 0) & (place < self.bins)).all(axis=1)
        num_bins = self.bins**self.dimensions
        index = np.full(len(points), num_bins)
        index[inside] = place[inside].astype(np.int64) @ self.bins ** np.arange(self.dimensions)[::-1]
        return np.bincount(index, minlength=num_bins + 1)

    def optimal_discriminator(self, counts: Whole) -> Array:
        """D* = p_data / (p_data + p_g) in each bin (bins^D,), p_g from counts (bins^D + 1,); NaN where neither is.

        Source: Goodfellow et al. 2014, arXiv 1406.2661, proposition 1.
        """
        data, generated = self.cell_probabilities(), counts[:-1] / counts.sum()
        with np.errstate(invalid="ignore"):
            return data / (data + generated)

    def sample(self, n: int, random: np.random.Generator) -> tuple[Array, Whole]:
        """``n`` points (n, D), and the mode (n,) that each was drawn from."""
        modes = random.choice(len(self.weights), size=n, p=self.weights)
        return self.means[modes] + self.deviation * random.standard_normal((n, self.dimensions)), modes
