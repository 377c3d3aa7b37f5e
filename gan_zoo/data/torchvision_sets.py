"""MNIST, which is part of this package, and sets like it in torchvision's layout, from files that are checked first."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from gan_zoo.data import idx
from gan_zoo.data.place import LOCK, is_writable, locked, missing, network, staged
from gan_zoo.data.registry import Request, dataset, default_root, image_dataset
from gan_zoo.data.splits import Dataset, Split
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_path, writing

PACKAGED = Path(__file__).parent / "mnist"
"""The folder of MNIST's archives in this package."""
_PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Files:
    """The four archives of a set.

    Attributes:
        title: the set's name for people.
        folder: the set's folder below a root, which is also the name of its class in torchvision.
        md5: of the gzip archives, by the names of what is in them.
        classes: names of the classes, in label order.
    """

    title: str
    folder: str
    md5: dict[str, str]
    classes: tuple[str, ...]

    def raw(self, root: Path) -> Path:
        """The folder in which torchvision keeps the set's files."""
        return root / self.folder / "raw"

    def archives(self, root: Path) -> list[Path]:
        """The archives' places below a root."""
        return [self.raw(root) / f"{name}.gz" for name in self.md5]

    def check(self, root: Path) -> None:
        """Raise GanZooError on a damaged archive or extracted file; one that is not there is none."""
        for archive, md5 in zip(self.archives(root), self.md5.values(), strict=True):
            idx.check(archive, md5)

    def are_extracted(self, root: Path) -> bool:
        """Whether all extracted files are there."""
        return all(archive.with_suffix("").is_file() for archive in self.archives(root))


def _md5(*digests: str) -> dict[str, str]:
    return dict(zip(_PARTS, digests, strict=True))


MNIST = Files(
    title="MNIST",
    folder="MNIST",
    md5=_md5(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    classes=tuple(str(digit) for digit in range(10)),
)
FASHION_MNIST = Files(
    title="Fashion-MNIST",
    folder="FashionMNIST",
    md5=_md5(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
)


KMNIST = Files(
    title="Kuzushiji-MNIST",
    folder="KMNIST",
    md5=_md5(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)


@dataset("mnist", files=False)
def mnist(request: Request) -> Dataset:
    """Handwritten digits, 60,000 for training and 10,000 for the test, 28x28 grey (LeCun et al., 1998)."""
    return _dataset(MNIST, request, mnist_splits(), name="mnist", extractor="mnist-cnn")


@dataset("fashion_mnist")
def fashion_mnist(request: Request) -> Dataset:
    """Pictures of clothing, 60,000 for training and 10,000 for the test, 28x28 grey (arXiv 1708.07747)."""
    splits = native_splits(FASHION_MNIST, request)
    return _dataset(FASHION_MNIST, request, splits, name="fashion_mnist", extractor="fashion-cnn")


@dataset("kmnist")
def kmnist(request: Request) -> Dataset:
    """Cursive Japanese characters, 60,000 for training and 10,000 for the test, 28x28 grey (arXiv 1812.01718)."""
    return _dataset(KMNIST, request, native_splits(KMNIST, request), name="kmnist", extractor="trained")


def _dataset(files: Files, request: Request, splits: tuple[Split, Split], *, name: str, extractor: str) -> Dataset:
    train, test = splits
    return image_dataset(
        request,
        name=name,
        title=files.title,
        train=train,
        test=test,
        class_names=files.classes,
        extractor=extractor,
    )


def mnist_splits() -> tuple[Split, Split]:
    """Both splits of MNIST at their native size, from this package's archives, which are unpacked once into the cache.

    Raises:
        GanZooError: an archive of the package is damaged.
        StorageError: the cache folder cannot be written to.
    """
    root = default_root()
    archives = [PACKAGED / f"{name}.gz" for name in MNIST.md5]
    unpacked = [path.with_suffix("") for path in MNIST.archives(root)]
    pairs = list(zip(archives, unpacked, MNIST.md5.values(), strict=True))
    if not all(idx.is_intact(file, archive) for archive, file, _ in pairs):
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(root / LOCK).acquire()
        with lock:
            for archive, file, md5 in pairs:
                idx.check(archive, md5)
                if not idx.is_intact(file, archive):
                    with atomic_path(file) as part:
                        idx.extract(archive, part)
    return _read(MNIST, root)


def native_splits(files: Files, request: Request) -> tuple[Split, Split]:
    """Both splits at their native size. Raises GanZooError on a damaged file, DataMissing where there is none."""
    source = request.root or default_root()
    target = source if is_writable(files.raw(source), source) else default_root()
    if files.are_extracted(source):
        files.check(source)
        return _read(files, source)
    with locked(target, files.title):
        files.check(source)
        files.check(target)
        if not files.are_extracted(target):
            _extract(files, source, target, request.download)
    return _read(files, target)


def _extract(files: Files, source: Path, target: Path, download: bool) -> None:
    """Extract, and download where allowed, in a staging folder of `target`; only whole files are moved into place."""
    archives = [archive.relative_to(target) for archive in files.archives(target)]
    made = [str(path) for archive in archives for path in (archive, archive.with_suffix(""))]
    with staged(target, made) as staging:
        files.raw(staging).mkdir(parents=True)
        copied = [_copy(archive, (target, source), staging) for archive in archives]
        if not all(copied):
            if not download:
                raise missing(files.title, "and was not to be downloaded")
            _download(files, staging)
        for archive in archives:
            idx.extract(staging / archive, (staging / archive).with_suffix(""))


def _copy(archive: Path, roots: tuple[Path, ...], staging: Path) -> bool:
    """Copy a verified archive from the first root that has it into `staging`; False where none does."""
    for root in roots:
        if (root / archive).is_file():
            shutil.copyfile(root / archive, staging / archive)
            return True
    return False


def _download(files: Files, root: Path) -> None:
    """Let torchvision fetch and verify the archives that are missing. Raises DataMissing where it cannot."""
    # torchvision takes longer to import than torch, and is needed for nothing but its mirrors.
    from torchvision import datasets

    with network(files.title):
        getattr(datasets, files.folder)(root, download=True)


def _read(files: Files, root: Path) -> tuple[Split, Split]:
    """Both splits from extracted files. Raises GanZooError where they do not hold grey images and as many labels."""
    try:
        images, labels, test_images, test_labels = (idx.read(path.with_suffix("")) for path in files.archives(root))
        return _split(files, images, labels), _split(files, test_images, test_labels)
    except (OSError, ValueError) as error:
        folder = files.raw(root)
        raise GanZooError(
            f"data files in {folder} are damaged: delete them to have them extracted or downloaded again"
        ) from error


def _split(files: Files, images: Tensor, labels: Tensor) -> Split:
    if images.ndim != 3 or labels.ndim != 1 or not 0 < len(images) == len(labels) or labels.max() >= len(files.classes):
        raise ValueError("not grey images and a label for each")
    return Split(images.unsqueeze(1), labels.long())
