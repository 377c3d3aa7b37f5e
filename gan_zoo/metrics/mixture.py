"""Metrics of points against a mixture of Gaussians of known density, and their evaluator."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_zoo.device import derive
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_path
from gan_zoo.metrics.evaluator import DiscriminatorEstimate, Measuring, Sampler
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.registry import METRICS, PRIMARY, names_for, register
from gan_zoo.mixture import Array, Mixture, Whole

EXTRACTOR = "density"
"""The name in place of an extractor's: points are compared with the density itself."""
DEVIATIONS = 3.0
"""A point is of high quality within so many standard deviations of the nearest mode."""
COUNTED = 2_500
"""Number of points among which modes are counted: among more points, stray ones would find every mode."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Points:
    """Generated points and the density that they are compared with: the input of a metric of points.

    Attributes:
        points: (N, D).
        counts: points in each bin, and outside of them, (bins^D + 1,).
        mixture: the true density.
        discriminator: D, a probability, at the bins' centers (bins^D,), or None if it does not estimate D*.
    """

    points: Array
    counts: Whole
    mixture: Mixture
    discriminator: Array | None = None


@register(
    name="jsd",
    title="JSD",
    better="lower",
    range="0 to ln 2 = 0.693, in nats",
    bounds=(0, 0.6931471805599453),
    meaning="Jensen-Shannon divergence between the histogram of generated points and the exact probabilities of "
    "the same bins.",
    limitations="Depends on num_samples: points of the true density score about (occupied bins - 1) / (8 "
    "num_samples). Differences inside a bin are invisible.",
    source="Lin 1991, IEEE Trans. Inf. Theory 37",
    log=True,
    extractors=("density",),
    kind="points",
    order=13,
)
def jsd(compared: Points) -> float:
    """For points of the true density somewhat above (occupied bins - 1) / (8 N) if many bins contain a point or two.

    Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    # scipy.spatial takes a second to import, which runs on images do not need.
    from scipy.spatial.distance import jensenshannon

    truth = compared.mixture.cell_probabilities()
    return float(jensenshannon(np.append(truth, max(0.0, 1 - truth.sum())), compared.counts) ** 2)


@register(
    name="modes_found",
    title="Modes found",
    better="higher",
    range="0 to the number of modes",
    bounds=(0, "classes"),
    meaning="Number of modes that are the nearest mode of at least one high-quality point among the first 2,500.",
    limitations="One stray point counts as a mode. How evenly the modes are used is not measured.",
    source="Srivastava et al. 2017, arXiv 1705.07761; Lin et al. 2018, arXiv 1712.04086",
    extractors=("density",),
    kind="points",
    order=14,
)
def modes_found(compared: Points) -> float:
    """Section 4 of Srivastava et al.; the 2,500 points and three deviations are from section 4.1 of Lin et al."""
    nearest, good = _nearest(compared.points[:COUNTED], compared.mixture)
    return float(len(np.unique(nearest[good])))


@register(
    name="high_quality",
    title="High quality",
    better="higher",
    range="0 to 1; true density: 0.997 in one dimension, 0.989 in two",
    bounds=(0, 1),
    meaning="Share of generated points within three standard deviations of the nearest mode.",
    limitations="A generator that collapses to the center of one mode scores 1, which is above the true density.",
    source="Srivastava et al. 2017, arXiv 1705.07761",
    extractors=("density",),
    kind="points",
    order=15,
)
def high_quality(compared: Points) -> float:
    return float(_nearest(compared.points, compared.mixture)[1].mean())


def _nearest(points: Array, mixture: Mixture) -> tuple[Whole, NDArray[np.bool_]]:
    """The nearest mode of each point (N,), and whether the point is of high quality (N,)."""
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(mixture.means).query(points)
    return nearest, distance <= DEVIATIONS * mixture.deviation


@register(
    name="d_gap",
    title="D gap",
    better="lower",
    range="0 to 1; only if the optimal D is known (cross-entropy, no packing, no labels)",
    bounds=(0, 1),
    meaning="Mean absolute difference between the learned D and the optimal D* = p_data / (p_data + p_g) at the "
    "points.",
    limitations="Not a measure of quality: it shows how far the discriminator is from the optimum for its "
    "generator. p_g is a histogram of num_samples points, so even a perfect D scores slightly above 0.",
    source="after Goodfellow et al. 2014, arXiv 1406.2661, proposition 1",
    needs=("discriminator",),
    extractors=("density",),
    kind="points",
    order=16,
)
def d_gap(compared: Points) -> float:
    """Mean absolute difference of D from D* under an even mixture of p_data and p_g.

    What lies outside the bins is left out. In a bin with c points D* has an error of at most 1 / (4 sqrt(c)), so a
    perfect D has a small gap.
    """
    assert compared.discriminator is not None
    mixture = compared.mixture
    weight = (mixture.cell_probabilities() + compared.counts[:-1] / compared.counts.sum()) / 2
    gap = np.abs(compared.discriminator - mixture.optimal_discriminator(compared.counts))
    return float(np.average(gap[weight > 0], weights=weight[weight > 0]))


def density_extractor(mixture: Mixture) -> Extractor:
    """The facts of an extractor for data of known density, which has no features."""
    return Extractor(
        name=EXTRACTOR,
        digest=hashlib.sha256(repr(mixture.facts).encode()).hexdigest(),
        metrics=names_for(EXTRACTOR),
        minimum_n=COUNTED,
        device=torch.device("cpu"),
    )


class PointEvaluator(Measuring):
    """Compares points with the density itself, not with a sample of it."""

    def __init__(self, mixture: Mixture, n: int, device: torch.device) -> None:
        super().__init__(device)
        self.mixture = mixture
        self.n = n
        self._last: Points | None = None

    def floor(self, seed: int) -> list[dict[str, Any]]:
        """One row, for ``n`` points of the density itself."""
        with self.timed():
            points, _ = self.mixture.sample(self.n, np.random.default_rng(derive(seed, "floor")))
            return [self._row(_values(self._compared(points)), weights="none", selection={})]

    def measure_images(self, images: Tensor) -> list[dict[str, Any]]:
        """Not possible: images are no points."""
        raise GanZooError(f"images of shape {tuple(images.shape)} are no points; measure them on a set of images")

    def measure(
        self, sampler: Sampler, seed: int, *, discriminator: DiscriminatorEstimate | None = None
    ) -> list[dict[str, Any]]:
        """One row for a generator; a conditional one draws modes by their true weights.

        The reported points and those that the best evaluation is chosen by have different latents.
        """
        with self.timed():
            reported = self._compared(self._draw(sampler, derive(seed, "report")))
            values = _values(reported)
            self._last = reported
            if discriminator is not None:
                counts = reported.counts
                if discriminator.generator.weights != sampler.weights:
                    counts = self.mixture.histogram(self._draw(discriminator.generator, derive(seed, "report")))
                self._last = Points(reported.points, counts, self.mixture, self._at_centers(discriminator))
                values |= _values(self._last, "discriminator")
            selection = self._compared(self._draw(sampler, derive(seed, "selection")))
            chosen = METRICS[PRIMARY["points"]]
            return [self._row(values, weights=sampler.weights, selection={chosen.name: chosen.compute(selection)})]

    def artifacts(self, sampler: Sampler, folder: Path, step: int, *, last: bool) -> Iterator[dict[str, Any]]:
        """An .npz file of the last `measure`; nothing if there was none.

        ``points`` float32 (2500, D); at the last evaluation also ``counts`` uint32 (bins^D + 1,) of the generator that
        the discriminator is trained against, and ``learned`` float16 (bins^D,), its output, if it estimates D*.
        """
        if self._last is None:
            return
        arrays: dict[str, Any] = {"points": self._last.points[:COUNTED].astype(np.float32)}
        if last:
            arrays["counts"] = self._last.counts.astype(np.uint32)
            if self._last.discriminator is not None:
                arrays["learned"] = self._last.discriminator.astype(np.float16)
        file = folder / f"points-{step:06d}.npz"
        with atomic_path(file) as part:
            np.savez_compressed(part, **arrays)
        yield {"row": "points", "file": file}

    def untrained_artifacts(self, images: Tensor | None, folder: Path) -> Iterator[dict[str, Any]]:
        """Nothing: the density is drawn, not a sample of it."""
        yield from ()

    def _compared(self, points: Array) -> Points:
        return Points(points, self.mixture.histogram(points), self.mixture)

    def _draw(self, sampler: Sampler, seed: int) -> Array:
        labels = None
        if sampler.conditional:
            labels = torch.from_numpy(self.mixture.sample(self.n, np.random.default_rng(seed))[1])
        return sampler(self.n, labels=labels, seed=seed).double().cpu().numpy()

    def _at_centers(self, discriminator: DiscriminatorEstimate) -> Array:
        centers = torch.from_numpy(self.mixture.centers).float().to(self.device).split(_CHUNK)
        return torch.cat([discriminator.probability(part) for part in centers]).double().cpu().numpy()

    def _row(self, values: dict[str, float], *, weights: str, selection: dict[str, float]) -> dict[str, Any]:
        facts = {"extractor": EXTRACTOR, "num_samples": self.n, "weights": weights, "reference": "truth"}
        return {**facts, "values": values, "selection": selection}


def _values(compared: Points, *needs: str) -> dict[str, float]:
    """The metrics of points that need exactly these inputs beside the points."""
    return {name: METRICS[name].compute(compared) for name in names_for(EXTRACTOR) if METRICS[name].needs == needs}
