"""The files of torchvision's data sets: torchvision downloads, verifies and unpacks them below a data root, once."""

import contextlib
import io
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from gan_zoo.data.registry import DATA_ENV, DataMissing, Request, default_root
from gan_zoo.errors import GanZooError
from gan_zoo.io import full_disk, network_timeout, writing

PACKAGED = Path(__file__).parent / "mnist"
"""The folder of MNIST's archives in this package."""


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet:
    """A data set of torchvision.

    Attributes:
        title: the name in reports.
        description: content, sizes of the splits, size of the images, source.
        torchvision_name: name of the class in ``torchvision.datasets``.
        splits: arguments of that class for the training split and for the test split.
        archives: what is downloaded, as paths below a data root.
        files: what is read, as paths below a data root.
        read: the training split (0) or the test split (1) below a root: images uint8 (N, C, H, W), labels int64 (N,).
        classes: names of the classes, in label order.
        side: native height and width of the images.
        extractor: name of the default extractor.
        is_packaged: whether the archives are part of this package.
    """

    title: str
    description: str
    torchvision_name: str
    splits: tuple[Mapping[str, Any], Mapping[str, Any]] = ({"train": True}, {"train": False})
    archives: tuple[str, ...]
    files: tuple[str, ...]
    read: Callable[["TorchvisionSet", Path, int], tuple[Tensor, Tensor]]
    classes: tuple[str, ...]
    side: int = 28
    extractor: str = "trained"
    is_packaged: bool = False

    def torchvision_class(self) -> Any:
        """The class in ``torchvision.datasets``."""
        # torchvision imports torch's compiler, which takes seconds and which training does not need.
        from torchvision import datasets

        kind = getattr(datasets, self.torchvision_name)
        if self.torchvision_name != "STL10":
            return kind
        # torchvision requires the 2.7 GB of unlabelled images too.
        return type("LabelledSTL10", (kind,), {"train_list": kind.train_list[:2]})

    def digests(self) -> dict[str, str]:
        """MD5s (hex) of the archives and files by their names; torchvision has none of unpacked idx files."""
        kind = self.torchvision_class()
        known = [*getattr(kind, "resources", ()), *getattr(kind, "train_list", ()), *getattr(kind, "test_list", ())]
        known += [(name, md5) for _, name, md5 in getattr(kind, "split_list", {}).values()]
        if hasattr(kind, "meta"):
            known.append((kind.meta["filename"], kind.meta["md5"]))
        if hasattr(kind, "tgz_md5"):
            known.append((kind.filename, kind.tgz_md5))
        if hasattr(kind, "md5"):
            known.append((Path(kind.url).name, kind.md5))
        return dict(known)


def unpacked_root(source: TorchvisionSet, request: Request) -> Path:
    """The root that has a set's files: the requested one, or the cache folder if that is read-only and lacks them.

    Raises:
        GanZooError: an archive or a file is damaged.
        DataMissing: the files are neither on this machine nor available for download.
        StorageError: the files cannot be written.
    """
    root = default_root() if source.is_packaged else request.root or default_root()
    if _has_files(source, root):
        return root
    folder = (root / source.files[0]).parent
    existing = [path for path in (folder, *folder.parents) if path.is_relative_to(root) and path.exists()]
    # The mode counts too: a superuser passes every access check.
    is_writable = all(os.access(path, os.W_OK) and path.stat().st_mode & 0o222 for path in existing)
    target = root if is_writable else default_root()
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / ".gan-zoo.lock"):
            if not _has_files(source, target):
                _unpack(source, (target, root), target, request.download)
    return target


def _has_files(source: TorchvisionSet, root: Path) -> bool:
    """Whether all files are below a root, and packaged ones intact.

    Raises:
        GanZooError: a file that is not packaged differs from its gzip archive beside it.
    """
    for file in (root / path for path in source.files):
        if not file.is_file():
            return False
        archive = (PACKAGED if source.is_packaged else file.parent) / f"{file.name}.gz"
        if not archive.is_file():
            continue
        content = file.read_bytes()
        # A gzip archive ends with the CRC-32 and the size of its content (RFC 1952).
        if archive.read_bytes()[-8:] != struct.pack("<II", zlib.crc32(content), len(content)):
            if source.is_packaged:
                return False
            raise damaged(file)
    return True


def _unpack(source: TorchvisionSet, roots: tuple[Path, ...], target: Path, download: bool) -> None:
    """Let torchvision unpack below ``target`` the archives that are below the roots, and those that it downloads."""
    from torchvision.datasets.utils import check_md5

    digests = source.digests()
    with tempfile.TemporaryDirectory(dir=target, prefix=".gan-zoo-") as folder:
        staging = Path(folder)
        for path in source.archives:
            name = Path(path).name
            candidates = [PACKAGED / name] if source.is_packaged else [root / path for root in roots]
            archive = next((candidate for candidate in candidates if candidate.is_file()), None)
            if archive is None:
                if not download:
                    raise _missing(source, "and downloads are off")
                continue
            if not check_md5(archive, digests[name]):
                raise damaged(archive, digests[name])
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(archive, staging / path)
        try:
            # torchvision prints progress bars.
            with (
                network_timeout(),
                contextlib.redirect_stderr(io.StringIO()),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                for arguments in source.splits:
                    source.torchvision_class()(staging, download=True, **arguments)
        except (OSError, HTTPException, RuntimeError) as error:
            if full := full_disk(error):
                raise full from None
            raise _missing(source, "and could not be downloaded") from error
        for path in source.files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).replace(target / path)


def _missing(source: TorchvisionSet, why: str) -> DataMissing:
    return DataMissing(f"{source.title} is not here {why}: name the folder of its files with {DATA_ENV} or --data-root")


def damaged(path: Path, md5: str = "") -> GanZooError:
    """The error for a damaged file, or for a folder of which one file is damaged."""
    if path.is_dir():
        return GanZooError(f"data files in {path} are damaged: delete them to have them unpacked or downloaded again")
    why = f" (its MD5 is not {md5})" if md5 else ""
    return GanZooError(f"data file {path} is damaged{why}: delete it to have it downloaded again, or replace it")
