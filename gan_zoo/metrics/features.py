"""Features of images, the extractors that compute them, and the checks that every metric makes of its input."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError

LEAST_N = 6
"""The least number of images of any metric: one more than the neighbors of coverage."""
EXTRACTORS = ("mnist-cnn", "fashion-cnn", "digits-cnn", "stacked-mnist-cnn", "inception")
"""The names of the extractors of this package that do not depend on the data set."""
_COVARIANCE = ("fid",)
"""The metrics that estimate a covariance of features, and need more images than features."""


@dataclass(frozen=True)
class Features:
    """The features of N images, on the extractor's device.

    Attributes:
        vectors: float32 (N, D), the feature vectors of Frechet, kernel and nearest-neighbor metrics.
        logits: float32 (N, K), unnormalized class scores, or None if the extractor has no classes.
        extractor: the extractor's name; features of different extractors must not be compared.
        images: the images themselves, uint8 (N, C, H, W), for metrics that need them, or None.
    """

    vectors: Tensor
    logits: Tensor | None
    extractor: str
    images: Tensor | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def predicted(self) -> Tensor:
        """Predicted class of each image, int64 (N,). Raises GanZooError if there are no logits."""
        return self.require_logits().argmax(dim=1)

    def require_logits(self) -> Tensor:
        """The logits (N, K). Raises GanZooError if there are none."""
        if self.logits is None:
            raise GanZooError(f"extractor {self.extractor!r} has no logits; choose metrics without classes")
        return self.logits


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A frozen network that turns images of any side and 1 or 3 channels into `Features`.

    Attributes:
        name: the name in records and tables.
        digest: SHA-256 (hex) of its weights file.
        metrics: names of the metrics that are computed from its features.
        minimum_n: the least number of images for all its metrics (below it the covariance is singular).
        device: of the network and the features.
        accuracy: measured accuracy in [0, 1] on the test split of its training set, or None.
        note: what a reader of its metrics must know; may be empty.
        probe: identifies what a function of a plugin computes here, so that cached features are not of another.
    """

    name: str
    digest: str
    metrics: tuple[str, ...]
    minimum_n: int
    device: torch.device
    accuracy: float | None = None
    note: str = ""
    probe: str = ""

    def fitting(self, n: int) -> Self:
        """The extractor with the metrics that ``n`` images allow: below ``minimum_n`` those without a covariance."""
        if n >= self.minimum_n:
            return self
        why = f"{self.name}: FID is left out, as it needs num_samples of at least {self.minimum_n}, not {n}"
        metrics = tuple(name for name in self.metrics if name not in _COVARIANCE)
        return replace(self, metrics=metrics, note="; ".join(filter(None, [self.note, why])))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Feature vectors (B, D), and logits (B, K) if there are classes, of uint8 images (B, C, H, W)."""
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, images: Tensor, batch: int = 500) -> Features:
        """Features of uint8 images (N, C, H, W), C 1 or 3, in their order, ``batch`` images at a time, in full float32.

        Raises:
            GanZooError: other images, or none.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0 or images.shape[1] not in (1, 3):
            raise GanZooError(
                f"extractor {self.name!r} cannot encode {images.dtype} of shape {tuple(images.shape)}: "
                "give it uint8 images (N, C, H, W) with 1 or 3 channels"
            )
        with full_float32(self.device):
            vectors, logits = zip(*(self.forward(chunk) for chunk in images.split(batch)), strict=True)
        scores = [each for each in logits if each is not None]
        return Features(torch.cat(vectors).float(), torch.cat(scores).float() if scores else None, self.name, images)


class ExtractorUnavailable(GanZooError):
    """The extractor's weights are not on this machine and cannot be obtained; a run continues without its metrics."""


class MetricError(GanZooError):
    """The function of a metric failed: the samples may be good, and what measures them is to be fixed."""


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Disable TF32 on CUDA: the precision of training must not change the features."""
    if device.type != "cuda":
        yield
        return
    precision = torch.get_float32_matmul_precision()
    allow_tf32 = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = allow_tf32


def require_finite(values: Tensor, what: str) -> None:
    """Raise GanZooError with the number of rows of an (N, D) tensor that hold a NaN or an infinity, if there are any.

    Comparisons with NaN are false, so that precision and recall of such rows look plausible.
    """
    bad = int((~torch.isfinite(values)).any(dim=1).sum())
    if bad:
        raise GanZooError(f"{what}: {bad} of {len(values)} rows are not finite; no metric is defined on them")


def as_matrix(values: Tensor, what: str, minimum: int = 1) -> Tensor:
    """``values`` in float64, checked to be a finite (N, D) matrix with at least ``minimum`` rows."""
    if values.ndim != 2:
        raise GanZooError(f"{what} must have shape (N, D), not {tuple(values.shape)}")
    if len(values) < minimum:
        raise GanZooError(f"{what} has {len(values)} rows; this metric needs at least {minimum}")
    require_finite(values, what)
    return values.detach().to(torch.float64)


def as_pair(fake: Tensor, real: Tensor, minimum: int) -> tuple[Tensor, Tensor]:
    """Both sets as float64 matrices of equal shape: bias and radii depend on the number of rows."""
    fake = as_matrix(fake, "fake features", minimum)
    real = as_matrix(real, "real features", minimum)
    require_same_shape(fake.shape, real.shape)
    return fake, real


def require_same_shape(fake: Sequence[int], real: Sequence[int]) -> None:
    """Raise GanZooError unless fake and real features, both (N, D), agree in N and in D."""
    if fake[1] != real[1]:
        raise GanZooError(
            f"fake features have {fake[1]} dimensions and real ones {real[1]}; use one extractor for both"
        )
    if fake[0] != real[0]:
        raise GanZooError(f"{fake[0]} fake images against {real[0]} real ones; N must be equal, take as many of each")
