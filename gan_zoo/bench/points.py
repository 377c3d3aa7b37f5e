"""Measuring a sampler of points against their known density, and what a picture of them needs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_zoo.engine import Sampler, State
from gan_zoo.engine.state import derive
from gan_zoo.io import atomic_path
from gan_zoo.metrics.evaluator import Judge, Measuring
from gan_zoo.metrics.mixture import COUNTED, EXTRACTOR, d_gap, high_quality, jsd, modes_found
from gan_zoo.mixture import Array, Mixture, Whole

RANKED_BY = "jsd"
"""The measure of points by which variants are ranked and the best evaluation is chosen."""
_CHUNK = 65_536


class PointEvaluator(Measuring):
    """Measures points against the mixture itself, not against a sample of it.

    Attributes:
        drawn: of the last `measure`, the first 2,500 points and the counts in the mixture's bins of all points of the
            generator (of the one that the discriminator faces, where that is compared with D*).
        learned: the discriminator at the bins' centers, None where it is not one that can be compared with D*.
    """

    def __init__(self, mixture: Mixture, n: int, device: torch.device) -> None:
        super().__init__(device)
        self.mixture, self.n = mixture, n
        self.drawn: tuple[Array, Whole] | None = None
        self.learned: Array | None = None

    def floor(self, seed: int) -> list[dict[str, Any]]:
        """One row for N points of the mixture itself: what N points of a perfect generator would get."""
        with self.timed():
            points, _ = self.mixture.sample(self.n, np.random.default_rng(derive(seed, "floor")))
            values = self._values(points, self.mixture.histogram(points))
            return [self._row(values, weights="none", selection={})]

    def measure(self, sampler: Sampler, seed: int, *, judge: Judge | None = None) -> list[dict[str, Any]]:
        """One row for a generator; a conditional one is asked for modes in their true shares.

        The reported draw of points and the one that the best evaluation is chosen on have different latents.
        """
        with self.timed():
            points = self._draw(sampler, derive(seed, "report"))
            counts = self.mixture.histogram(points)
            values = self._values(points, counts)
            self.learned = None
            if judge is not None:
                self.learned = self._judged(judge)
                if judge.faced.weights != sampler.weights:
                    counts = self.mixture.histogram(self._draw(judge.faced, derive(seed, "report")))
                values["d_gap"] = d_gap(self.learned, counts, self.mixture)
            self.drawn = points[:COUNTED], counts
            other = self.mixture.histogram(self._draw(sampler, derive(seed, "selection")))
            return [self._row(values, weights=sampler.weights, selection={RANKED_BY: jsd(other, self.mixture)})]

    def record(self, path: Path, *, densities: bool) -> None:
        """Write what a picture of the last `measure` needs, as an .npz file.

        ``points`` float32 (2500, D); with ``densities`` also ``counts`` uint32 (bins^D + 1,) and, where there is one,
        ``learned`` float16 (bins^D,).
        """
        assert self.drawn is not None
        points, counts = self.drawn
        arrays: dict[str, Any] = {"points": points.astype(np.float32)}
        if densities:
            arrays["counts"] = counts.astype(np.uint32)
            if self.learned is not None:
                arrays["learned"] = self.learned.astype(np.float16)
        with atomic_path(path) as part:
            np.savez_compressed(part, **arrays)

    def _draw(self, sampler: Sampler, seed: int) -> Array:
        asked = None
        if sampler.conditional:
            asked = torch.from_numpy(self.mixture.sample(self.n, np.random.default_rng(seed))[1])
        return sampler(self.n, labels=asked, seed=seed).double().cpu().numpy()

    def _judged(self, judge: Judge) -> Array:
        centers = torch.from_numpy(self.mixture.centers).float().to(self.device).split(_CHUNK)
        return torch.cat([judge.read(part) for part in centers]).double().cpu().numpy()

    def _values(self, points: Array, counts: Whole) -> dict[str, float]:
        return {
            "jsd": jsd(counts, self.mixture),
            "modes_found": float(modes_found(points, self.mixture)),
            "high_quality": high_quality(points, self.mixture),
        }

    def _row(self, values: dict[str, float], *, weights: str, selection: dict[str, float]) -> dict[str, Any]:
        facts = {"extractor": EXTRACTOR, "n": self.n, "weights": weights, "reference": "truth"}
        return {**facts, "values": values, "selection": selection}


def judge_of(state: State) -> Judge | None:
    """The state's discriminator as an estimate of D*; None where the best D is another, by loss, packs or labels."""
    variant = state.variant
    held = variant.penalties or variant.after_discriminator_step is not None
    if not variant.objective.estimates_ratio or held or variant.packing > 1 or variant.discriminator_is_conditional:
        return None
    discriminator = state.networks.discriminator

    @torch.no_grad()
    def read(samples: Tensor) -> Tensor:
        training = discriminator.training
        discriminator.eval()
        try:
            said = discriminator(samples)
        finally:
            discriminator.train(training)
        return (said.score if hasattr(said, "score") else said).sigmoid()

    return Judge(read, Sampler(variant, state.networks.generator, state.classes))
