"""MNIST and its likes through torchvision, from files that are checked first and never half-written."""

import contextlib
import io
import os
import shutil
import socket
import struct
import tempfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from gan_zoo.data.registry import DATA_ENV, DataMissing, Request, cache_root, dataset, image_dataset
from gan_zoo.data.splits import Dataset, Split
from gan_zoo.errors import GanZooError

_TIMEOUT_SECONDS = 20.0
_LOCK = ".gan-zoo.lock"
_ClassOfSet = type[datasets.MNIST]


@dataset("mnist")
def mnist(request: Request) -> Dataset:
    """Handwritten digits, 60,000 for training and 10,000 for the test, 28x28 grey (LeCun et al., 1998)."""
    train, test = _splits(datasets.MNIST, "MNIST", request)
    return image_dataset(
        request,
        name="mnist",
        title="MNIST",
        train=train,
        test=test,
        class_names=[str(digit) for digit in range(10)],
        extractor="mnist-cnn",
    )


@dataset("fashion_mnist")
def fashion_mnist(request: Request) -> Dataset:
    """Pictures of clothing, 60,000 for training and 10,000 for the test, 28x28 grey (arXiv 1708.07747)."""
    train, test = _splits(datasets.FashionMNIST, "Fashion-MNIST", request)
    return image_dataset(
        request,
        name="fashion_mnist",
        title="Fashion-MNIST",
        train=train,
        test=test,
        class_names=datasets.FashionMNIST.classes,
        extractor="fashion-cnn",
    )


def _splits(set_class: _ClassOfSet, title: str, request: Request) -> tuple[Split, Split]:
    """Both splits at their native size. Raises GanZooError on a damaged file, DataMissing where there is none."""
    source = request.root or cache_root()
    target = source if _is_writable(_raw(source, set_class)) else cache_root()
    if _is_extracted(source, set_class):
        _check_files(source, set_class)
        return _read(source, set_class)
    try:
        target.mkdir(parents=True, exist_ok=True)
        held = FileLock(target / _LOCK).acquire()
    except OSError as error:
        raise _missing(title, f"and the folder {target} cannot be written to") from error
    with held:
        _check_files(source, set_class)
        _check_files(target, set_class)
        if not _is_extracted(target, set_class):
            _extract(set_class, title, source, target, request.download)
    return _read(target, set_class)


def _extract(set_class: _ClassOfSet, title: str, source: Path, target: Path, download: bool) -> None:
    """Extract, and download where allowed, in a staging folder of `target`; only whole files are moved into place."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".gan-zoo-") as folder:
        staging = _raw(Path(folder), set_class)
        staging.mkdir(parents=True)
        here = [archive for archive, _ in set_class.resources if _copy(archive, source, target, staging, set_class)]
        if len(here) < len(set_class.resources) and not download:
            raise _missing(title, "and was not to be downloaded")
        try:
            with _quiet_network():
                set_class(folder, download=True)
        except (OSError, HTTPException, RuntimeError) as error:
            if len(here) == len(set_class.resources):
                raise GanZooError(f"{title} cannot be extracted in {target} ({error}): make room there") from error
            raise _missing(title, "and could not be downloaded") from error
        final = _raw(target, set_class)
        final.mkdir(parents=True, exist_ok=True)
        for path in staging.iterdir():
            path.replace(final / path.name)


def _copy(archive: str, source: Path, target: Path, staging: Path, set_class: _ClassOfSet) -> bool:
    """Copy a verified archive from the first of both roots that has it into `staging`; False where neither does."""
    for root in (target, source):
        path = _raw(root, set_class) / archive
        if path.is_file():
            shutil.copyfile(path, staging / archive)
            return True
    return False


def _check_files(root: Path, set_class: _ClassOfSet) -> None:
    """Raise GanZooError on a damaged archive (torchvision's MD5) or extracted file (the archive's CRC, or its size)."""
    for archive, md5 in set_class.resources:
        compressed = _raw(root, set_class) / archive
        extracted = compressed.with_suffix("")
        has_archive = compressed.is_file()
        if has_archive and not check_integrity(compressed, md5):
            raise GanZooError(
                f"data file {compressed} is damaged (its MD5 is not {md5}): delete it to have it downloaded again, "
                "or put a good copy in its place"
            )
        if extracted.is_file() and not _is_intact(extracted, compressed if has_archive else None):
            raise GanZooError(f"data file {extracted} is damaged: delete it to have it extracted or downloaded again")


def _is_intact(extracted: Path, archive: Path | None) -> bool:
    """Whether an idx file is what its gzip archive holds (RFC 1952: CRC-32 and size at its end), or its header says."""
    content = extracted.read_bytes()
    if archive is not None:
        with archive.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            return (zlib.crc32(content), len(content)) == struct.unpack("<II", file.read(8))
    dimensions = content[3] if len(content) > 3 else 0
    header = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < header:
        return False
    count = 1
    for size in struct.unpack(f">{dimensions}I", content[4:header]):
        count *= size
    return len(content) == header + count


def _read(root: Path, set_class: _ClassOfSet) -> tuple[Split, Split]:
    """Both splits from extracted files. Raises GanZooError where they do not hold grey images and as many labels."""
    splits = []
    for train in (True, False):
        try:
            loaded = set_class(root, train=train)
        except (AssertionError, KeyError, OSError, RuntimeError, ValueError) as error:
            raise _unreadable(root, set_class) from error
        images, labels = loaded.data, loaded.targets
        in_range = ((labels >= 0) & (labels < len(set_class.classes))).all()
        if images.ndim != 3 or labels.ndim != 1 or not 0 < len(images) == len(labels) or not in_range:
            raise _unreadable(root, set_class)
        splits.append(Split(images.unsqueeze(1), labels))
    return splits[0], splits[1]


def _unreadable(root: Path, set_class: _ClassOfSet) -> GanZooError:
    folder = _raw(root, set_class)
    return GanZooError(f"data files in {folder} are damaged: delete them to have them extracted or downloaded again")


def _missing(title: str, why: str) -> DataMissing:
    remedy = f"name the folder of its files with {DATA_ENV} or --data-root, or allow --fallback digits"
    return DataMissing(f"{title} is not here {why}", remedy)


def _raw(root: Path, set_class: _ClassOfSet) -> Path:
    """The folder in which torchvision keeps a set's files."""
    return root / set_class.__name__ / "raw"


def _is_extracted(root: Path, set_class: _ClassOfSet) -> bool:
    folder = _raw(root, set_class)
    return all((folder / archive).with_suffix("").is_file() for archive, _ in set_class.resources)


def _is_writable(raw: Path) -> bool:
    """Whether `raw` and the two folders above it, where they exist, may be written to.

    The mode counts too: a superuser passes every access check, yet a folder without a write bit is meant to stay as is.
    """
    existing = [folder for folder in (raw, raw.parent, raw.parent.parent) if folder.exists()]
    return all(os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222 for folder in existing)


@contextlib.contextmanager
def _quiet_network() -> Iterator[None]:
    """No progress bars, and no waiting on a silent server beyond the timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
