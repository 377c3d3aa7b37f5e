"""torchvision's data sets, one row of a table each, and Stacked MNIST, which is composed of MNIST."""

import string
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_zoo.data.download import TorchvisionSet, damaged, unpacked_root
from gan_zoo.data.registry import Request, image_dataset, register_dataset
from gan_zoo.data.splits import Dataset, Split, resize
from gan_zoo.errors import GanZooError

STACKED_TRAIN_SIZE = 60_000
STACKED_TEST_SIZE = 26_000
"""The number of samples in which the papers count modes."""
_STACKED_TRAIN_SEED = 0
_STACKED_TEST_SEED = 1


def _idx_files(train: str, test: str) -> tuple[str, ...]:
    """Paths of images and labels of both splits, from the beginnings of their paths."""
    return tuple(f"{split}-{part}-ubyte" for split in (train, test) for part in ("images-idx3", "labels-idx1"))


def _read_idx(path: Path) -> Tensor:
    """The bytes of an idx file (LeCun et al.), uint8, in the shape that its header has.

    Raises:
        GanZooError: the file is damaged.
    """
    content = bytearray(path.read_bytes())
    try:
        if content[:3] != bytes([0, 0, 8]):
            raise ValueError("not an idx file of bytes")
        shape = struct.unpack_from(f">{content[3]}I", content, 4)
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape))
    except (IndexError, ValueError, struct.error) as error:
        raise damaged(path) from error


def _read_mnist(source: TorchvisionSet, root: Path, split: int) -> tuple[Tensor, Tensor]:
    images, labels = (_read_idx(root / path) for path in source.files[2 * split : 2 * split + 2])
    return images.unsqueeze(1), labels.long()


def _read_letters(source: TorchvisionSet, root: Path, split: int) -> tuple[Tensor, Tensor]:
    images, labels = _read_mnist(source, root, split)
    # EMNIST stores rows and columns exchanged, and counts the letters from 1.
    return images.transpose(2, 3).contiguous(), labels - 1


def _read_torchvision(source: TorchvisionSet, root: Path, split: int) -> tuple[Tensor, Tensor]:
    """Raises GanZooError: a file is damaged."""
    from torchvision.datasets.utils import check_md5

    try:
        loaded = source.torchvision_class()(root, **source.splits[split])
    except (OSError, RuntimeError, ValueError) as error:
        digests = source.digests()
        files = [root / path for path in source.files]
        wrong = [file for file in files if not check_md5(file, digests[file.name])]
        raise damaged(wrong[0] if wrong else files[0].parent) from error
    images = loaded.data.transpose(0, 3, 1, 2) if loaded.data.shape[-1] == 3 else loaded.data
    labels = loaded.targets if hasattr(loaded, "targets") else loaded.labels
    return torch.from_numpy(np.ascontiguousarray(images)), torch.as_tensor(labels).long()


def _mnist_like(name: str, **fields: Any) -> TorchvisionSet:
    files = _idx_files(f"{name}/raw/train", f"{name}/raw/t10k")
    archives = tuple(f"{path}.gz" for path in files)
    return TorchvisionSet(torchvision_name=name, files=files, archives=archives, read=_read_mnist, **fields)


SETS = {
    "mnist": _mnist_like(
        "MNIST",
        title="MNIST",
        description="Handwritten digits, 60,000 training and 10,000 test images, 28x28 grey (LeCun et al., 1998).",
        classes=tuple(string.digits),
        extractor="mnist-cnn",
        is_packaged=True,
    ),
    "fashion_mnist": _mnist_like(
        "FashionMNIST",
        title="Fashion-MNIST",
        description="Clothing, 60,000 training and 10,000 test images, 28x28 grey (arXiv 1708.07747).",
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        extractor="fashion-cnn",
    ),
    "kmnist": _mnist_like(
        "KMNIST",
        title="Kuzushiji-MNIST",
        description="Cursive Hiragana, 60,000 training and 10,000 test images, 28x28 grey (arXiv 1812.01718).",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "emnist": TorchvisionSet(
        title="EMNIST Letters",
        description="Letters without case, 124,800 training and 20,800 test images, 28x28 grey (arXiv 1702.05373).",
        torchvision_name="EMNIST",
        splits=({"split": "letters", "train": True}, {"split": "letters", "train": False}),
        archives=("EMNIST/raw/gzip.zip",),
        files=_idx_files("EMNIST/raw/emnist-letters-train", "EMNIST/raw/emnist-letters-test"),
        read=_read_letters,
        classes=tuple(string.ascii_lowercase),
    ),
    "cifar10": TorchvisionSet(
        title="CIFAR-10",
        description="Photographs of 10 classes, 50,000 training and 10,000 test images, 32x32 RGB (Krizhevsky, 2009).",
        torchvision_name="CIFAR10",
        archives=("cifar-10-python.tar.gz",),
        files=(
            *(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
            *("cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta"),
        ),
        read=_read_torchvision,
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        side=32,
    ),
    "svhn": TorchvisionSet(
        title="SVHN",
        description="Digits of house numbers, 73,257 training and 26,032 test images, 32x32 RGB (Netzer et al., 2011).",
        torchvision_name="SVHN",
        splits=({"split": "train"}, {"split": "test"}),
        archives=("train_32x32.mat", "test_32x32.mat"),
        files=("train_32x32.mat", "test_32x32.mat"),
        read=_read_torchvision,
        classes=tuple(string.digits),
        side=32,
    ),
    "stl10": TorchvisionSet(
        title="STL-10",
        description="Photographs of 10 classes, 5,000 training and 8,000 test images, 96x96 RGB (Coates et al., 2011).",
        torchvision_name="STL10",
        splits=({"split": "train"}, {"split": "test"}),
        archives=("stl10_binary.tar.gz",),
        files=tuple(f"stl10_binary/{split}_{part}.bin" for split in ("train", "test") for part in ("X", "y")),
        read=_read_torchvision,
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        side=96,
    ),
}


def native_splits(source: TorchvisionSet, request: Request) -> tuple[Split, Split]:
    """The training and the test split at their native size, from files that are unpacked first if necessary.

    Raises:
        GanZooError: a file is damaged.
        DataMissing: the files are neither on this machine nor available for download.
        StorageError: the files cannot be unpacked.
    """
    root = unpacked_root(source, request)
    splits = []
    for split in (0, 1):
        images, labels = source.read(source, root, split)
        if not 0 < len(images) == len(labels) or labels.min() < 0 or labels.max() >= len(source.classes):
            raise damaged((root / source.files[0]).parent)
        splits.append(Split(images, labels))
    return splits[0], splits[1]


def _register(name: str, source: TorchvisionSet) -> None:
    def loader(request: Request) -> Dataset:
        train, test = native_splits(source, request)
        return image_dataset(
            request,
            name=name,
            title=source.title,
            train=train,
            test=test,
            class_names=source.classes,
            extractor=source.extractor,
        )

    loader.__doc__ = source.description
    register_dataset(name, files=not source.is_packaged, side=source.side)(loader)


for _name, _source in SETS.items():
    _register(_name, _source)


@register_dataset("stacked_mnist", files=False)
def stacked_mnist(request: Request) -> Dataset:
    """60,000 training and 26,000 test images, RGB, composed at random with fixed seeds from MNIST's own splits.

    The class of an image is the number that its digits make: 100 red + 10 green + blue. Sources: Srivastava et al.
    2017 (arXiv 1705.07761), Lin et al. 2018 (arXiv 1712.04086).

    Raises:
        GanZooError: one channel is requested.
        StorageError: MNIST cannot be unpacked into the cache folder.
    """
    if request.channels == 1:
        raise GanZooError("stacked_mnist cannot have 1 channel: each of its 3 channels is a digit; choose 3, or none")
    train, test = native_splits(SETS["mnist"], request)
    return image_dataset(
        request,
        name="stacked_mnist",
        title="Stacked MNIST",
        train=_stack(train, request.side, STACKED_TRAIN_SIZE, _STACKED_TRAIN_SEED),
        test=_stack(test, request.side, STACKED_TEST_SIZE, _STACKED_TEST_SEED),
        class_names=[f"{number:03}" for number in range(1000)],
        extractor="stacked-mnist-cnn",
    )


def _stack(digits: Split, side: int, size: int, seed: int) -> Split:
    """Images (size, 3, side, side) and labels (size,) of digits drawn with replacement, each resized once, alone."""
    drawn = torch.randint(len(digits), (size, 3), generator=torch.Generator().manual_seed(seed))
    labels = digits.labels[drawn] @ torch.tensor([100, 10, 1])
    return Split(resize(digits.images, side).squeeze(1)[drawn], labels)
