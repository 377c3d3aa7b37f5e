"""A data set as two splits of one uint8 tensor each, and the arithmetic between pixels and samples."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gan_zoo.mixture import Mixture

_CHUNK = 4096
STREAMED_SHARE = 0.5
"""A split whose images take more of the device's free memory than this stays on the host: training needs the rest."""


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

    def pixels(self, index: Tensor) -> Tensor:
        """Images uint8 (B, C, H, W) at `index`, int64 (B,), on the labels' device."""
        return self.images[index]

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 (B, C, H, W) in [-1, 1] and labels int64 (B,) at `index`, int64 (B,) on the same device."""
        return self.pixels(index).float().div_(127.5).sub_(1), self.labels[index]

    def to(self, device: torch.device | str) -> "Split":
        """The same on `device`; on CUDA a `StreamedSplit` where the images are too many for its free memory."""
        device = torch.device(device)
        if device.type == "cuda" and self.images.device.type == "cpu" and self.images.dtype == torch.uint8:
            free, _ = torch.cuda.mem_get_info(device)
            if is_streamed(self.images.nbytes, free):
                return StreamedSplit(self.images.pin_memory(), self.labels.to(device))
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


class StreamedSplit(Split):
    """A split too large for its device: images on the host (pinned where there is CUDA), labels on the device.

    It gives the same samples as a `Split`; every `take` waits for its index, so it cannot be recorded as a CUDA graph.
    """

    def pixels(self, index: Tensor) -> Tensor:
        device = self.labels.device
        # Fresh memory each time: torch keeps pinned blocks, and reuses one only after the copy from it has ended.
        gathered = torch.empty(len(index), *self.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        torch.index_select(self.images, 0, index.cpu(), out=gathered)
        return gathered.to(device, non_blocking=True)

    def to(self, device: torch.device | str) -> Split:
        """The same on `device`, chosen anew between a `Split` and a streamed one; itself where it is there already."""
        here = torch.device(device) == self.labels.device
        return self if here else Split(self.images, self.labels.cpu()).to(device)


def is_streamed(images: int, free: int) -> bool:
    """Whether images of so many bytes stay on the host, where so many bytes of the device's memory are free."""
    return images > STREAMED_SHARE * free


@dataclass(frozen=True)
class Dataset:
    """A named data set, ready for training and measuring.

    Attributes:
        name: the registered name, e.g. "fashion_mnist"; title: its name for people, e.g. "Fashion-MNIST".
        train, test: the splits; the engine only ever calls their `take`, `len`, `shape` and `to`.
        classes: number of classes, 0 where there are none (labels are 0); class_names: their names, in label order.
        extractor: name of the extractor that fits the set.
        fingerprint: SHA-256 (hex) over shapes, images and labels of both splits, as loaded and resized.
        kind: what a sample is: "images" or "points".
        density: of points, the mixture that they were drawn from (None: of unknown density).
        note: what a reader of figures on this set must know; empty where there is nothing.
        requested: the name that was asked for, e.g. "folder:~/cats".
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
    density: Mixture | None = None

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
