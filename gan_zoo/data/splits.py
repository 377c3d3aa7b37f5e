"""A data set as two splits of one uint8 tensor each; conversions between pixels and samples."""

import hashlib
from dataclasses import dataclass, field, replace

import psutil
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gan_zoo.errors import GanZooError
from gan_zoo.mixture import Mixture
from gan_zoo.options import DataOptions

_CHUNK = 4096
STREAMED_SHARE = 0.5
"""Images that take a larger share of the device's free memory stay on the host: training needs the rest."""


@dataclass(frozen=True)
class Split:
    """Images and their labels on one device.

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
        """Images uint8 (B, C, H, W) at ``index``, int64 (B,), on the labels' device."""
        return self.images[index]

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 (B, C, H, W) in [-1, 1] and labels int64 (B,) at ``index``, int64 (B,) on the same device."""
        return self.pixels(index).float().div_(127.5).sub_(1), self.labels[index]

    def to(self, device: torch.device | str) -> "Split":
        """The same split on ``device``; a ``StreamedSplit`` if the images do not fit into the free memory of a GPU."""
        device = torch.device(device)
        if device.type == "cuda" and self.images.device.type == "cpu" and self.images.dtype == torch.uint8:
            free, _ = torch.cuda.mem_get_info(device)
            if self.images.nbytes > STREAMED_SHARE * free:
                return StreamedSplit(self.images.pin_memory(), self.labels.to(device))
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


class StreamedSplit(Split):
    """A split too large for its device: images on the host (pinned for CUDA), labels on the device.

    The samples equal those of a ``Split``. ``take`` waits for its index, so it cannot be recorded as a CUDA graph.
    """

    def pixels(self, index: Tensor) -> Tensor:
        device = self.labels.device
        # torch caches pinned memory, and reuses a block only after the copy from it has ended.
        gathered = torch.empty(len(index), *self.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        torch.index_select(self.images, 0, index.cpu(), out=gathered)
        return gathered.to(device, non_blocking=True)

    def to(self, device: torch.device | str) -> Split:
        """The split on ``device``, streamed or not; itself if it is on that device."""
        here = torch.device(device) == self.labels.device
        return self if here else Split(self.images, self.labels.cpu()).to(device)


@dataclass(frozen=True)
class Dataset:
    """A named data set, ready for training and measuring.

    Attributes:
        name: the registered name, e.g. "fashion_mnist"; title: the name in reports, e.g. "Fashion-MNIST".
        train, test: the splits; the engine calls only their ``take``, ``len``, ``shape`` and ``to``.
        classes: number of classes, 0 if there are none (labels are 0); class_names: their names, in label order.
        extractor: name of the default extractor.
        fingerprint: SHA-256 (hex) over shapes, images and labels of both splits, as loaded and resized.
        kind: what a sample is: "images" or "points".
        density: of points, the mixture that they are drawn from; None if it is unknown.
        note: limitations of results on this data set; may be empty.
        requested: the requested name, e.g. "folder:~/cats"; options: how it was requested.
        sizes: the sizes of the images in their files, as text; may be empty.
        reference: what the test split is: "test", or "whole set" if it is all images, which are trained on as well.
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
    options: DataOptions = field(default_factory=DataOptions)
    sizes: str = ""
    reference: str = "test"
    density: Mixture | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) for images."""
        return self.train.shape

    @property
    def labels(self) -> Tensor:
        """The label of each image, of both splits, without mirror images: int64 (N,)."""
        train = self.train.labels[: len(self.train) // 2] if self.options.mirror else self.train.labels
        return self.test.labels if self.reference != "test" else torch.cat([train, self.test.labels])

    def to(self, device: torch.device | str) -> "Dataset":
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def to_uint8(samples: Tensor) -> Tensor:
    """Samples of any float type in [-1, 1] as uint8 pixels: round((x + 1) * 127.5), clamped to 0..255.

    The inverse of ``Split.take``. The result is arbitrary if a sample is not finite.
    """
    return ((samples.float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)


def resize(images: Tensor, side: int) -> Tensor:
    """Images uint8 (N, C, H, W) as (N, C, side, side) on the same device; unchanged if they have that side.

    Bilinear with antialias on uint8, on the CPU, as in torchvision's ``resize``. Enlarged pixels equal those of PIL's
    ``Image.resize``; shrunk ones may differ by one level.

    Raises:
        GanZooError: the resized images do not fit into the memory of the machine.
    """
    if images.shape[-2:] == (side, side):
        return images
    needed = (len(images) + min(len(images), _CHUNK)) * images.shape[1] * side**2
    if needed > (free := psutil.virtual_memory().available):
        raise GanZooError(
            f"{len(images):,} images at side {side} need {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB "
            "are free; lower image_side"
        )
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
    # torchvision's weights sum to 0.9999: truncation instead of rounding would darken repeated grey.
    red, green, blue = images.float().unbind(dim=1)
    luma = red.mul_(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return luma.unsqueeze(1).round_().to(torch.uint8)


def fingerprint(train: Split, test: Split) -> str:
    """SHA-256 (hex) over types, shapes and values of images and labels of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        for tensor in (split.images, split.labels):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()
