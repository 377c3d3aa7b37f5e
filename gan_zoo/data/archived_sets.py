"""Sets that come as one archive or a file a split, in torchvision's layout: EMNIST, CIFAR-10, SVHN and STL-10."""

import gzip
import shutil
import string
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_zoo.data import idx
from gan_zoo.data.place import damaged, is_writable, locked, md5_of, missing, network, staged
from gan_zoo.data.registry import Request, dataset, default_root, image_dataset
from gan_zoo.data.splits import Dataset, Split

_EMNIST_RAW = "EMNIST/raw"
_CIFAR10 = "cifar-10-batches-py"
_STL10 = "stl10_binary"


class Remote(NamedTuple):
    """A file to download: its place below a root, its address and its MD5."""

    path: str
    url: str
    md5: str


@dataclass(frozen=True)
class Source:
    """Where a set comes from.

    Attributes:
        title: the set's name for people.
        files: MD5s of the files that are read, by their places below a root; empty where none is published.
        remotes: what is downloaded: an archive of the files, or the files themselves.
        classes: names of the classes, in label order.
        read: images uint8 (N, C, H, W) and labels (N,) of the training part (or the test's) from a root's files.
        unpack: makes the files below another root out of the archive; None where the files come as they are.
    """

    title: str
    files: Mapping[str, str]
    remotes: tuple[Remote, ...]
    classes: tuple[str, ...]
    read: Callable[[Path, bool], tuple[Tensor, Tensor]]
    unpack: Callable[["Source", Path, Path], None] | None = None

    def is_here(self, root: Path) -> bool:
        """Whether all files are below a root."""
        return all((root / name).is_file() for name in self.files)


def _untar(source: Source, archive: Path, root: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in source.files:
                tar.extract(member, root, filter="data")


def _unzip_emnist(source: Source, archive: Path, root: Path) -> None:
    with zipfile.ZipFile(archive) as held:
        for name in source.files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            with held.open(f"gzip/{Path(name).name}.gz") as packed, (root / name).open("wb") as file:
                shutil.copyfileobj(gzip.GzipFile(fileobj=packed), file)


def _read_emnist(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    """Letters stand upright once rows and columns are exchanged; their labels count from 1."""
    stem = root / _EMNIST_RAW / f"emnist-letters-{'train' if train else 'test'}"
    images, labels = idx.read(Path(f"{stem}-images-idx3-ubyte")), idx.read(Path(f"{stem}-labels-idx1-ubyte"))
    return images.transpose(1, 2).unsqueeze(1).contiguous(), labels.long() - 1


# torchvision takes longer to import than torch: only the sets that are read through it import it.
def _read_cifar10(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import CIFAR10

    held = CIFAR10(root, train=train)
    return _channels_first(held.data), torch.tensor(held.targets)


def _read_svhn(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import SVHN

    held = SVHN(root, split="train" if train else "test")
    return torch.from_numpy(np.ascontiguousarray(held.data)), torch.from_numpy(held.labels)


def _read_stl10(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import STL10

    class Labelled(STL10):
        """Without the 2.7 GB of unlabelled images, which torchvision wants to be there."""

        train_list = STL10.train_list[:2]

    held = Labelled(root, split="train" if train else "test")
    return torch.from_numpy(np.ascontiguousarray(held.data)), torch.from_numpy(held.labels)


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


EMNIST = Source(
    title="EMNIST Letters",
    files={
        f"{_EMNIST_RAW}/emnist-letters-{split}-{part}-ubyte": ""
        for split in ("train", "test")
        for part in ("images-idx3", "labels-idx1")
    },
    remotes=(
        Remote(
            f"{_EMNIST_RAW}/gzip.zip",
            "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
            "58c8d27c78d21e728a6bc7b3cc06412e",
        ),
    ),
    classes=tuple(string.ascii_lowercase),
    read=_read_emnist,
    unpack=_unzip_emnist,
)
CIFAR10 = Source(
    title="CIFAR-10",
    files={
        f"{_CIFAR10}/data_batch_1": "c99cafc152244af753f735de768cd75f",
        f"{_CIFAR10}/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        f"{_CIFAR10}/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        f"{_CIFAR10}/data_batch_4": "634d18415352ddfa80567beed471001a",
        f"{_CIFAR10}/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        f"{_CIFAR10}/test_batch": "40351d587109b95175f43aff81a1287e",
        f"{_CIFAR10}/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    remotes=(
        Remote(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
        ),
    ),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    read=_read_cifar10,
    unpack=_untar,
)
SVHN = Source(
    title="SVHN",
    files={
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
    remotes=(
        Remote(
            "train_32x32.mat",
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ),
        Remote(
            "test_32x32.mat",
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ),
    ),
    classes=tuple(string.digits),
    read=_read_svhn,
)
STL10 = Source(
    title="STL-10",
    files={
        f"{_STL10}/train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        f"{_STL10}/train_y.bin": "5a34089d4802c674881badbb80307741",
        f"{_STL10}/test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        f"{_STL10}/test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    },
    remotes=(
        Remote(
            "stl10_binary.tar.gz",
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            "91f7769df0f17e558f3565bffb0c7dfb",
        ),
    ),
    classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    read=_read_stl10,
    unpack=_untar,
)


@dataset("emnist", side=28)
def emnist(request: Request) -> Dataset:
    """Letters without regard to case, 124,800 for training and 20,800 for the test, 28x28 grey (arXiv 1702.05373)."""
    return _load(EMNIST, request, name="emnist")


@dataset("cifar10", side=32)
def cifar10(request: Request) -> Dataset:
    """Photographs of 10 kinds, 50,000 for training and 10,000 for the test, 32x32 RGB (Krizhevsky, 2009)."""
    return _load(CIFAR10, request, name="cifar10")


@dataset("svhn", side=32)
def svhn(request: Request) -> Dataset:
    """House numbers' digits, 73,257 for training and 26,032 for the test, 32x32 RGB (Netzer et al., 2011)."""
    return _load(SVHN, request, name="svhn")


@dataset("stl10", side=96)
def stl10(request: Request) -> Dataset:
    """Photographs of 10 kinds, 5,000 for training and 8,000 for the test, 96x96 RGB (Coates et al., 2011)."""
    return _load(STL10, request, name="stl10")


def _load(source: Source, request: Request, *, name: str) -> Dataset:
    root = _root(source, request)
    return image_dataset(
        request,
        name=name,
        title=source.title,
        train=_split(source, root, train=True),
        test=_split(source, root, train=False),
        class_names=source.classes,
        extractor="trained",
    )


def _root(source: Source, request: Request) -> Path:
    """The root that has the set's files, made there where they are not. Raises DataMissing, GanZooError."""
    root = request.root or default_root()
    if source.is_here(root):
        return root
    target = root if is_writable((root / next(iter(source.files))).parent, root) else default_root()
    with locked(target, source.title):
        if not source.is_here(target):
            with staged(target, source.files) as staging:
                _make(source, (target, root), staging, request.download)
    return target


def _make(source: Source, roots: tuple[Path, ...], staging: Path, download: bool) -> None:
    """Make the set's files below `staging` from what lies below the roots, else from what is downloaded there."""
    for remote in source.remotes:
        held = next((root / remote.path for root in roots if (root / remote.path).is_file()), None)
        if held is None:
            held = _download(source, remote, staging, download)
        elif md5_of(held) != remote.md5:
            raise damaged(held, remote.md5)
        if source.unpack:
            source.unpack(source, held, staging)
        elif held != staging / remote.path:
            shutil.copyfile(held, staging / remote.path)


def _download(source: Source, remote: Remote, staging: Path, download: bool) -> Path:
    if not download:
        raise missing(source.title, "and was not to be downloaded")
    from torchvision.datasets.utils import download_url

    path = staging / remote.path
    with network(source.title):
        download_url(remote.url, path.parent, path.name, remote.md5)
    return path


def _split(source: Source, root: Path, *, train: bool) -> Split:
    """A split at its native size.

    Raises:
        GanZooError: a file that is not what it should be, or labels that name no class.
    """
    try:
        images, labels = source.read(root, train)
    except (OSError, RuntimeError, ValueError) as error:
        wrong = [root / name for name, md5 in source.files.items() if md5 and md5_of(root / name) != md5]
        if wrong:
            raise damaged(wrong[0], source.files[wrong[0].relative_to(root).as_posix()]) from error
        raise damaged((root / next(iter(source.files))).parent) from error
    if not 0 < len(images) == len(labels) or labels.min() < 0 or labels.max() >= len(source.classes):
        raise damaged((root / next(iter(source.files))).parent)
    return Split(images, labels.long())
