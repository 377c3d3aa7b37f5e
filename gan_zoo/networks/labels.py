"""How labels enter a network: as values of a vector, or as a plane of an image."""

import torch
from torch import Tensor, nn

LABEL_VALUES = 10
"""Values of a label embedding that is concatenated to a vector."""


class LabelConcat(nn.Module):
    """Samples as vectors (B, n), with a learned embedding of the labels (B,) behind them, or alone without classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.width = LABEL_VALUES if classes else 0
        self.embedding = nn.Embedding(classes, LABEL_VALUES) if classes else None

    def forward(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        vectors = vectors.flatten(1)
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
