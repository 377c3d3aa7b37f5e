"""Points drawn from mixtures of Gaussians of known density."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gan_zoo.data.registry import register_dataset
from gan_zoo.data.splits import Dataset, Split, fingerprint
from gan_zoo.mixture import Mixture

TRAIN_SIZE, TEST_SIZE = 100_000, 20_000
_SEED = 0


@dataclass(frozen=True)
class Points(Split):
    """Points and the modes that they are drawn from: ``images`` is float32 (N, D), and is not scaled."""

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Points float32 (B, D) and their modes int64 (B,) at ``index``, int64 (B,) on the same device."""
        return self.images[index], self.labels[index]


@register_dataset("mixture1d", files=False)
def mixture1d(_request: object) -> Dataset:
    """Three Gaussians on a line, of weights 0.5, 0.2 and 0.3 at -3, 0 and 4, deviation 0.5; scaled by 1/8."""
    return _points(
        "mixture1d", "1-D mixture of 3 Gaussians", [[-3], [0], [4]], 0.5, 1 / 8, bins=200, weights=[0.5, 0.2, 0.3]
    )


@register_dataset("ring8", files=False)
def ring8(_request: object) -> Dataset:
    """Eight Gaussians on a circle of radius 2, deviation 0.02 (Metz et al. 2017, arXiv 1611.02163); scaled by 2/5.

    The circle's radius is then 0.8; a bin is as wide as a deviation.
    """
    angles = np.arange(8) * np.pi / 4
    return _points("ring8", "Ring of 8 Gaussians", 2 * np.stack([np.cos(angles), np.sin(angles)], 1), 0.02, 2 / 5, 250)


@register_dataset("grid25", files=False)
def grid25(_request: object) -> Dataset:
    """A 5x5 grid of Gaussians at -4, -2, 0, 2, 4, deviation 0.05 (Srivastava et al. 2017, arXiv 1705.07761); by 1/5.

    The outermost modes are then at 0.8; a bin is as wide as a deviation.
    """
    axis = np.arange(-4, 5, 2)
    means = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return _points("grid25", "Grid of 25 Gaussians", means, 0.05, 1 / 5, 200)


def _points(
    name: str,
    title: str,
    means: ArrayLike,
    deviation: float,
    scale: float,
    bins: int,
    weights: ArrayLike | None = None,
) -> Dataset:
    """The data set of a mixture in the literature's units, its points fixed by a seed; all in units times ``scale``."""
    modes = np.asarray(means, dtype=np.float64)
    shares = np.full(len(modes), 1 / len(modes)) if weights is None else np.asarray(weights, dtype=np.float64)
    mixture = Mixture(modes * scale, shares, deviation * scale, bins, scale)
    random = np.random.default_rng(_SEED)
    train, test = (_split(mixture, size, random) for size in (TRAIN_SIZE, TEST_SIZE))
    return Dataset(
        name=name,
        title=title,
        train=train,
        test=test,
        classes=len(modes),
        class_names=tuple("(" + ", ".join(f"{value:.3g}" for value in mode.round(2) + 0.0) + ")" for mode in modes),
        extractor="density",
        fingerprint=fingerprint(train, test),
        kind="points",
        density=mixture,
    )


def _split(mixture: Mixture, size: int, random: np.random.Generator) -> Points:
    points, modes = mixture.sample(size, random)
    return Points(torch.from_numpy(points).float(), torch.from_numpy(modes))
