"""Every metric, extractor and evaluation on fixed synthetic input, as numbers to compare with stored ones."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from golden_store import Golden, Values, summary
from torch import Tensor

from gan_zoo import METRICS_VERSION
from gan_zoo.data import Split
from gan_zoo.metrics.classifier_training import TrainingOptions, fit
from gan_zoo.metrics.evaluator import DiscriminatorEstimate, Evaluator, measure
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.mixture import PointEvaluator, Points
from gan_zoo.metrics.reference import Reference
from gan_zoo.metrics.registry import METRICS
from gan_zoo.mixture import Mixture

CLASSES, N, POINTS = 10, 140, 2_600
SHIPPED = ("mnist-cnn", "fashion-cnn", "digits-cnn", "stacked-mnist-cnn")
_CPU = torch.device("cpu")


def goldens() -> dict[str, Golden]:
    """The golden values of every metric and extractor, by name."""
    made: dict[str, Callable[[], Values]] = {name: partial(_metric, name) for name in METRICS}
    made |= {f"extractor {name}": partial(_extractor, name) for name in SHIPPED}
    made["training of an extractor"] = _training
    return {name: Golden({"METRICS_VERSION": METRICS_VERSION}, values) for name, values in made.items()}


def _metric(name: str) -> Values:
    """A metric of synthetic features or points, and where the evaluators give it: floor, report and selection."""
    found: Values = {f"measured {source}": [table[name]] for source, table in _direct().items() if name in table}
    rows = _of_points() if METRICS[name].kind == "points" else _of_images()
    evaluated = [row[name] for row in rows if name in row]
    return found | ({"measured evaluation": evaluated} if evaluated else {})


@cache
def _direct() -> dict[str, dict[str, float]]:
    fake, real = _features(1), Reference(_features(2), _features(3).vectors)
    labels = torch.arange(60) % CLASSES
    mixture, points = _mixture(), _draw_points(0)
    compared = Points(points, mixture.histogram(points), mixture, _discriminate(mixture.centers))
    names = [name for name, metric in METRICS.items() if metric.kind == "points"]
    return {
        "features": measure(fake, real, labels=labels),
        "points": {name: METRICS[name].compute(compared) for name in names},
    }


def _features(seed: int) -> Features:
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(60, 8 + CLASSES, generator=random, dtype=torch.float64) * (1 + 0.1 * seed) + 0.2 * seed
    return Features(values[:, :8].float(), 3 * values[:, 8:].float(), "synthetic")


def _mixture() -> Mixture:
    means = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])
    return Mixture(means, np.array([0.4, 0.3, 0.2, 0.1]), 0.1, 40, 1.0)


def _draw_points(seed: int) -> np.ndarray:
    """Points around three of the four modes, a little off and too wide."""
    random = torch.Generator().manual_seed(seed)
    modes = torch.randint(3, (POINTS,), generator=random).numpy()
    return _mixture().means[modes] + 0.02 + 0.12 * torch.randn(POINTS, 2, generator=random, dtype=torch.float64).numpy()


def _discriminate(points: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-3 * points.sum(axis=1)))


@dataclass(frozen=True)
class _Sampler:
    """In place of a generator: what it draws depends on the seed alone."""

    draw: Callable[[int, int], Tensor]
    conditional: bool
    weights: str = "raw"

    def __call__(self, n: int, *, labels: Tensor | None = None, seed: int = 0) -> Tensor:
        return self.draw(n, seed)


def _blocks(n: int, seed: int, channels: int = 1) -> Tensor:
    """Images uint8 (n, C, 32, 32) of 4x4 random blocks."""
    random = torch.Generator().manual_seed(seed)
    blocks = torch.randint(256, (n, channels, 4, 4), generator=random, dtype=torch.uint8)
    return blocks.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def _split(n: int, seed: int) -> Split:
    return Split(_blocks(n, seed), torch.arange(n) % CLASSES)


@cache
def _of_images() -> list[dict[str, float]]:
    extractor = load_extractor("digits-cnn")
    evaluator = Evaluator(_split(200, 0), _split(160, 1), (extractor,), N)
    (floor,), (row,) = evaluator.floor(0), evaluator.measure(_Sampler(_blocks, conditional=True), 0)
    return [floor["values"], row["values"], row["selection"]]


@cache
def _of_points() -> list[dict[str, float]]:
    def draw(n: int, seed: int) -> Tensor:
        return torch.from_numpy(_draw_points(seed % 1000)[:n]).float()

    sampler = _Sampler(draw, conditional=False)
    discriminator = DiscriminatorEstimate(
        lambda points: torch.from_numpy(_discriminate(points.double().numpy())), sampler
    )
    evaluator = PointEvaluator(_mixture(), POINTS, _CPU)
    (floor,), (row,) = evaluator.floor(0), evaluator.measure(sampler, 0, discriminator=discriminator)
    return [floor["values"], row["values"], row["selection"]]


def _extractor(name: str) -> Values:
    extractor = load_extractor(name)
    features = extractor.encode(_blocks(16, 0, channels=3)[..., :28, :28])
    assert features.logits is not None
    return {
        "digest": extractor.digest,
        "measured features": summary(features.vectors),
        "measured logits": summary(features.logits),
    }


def _training() -> Values:
    """Without dropout, whose mask is drawn in the order of memory."""
    options = TrainingOptions(epochs=2, widths=(4, 4, 8), dropout=0.0, batch=16, flip=True)
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]):
        network = fit(options, _split(48, 0), CLASSES, lambda epoch, loss: losses.append(loss))
        _, logits = network.eval()(_split(8, 1).take(torch.arange(8))[0])
    return {"measured losses": losses, "measured logits": summary(logits.detach())}
