"""Pieces that several families share."""

import torch
from torch import Tensor, nn

from gan_zoo.errors import GanZooError

LABEL_VALUES = 10
"""Values of a label embedding that is concatenated to a vector."""

TWO_PASSES_MOMENTUM = 0.19
"""Batch norm momentum in generators: the articles' loops pass each latent batch through the generator twice a step, at
momentum 0.1 each, the engine once; 1 - (1 - 0.1)^2 leaves the same running statistics."""


class LabelConcat(nn.Module):
    """Vectors (B, n), with a learned embedding of the labels (B,) behind them; without classes, the vectors alone."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.width = LABEL_VALUES if classes else 0
        self.embedding = nn.Embedding(classes, LABEL_VALUES) if classes else None

    def forward(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return vectors
        return torch.cat([vectors, self.embedding(labels)], dim=1)


class LabelPlane(nn.Module):
    """Images (B, C, H, W), with a learned plane of the labels (B,) as one more channel; without classes, unchanged."""

    def __init__(self, classes: int, height: int, width: int) -> None:
        super().__init__()
        self.channels = 1 if classes else 0
        self.embedding = nn.Embedding(classes, height * width) if classes else None

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return images
        plane = self.embedding(labels).view(len(images), 1, *images.shape[2:])
        return torch.cat([images, plane], dim=1)


def square_side(family: str, shape: tuple[int, ...]) -> int:
    """The side of square images of shape (C, H, W).

    Raises:
        GanZooError: the shape is not that of a square image.
    """
    if len(shape) != 3 or shape[1] != shape[2]:
        raise GanZooError(f"{family} draws square images (C, H, W) only, not samples of shape {shape}")
    return shape[1]
