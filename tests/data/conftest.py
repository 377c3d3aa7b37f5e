"""Roots of data for the tests: real files where there are some, small ones written here, and a cache of their own."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torchvision
from torchvision.datasets import utils as torchvision_utils

from gan_zoo.data import place, registry, torchvision_sets
from gan_zoo.io import CACHE_ENV

CLASSES = 10
SIZES = {"train": 30, "t10k": 20}


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format of LeCun et al.: two zero bytes, type 8 (uint8), dimensions, big-endian sizes, the values."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, no root in the environment, and a network on which every request fails."""
    folder = tmp_path / "cache"
    monkeypatch.delenv(registry.DATA_ENV, raising=False)
    monkeypatch.setenv(CACHE_ENV, str(folder / "gan-zoo"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", refuse)
    return folder


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The arrays of a small Fashion-MNIST by file name, whose MD5s are expected here and in torchvision."""
    generator = np.random.default_rng(0)
    arrays, digests = {}, {}
    for split, size in SIZES.items():
        arrays[f"{split}-images-idx3-ubyte"] = generator.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        arrays[f"{split}-labels-idx1-ubyte"] = (np.arange(size) % CLASSES).astype(np.uint8)
    for name, array in arrays.items():
        archive = gzip.compress(idx_bytes(array), mtime=0)
        digests[name] = hashlib.md5(archive).hexdigest()
    mine = {name: digests[name] for name in torchvision_sets.FASHION_MNIST.md5}
    monkeypatch.setattr(torchvision_sets, "FASHION_MNIST", replace(torchvision_sets.FASHION_MNIST, md5=mine))
    resources = [(f"{name}.gz", md5) for name, md5 in mine.items()]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    return arrays


@pytest.fixture
def write_archives(contents: dict[str, np.ndarray]) -> Callable[[Path], Path]:
    """A function that writes the small Fashion-MNIST's archives below a root and returns their folder."""

    def write(root: Path) -> Path:
        raw = root / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name, array in contents.items():
            (raw / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))
        return raw

    return write


@pytest.fixture
def timeout_seen(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The socket timeouts in force at each request of a download, which fails."""
    seen: list[float | None] = []

    def refuse(*_: object, **__: object) -> None:
        seen.append(place.socket.getdefaulttimeout())
        raise TimeoutError("no answer")

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", refuse)
    return seen
