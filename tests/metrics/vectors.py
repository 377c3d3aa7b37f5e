"""Feature vectors that tests of the measures are made from."""

import torch
from torch import Tensor

from gan_zoo.metrics.features import Features


def normal(n: int, d: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scale + shift


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


def logits_of(seen: Features) -> Tensor:
    assert seen.logits is not None
    return seen.logits
