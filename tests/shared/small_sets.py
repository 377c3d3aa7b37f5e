"""Small data sets in the formats that their authors describe."""

import gzip
import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from scipy.io import savemat

from gan_zoo import data
from gan_zoo.data.torchvision_sets import SETS

TRAIN_SIZE = 30
TEST_SIZE = 6


@dataclass(frozen=True)
class SmallSet:
    """A small data set: what is downloaded and what is read, by paths below a root, and what is in the files."""

    archives: dict[str, bytes]
    files: dict[str, bytes]
    images: tuple[np.ndarray, np.ndarray]
    labels: tuple[np.ndarray, np.ndarray]


def write(contents: dict[str, bytes], root: Path) -> Path:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def assert_loads(name: str, small: SmallSet, root: Path) -> data.Dataset:
    """The files below the root are read without a download as what they were made from."""
    loaded = data.load(name, side=small.images[0].shape[-1], root=root, download=False)
    for split, images, labels in zip((loaded.train, loaded.test), small.images, small.labels, strict=True):
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert np.array_equal(split.images.numpy(), images)
        assert np.array_equal(split.labels.numpy(), labels)
    return loaded


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format of unsigned bytes: its magic number, the sizes as 32 bits each, big-endian, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def _random_splits(shape: tuple[int, ...], classes: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Images (N, *shape) and labels from 0, of both splits."""
    random = np.random.default_rng(0)
    images = tuple(random.integers(0, 256, (size, *shape), dtype=np.uint8) for size in (TRAIN_SIZE, TEST_SIZE))
    return images, tuple(np.arange(size) % classes for size in (TRAIN_SIZE, TEST_SIZE))


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in {**files, "other/unlabeled_X.bin": b"ignored"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _mnist_like(folder: str) -> SmallSet:
    images, labels = _random_splits((1, 28, 28), 10)
    files = {}
    for split, part, of_part in zip(("train", "t10k"), images, labels, strict=True):
        files[f"{folder}/raw/{split}-images-idx3-ubyte"] = idx_bytes(part[:, 0])
        files[f"{folder}/raw/{split}-labels-idx1-ubyte"] = idx_bytes(of_part.astype(np.uint8))
    archives = {f"{path}.gz": gzip.compress(content, mtime=0) for path, content in files.items()}
    return SmallSet(archives, files, images, labels)


def _emnist() -> SmallSet:
    """Idx files of images with rows and columns exchanged, gzipped, in a zip; labels from 1."""
    images, labels = _random_splits((1, 28, 28), 26)
    files = {}
    packed = io.BytesIO()
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        stem = f"EMNIST/raw/emnist-letters-{split}"
        files[f"{stem}-images-idx3-ubyte"] = idx_bytes(np.ascontiguousarray(part[:, 0].swapaxes(1, 2)))
        files[f"{stem}-labels-idx1-ubyte"] = idx_bytes((of_part + 1).astype(np.uint8))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("gzip/emnist-digits-train-images-idx3-ubyte.gz", gzip.compress(b"ignored"))
        for name, content in files.items():
            archive.writestr(f"gzip/{Path(name).name}.gz", gzip.compress(content))
    return SmallSet({"EMNIST/raw/gzip.zip": packed.getvalue()}, files, images, labels)


def _cifar10() -> SmallSet:
    """Pickled dictionaries: a row of 3072 bytes an image, its red, green and blue planes."""
    images, labels = _random_splits((3, 32, 32), 10)
    parts = [*zip(np.split(images[0], 5), np.split(labels[0], 5), strict=True), (images[1], labels[1])]
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {
        f"cifar-10-batches-py/{name}": pickle.dumps({"data": part.reshape(-1, 3072), "labels": of_part.tolist()})
        for name, (part, of_part) in zip(names, parts, strict=True)
    }
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps({"label_names": list("0123456789")})
    return SmallSet({"cifar-10-python.tar.gz": _tar(files)}, files, images, labels)


def _stl10() -> SmallSet:
    """Bytes, column by column, of three planes an image; labels from 1."""
    images, labels = _random_splits((3, 96, 96), 10)
    files = {}
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        files[f"stl10_binary/{split}_X.bin"] = part.swapaxes(2, 3).tobytes()
        files[f"stl10_binary/{split}_y.bin"] = (of_part + 1).astype(np.uint8).tobytes()
    return SmallSet({"stl10_binary.tar.gz": _tar(files)}, files, images, labels)


def _svhn() -> SmallSet:
    """MATLAB files: X of (32, 32, 3, N), y of (N, 1), in which 10 stands for the digit 0."""
    images, labels = _random_splits((3, 32, 32), 10)
    files = {}
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        packed = io.BytesIO()
        savemat(packed, {"X": part.transpose(2, 3, 1, 0), "y": np.where(of_part == 0, 10, of_part)[:, None]})
        files[f"{split}_32x32.mat"] = packed.getvalue()
    return SmallSet(files, files, images, labels)


SMALL_SETS: dict[str, Callable[[], SmallSet]] = {
    "fashion_mnist": lambda: _mnist_like("FashionMNIST"),
    "kmnist": lambda: _mnist_like("KMNIST"),
    "emnist": _emnist,
    "cifar10": _cifar10,
    "svhn": _svhn,
    "stl10": _stl10,
}
NAMES = tuple(SMALL_SETS)


def expect_digests(monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes]) -> None:
    """Let the torchvision class of a data set expect the MD5s of these files."""
    kind = getattr(torchvision.datasets, SETS[name].torchvision_name)
    md5 = {Path(path).name: hashlib.md5(content).hexdigest() for path, content in contents.items()}
    for attribute in {"resources", "train_list", "test_list"} & set(dir(kind)):
        known = [(file, md5.get(file, digest)) for file, digest in getattr(kind, attribute)]
        monkeypatch.setattr(kind, attribute, known)
    if name == "emnist":
        monkeypatch.setattr(kind, "md5", md5["gzip.zip"])
    if name == "svhn":
        for split in ("train", "test"):
            url, file, _ = kind.split_list[split]
            monkeypatch.setitem(kind.split_list, split, [url, file, md5[file]])
    if name == "cifar10":
        monkeypatch.setitem(kind.meta, "md5", md5["batches.meta"])
    if name in ("cifar10", "stl10"):
        monkeypatch.setattr(kind, "tgz_md5", md5[kind.filename])
