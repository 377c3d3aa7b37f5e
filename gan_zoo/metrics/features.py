"""What an extractor is and what it gives: the contract between images and measures."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gan_zoo.errors import GanZooError

OF_LOGITS = frozenset({"is", "modes", "modes_hit", "class_kl", "label_accuracy"})
"""Names of the measures that need logits."""


@dataclass(frozen=True)
class Features:
    """What an extractor saw in N images, on the extractor's device; all figures are functions of this.

    Attributes:
        vectors: float32 (N, D), the feature vectors of Frechet, kernel and nearest-neighbor measures.
        logits: float32 (N, K), unnormalized class scores, or None where the extractor has no classes.
        extractor: the extractor's name; features of different extractors must never be compared.
    """

    vectors: Tensor
    logits: Tensor | None
    extractor: str

    def __len__(self) -> int:
        return len(self.vectors)


def require_logits(features: Features) -> Tensor:
    """The logits (N, K). Raises GanZooError where the extractor gives none."""
    if features.logits is None:
        raise GanZooError(f"extractor {features.extractor!r} gives no logits; leave out {', '.join(sorted(OF_LOGITS))}")
    return features.logits


class Extractor(Protocol):
    """A frozen network that turns images of any side and 1 or 3 channels into `Features`.

    Attributes:
        name: the name that its figures go by.
        digest: SHA-256 (hex) of its weights file.
        accuracy: measured accuracy in [0, 1] on the test split of the set it was trained for, None where it has none.
        metrics: names of the measures that make sense on its features.
        minimum_n: fewest images for which its figures are defined (its covariance is singular below).
        note: what a reader of its figures must know; empty where there is nothing.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def metrics(self) -> tuple[str, ...]: ...
    @property
    def minimum_n(self) -> int: ...
    @property
    def note(self) -> str: ...

    def encode(self, images: Tensor, batch: int = 500) -> Features:
        """Features of uint8 images (N, C, H, W), in their order, `batch` images at a time, without gradients."""
        ...


class ExtractorUnavailable(GanZooError):
    """The extractor's weights are not on this machine and cannot be downloaded: leave its columns out and go on."""
