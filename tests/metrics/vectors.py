"""Feature vectors that tests of the metrics are made from, and damage to a file."""

from pathlib import Path

import torch
from torch import Tensor

from gan_zoo.metrics.features import Features
from gan_zoo.metrics.reference import Comparison, Reference

# Number of features, their dimensions, and their rank; the last has hardly more features than dimensions.
SHAPES = [(600, 8, 8), (900, 128, 128), (900, 128, 20), (300, 128, 128), (130, 128, 128)]


def normal(n: int, d: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scale + shift


def correlated(n: int, d: int, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two sets of correlated features (N, D), not negative as a classifier's are, with a little noise in each."""
    mix = normal(rank, d, seed) / rank**0.5
    return (
        (normal(n, rank, seed + 1, scale=1.3) @ mix + 0.2).relu() + normal(n, d, seed + 2, scale=0.05),
        (normal(n, rank, seed + 3) @ mix).relu() + normal(n, d, seed + 4, scale=0.05),
    )


def with_moments(mean: Tensor, covariance: Tensor, n: int, seed: int) -> Tensor:
    """Vectors (n, D) whose sample mean and unbiased sample covariance are exactly the given ones."""
    raw = normal(n, len(mean), seed)
    centered = raw - raw.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(centered.T @ centered / (n - 1)), centered.T, upper=False
    )
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def spread(d: int, seed: int) -> Tensor:
    """A random covariance that is well conditioned."""
    factor = normal(d, d, seed)
    return factor @ factor.T + torch.eye(d, dtype=torch.float64)


def features(n: int = 60, seed: int = 0, classes: int = 5, extractor: str = "some-cnn") -> Features:
    return Features(normal(n, 8, seed).float(), normal(n, classes, seed + 100, scale=3.0).float(), extractor)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def logits_of(extracted: Features) -> Tensor:
    assert extracted.logits is not None
    return extracted.logits


def comparison(
    fake: list[int] | Tensor, real: list[int] | Tensor | None = None, classes: int = 10, labels: Tensor | None = None
) -> Comparison:
    """Images of these predicted classes."""

    def predicting(predicted: list[int] | Tensor) -> Features:
        logits = torch.nn.functional.one_hot(torch.as_tensor(predicted), classes).float()
        return Features(torch.zeros(len(predicted), 1), logits, "some-cnn")

    return Comparison(predicting(fake), Reference(predicting(fake if real is None else real)), labels)
