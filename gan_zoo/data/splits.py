"""A data set as two splits of one uint8 tensor each, and the arithmetic between pixels and samples."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

_CHUNK = 4096


@dataclass(frozen=True)
class Split:
    """Images and their labels, held where they are used.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: int64 (N,).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W)."""
        return tuple(self.images.shape[1:])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 (B, C, H, W) in [-1, 1] and labels int64 (B,) at `index`, int64 (B,) on the same device."""
        return self.images[index].float().div_(127.5).sub_(1), self.labels[index]

    def to(self, device: torch.device | str) -> "Split":
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A named data set, ready for training and measuring.

    Attributes:
        name: the registered name, e.g. "fashion_mnist"; title: its name for people, e.g. "Fashion-MNIST".
        train, test: the splits; the engine only ever calls their `take`, `len`, `shape` and `to`.
        classes: number of classes; class_names: their names, in label order.
        extractor: name of the extractor that fits the set.
        fingerprint: SHA-256 (hex) over shapes, images and labels of both splits, as loaded and resized.
        kind: what a sample is ("images").
        note: what a reader of figures on this set must know; empty where there is nothing.
        requested: the name that was asked for; differs from `name` where a fallback stands in.
    """

    name: str
    title: str
    train: Split
    test: Split
    classes: int
    class_names: tuple[str, ...]
    extractor: str
    fingerprint: str
    kind: str = "images"
    note: str = ""
    requested: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) for images."""
        return self.train.shape

    def to(self, device: torch.device | str) -> "Dataset":
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def to_uint8(samples: Tensor) -> Tensor:
    """Samples of any float type in [-1, 1] as uint8 pixels: round((x + 1) * 127.5), clamped to 0..255.

    The inverse of `Split.take`. A sample that is not finite has no pixel: check before, the result is arbitrary.
    """
    return ((samples.float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)


def resize(images: Tensor, side: int) -> Tensor:
    """Images uint8 (N, C, H, W) as (N, C, side, side), on the same device; untouched where they have that side.

    torch's bilinear with antialias on uint8, always on the CPU, as in torchvision's `resize`: the pixels are those of
    PIL's `Image.resize` when enlarging; when shrinking, its coarser weights may round to a neighboring level.
    """
    if images.shape[-2:] == (side, side):
        return images
    resized = torch.empty(*images.shape[:2], side, side, dtype=torch.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].cpu()
        resized[start : start + _CHUNK] = interpolate(chunk, size=(side, side), mode="bilinear", antialias=True)
    return resized.to(images.device)


def match_channels(images: Tensor, channels: int) -> Tensor:
    """Images uint8 (N, C, H, W) with 1 or 3 channels: grey is repeated, color becomes its luma (ITU-R BT.601)."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.repeat(1, 3, 1, 1)
    # torchvision's weights, which sum to 0.9999: in float and rounded, for truncated, repeated grey would darken.
    red, green, blue = images.float().unbind(dim=1)
    luma = red.mul_(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return luma.unsqueeze(1).round_().to(torch.uint8)


def fingerprint(train: Split, test: Split) -> str:
    """SHA-256 (hex) over shape, images and labels of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        for tensor in (split.images, split.labels):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()
