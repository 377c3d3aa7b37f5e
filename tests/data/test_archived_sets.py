"""EMNIST, CIFAR-10, SVHN and STL-10 from small files in the formats that their authors describe."""

import gzip
import hashlib
import io
import pickle
import string
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets as theirs
from scipy.io import savemat

from gan_zoo import data
from gan_zoo.data import archived_sets
from gan_zoo.errors import GanZooError

TRAIN, TEST = 20, 6
NAMES = ("cifar10", "emnist", "stl10", "svhn")
ARCHIVED = ("cifar10", "emnist", "stl10")


@dataclass(frozen=True)
class Small:
    """A small set: the files by their places below a root, its archive, and what must be read from it."""

    files: dict[str, bytes]
    archive: tuple[str, bytes] | None
    images: tuple[np.ndarray, np.ndarray]
    labels: tuple[np.ndarray, np.ndarray]

    def write(self, root: Path) -> Path:
        for name, content in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root

    def write_archive(self, root: Path) -> Path:
        assert self.archive is not None
        path = root / self.archive[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.archive[1])
        return path


def _random(shape: tuple[int, ...], classes: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Images (N, *shape) and labels from 0, of both splits."""
    random = np.random.default_rng(0)
    images = tuple(random.integers(0, 256, (size, *shape), dtype=np.uint8) for size in (TRAIN, TEST))
    return images, tuple(np.arange(size) % classes for size in (TRAIN, TEST))


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in {**files, "other/unlabeled_X.bin": b"passed over"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _cifar10() -> Small:
    """Pickled dictionaries: a row of 3072 bytes an image, its red, green and blue planes."""
    images, labels = _random((3, 32, 32), 10)
    parts = [*zip(np.split(images[0], 5), np.split(labels[0], 5), strict=True), (images[1], labels[1])]
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {
        f"cifar-10-batches-py/{name}": pickle.dumps({"data": part.reshape(-1, 3072), "labels": of_part.tolist()})
        for name, (part, of_part) in zip(names, parts, strict=True)
    }
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps({"label_names": list("0123456789")})
    return Small(files, ("cifar-10-python.tar.gz", _tar(files)), images, labels)


def _stl10() -> Small:
    """Bytes, column by column, of three planes an image; labels from 1."""
    images, labels = _random((3, 96, 96), 10)
    files = {}
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        files[f"stl10_binary/{split}_X.bin"] = part.swapaxes(2, 3).tobytes()
        files[f"stl10_binary/{split}_y.bin"] = (of_part + 1).astype(np.uint8).tobytes()
    return Small(files, ("stl10_binary.tar.gz", _tar(files)), images, labels)


def _svhn() -> Small:
    """MATLAB files: X of (32, 32, 3, N), y of (N, 1), in which 10 stands for the digit 0."""
    images, labels = _random((3, 32, 32), 10)
    files = {}
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        packed = io.BytesIO()
        savemat(packed, {"X": part.transpose(2, 3, 1, 0), "y": np.where(of_part == 0, 10, of_part)[:, None]})
        files[f"{split}_32x32.mat"] = packed.getvalue()
    return Small(files, None, images, labels)


def _emnist() -> Small:
    """Idx files of images with rows and columns exchanged, gzipped, in a zip; labels from 1."""
    images, labels = _random((1, 28, 28), 26)
    files, packed = {}, io.BytesIO()
    for split, part, of_part in zip(("train", "test"), images, labels, strict=True):
        stem = f"EMNIST/raw/emnist-letters-{split}"
        files[f"{stem}-images-idx3-ubyte"] = idx_bytes(np.ascontiguousarray(part[:, 0].swapaxes(1, 2)))
        files[f"{stem}-labels-idx1-ubyte"] = idx_bytes((of_part + 1).astype(np.uint8))
    with zipfile.ZipFile(packed, "w") as held:
        held.writestr("gzip/emnist-byclass-train-images-idx3-ubyte.gz", b"passed over")
        for name, content in files.items():
            held.writestr(f"gzip/{Path(name).name}.gz", gzip.compress(content))
    return Small(files, ("EMNIST/raw/gzip.zip", packed.getvalue()), images, labels)


MAKE: dict[str, Callable[[], Small]] = {"cifar10": _cifar10, "stl10": _stl10, "svhn": _svhn, "emnist": _emnist}


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format of unsigned bytes: its magic number, the sizes as 32 bits each, big-endian, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def make_small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Small]:
    """A function that makes a small set, whose MD5s are then expected here and in torchvision."""

    def make(name: str) -> Small:
        small = MAKE[name]()
        source = getattr(archived_sets, name.upper())
        files = {path: _md5(small.files[path]) if md5 else "" for path, md5 in source.files.items()}
        content = {small.archive[0]: small.archive[1]} if small.archive else small.files
        remotes = tuple(remote._replace(md5=_md5(content[remote.path])) for remote in source.remotes)
        monkeypatch.setattr(archived_sets, name.upper(), replace(source, files=files, remotes=remotes))
        digests = {Path(path).name: md5 for path, md5 in files.items()}
        if name in ("cifar10", "stl10"):
            theirs_class = getattr(theirs, name.upper())
            for part in ("train_list", "test_list"):
                known = [[file, digests.get(file, md5)] for file, md5 in getattr(theirs_class, part)]
                monkeypatch.setattr(theirs_class, part, known)
        if name == "cifar10":
            monkeypatch.setitem(theirs.CIFAR10.meta, "md5", digests["batches.meta"])
        if name == "svhn":
            for split in ("train", "test"):
                entry = theirs.SVHN.split_list[split]
                monkeypatch.setitem(theirs.SVHN.split_list, split, [*entry[:2], digests[entry[1]]])
        return small

    return make


def assert_holds(loaded: data.Dataset, small: Small) -> None:
    for split, images, labels in zip((loaded.train, loaded.test), small.images, small.labels, strict=True):
        assert np.array_equal(split.images.numpy(), images)
        assert np.array_equal(split.labels.numpy(), labels)
    assert loaded.extractor == "trained"


@pytest.mark.parametrize("name", NAMES)
def test_files_below_the_root_are_read_without_a_network(
    make_small: Callable[[str], Small], tmp_path: Path, cache: Path, name: str
) -> None:
    small = make_small(name)
    side = small.images[0].shape[-1]
    root = small.write(tmp_path / "root")
    loaded = data.load(name, side=side, root=root, download=False)
    assert_holds(loaded, small)
    assert data.native_side(name) == side
    assert {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} == set(small.files)
    assert not cache.exists()


@pytest.mark.parametrize("name", ARCHIVED)
@pytest.mark.parametrize("writable", [True, False])
def test_an_archive_is_unpacked_beside_itself_or_into_the_cache(
    make_small: Callable[[str], Small], tmp_path: Path, cache: Path, name: str, writable: bool
) -> None:
    small = make_small(name)
    archive = small.write_archive(tmp_path / "root")
    archive.parent.chmod(0o755 if writable else 0o555)
    loaded = data.load(name, side=small.images[0].shape[-1], root=tmp_path / "root", download=False)
    archive.parent.chmod(0o755)
    assert_holds(loaded, small)
    place = tmp_path / "root" if writable else cache / "gan-zoo" / "data"
    made = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert made - {small.archive[0], ".gan-zoo.lock"} == set(small.files)


@pytest.mark.parametrize("name", ARCHIVED)
def test_a_damaged_archive_is_named_and_left_alone(
    make_small: Callable[[str], Small], tmp_path: Path, name: str
) -> None:
    archive = make_small(name).write_archive(tmp_path / "root")
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(GanZooError, match="is damaged") as raised:
        data.load(name, root=tmp_path / "root")
    assert str(archive) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_one_clear_line(make_small: Callable[[str], Small], tmp_path: Path, name: str) -> None:
    small = make_small(name)
    root = small.write(tmp_path / "root")
    cut = root / next(iter(small.files))
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(GanZooError, match="damaged") as raised:
        data.load(name, root=root)
    assert str(cut.parent if name == "emnist" else cut) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_set_that_cannot_be_had_is_missing_and_leaves_nothing(cache: Path, tmp_path: Path, name: str) -> None:
    for download, why in ((True, "could not be downloaded"), (False, "was not to be downloaded")):
        with pytest.raises(data.DataMissing, match=f"is not here and {why}: .*GAN_ZOO_DATA.*--data-root"):
            data.load(name, root=tmp_path, download=download)
    assert not [path for path in tmp_path.iterdir() if path.name not in (".gan-zoo.lock", "cache")]


def test_labels_that_name_no_class_are_refused(make_small: Callable[[str], Small], tmp_path: Path) -> None:
    root = make_small("emnist").write(tmp_path / "root")
    labels = root / "EMNIST" / "raw" / "emnist-letters-test-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.full(TEST, 27, dtype=np.uint8)))
    with pytest.raises(GanZooError, match="are damaged"):
        data.load("emnist", root=root)


def test_files_archives_and_classes_are_those_of_torchvision() -> None:
    cifar, stl = theirs.CIFAR10, theirs.STL10
    expected = {f"{cifar.base_folder}/{file}": md5 for file, md5 in [*cifar.train_list, *cifar.test_list]}
    expected[f"{cifar.base_folder}/{cifar.meta['filename']}"] = cifar.meta["md5"]
    assert archived_sets.CIFAR10.files == expected
    labelled = [*stl.train_list, *stl.test_list]
    assert archived_sets.STL10.files == {
        f"{stl.base_folder}/{file}": md5 for file, md5 in labelled if "unl" not in file
    }
    for source, kind in ((archived_sets.CIFAR10, cifar), (archived_sets.STL10, stl)):
        assert source.remotes == ((kind.filename, kind.url, kind.tgz_md5),)
    assert archived_sets.EMNIST.remotes == (("EMNIST/raw/gzip.zip", theirs.EMNIST.url, theirs.EMNIST.md5),)
    assert list(archived_sets.EMNIST.classes) == theirs.EMNIST.classes_split_dict["letters"][1:]
    assert list(archived_sets.EMNIST.classes) == list(string.ascii_lowercase)
    svhn = [(name, url, md5) for url, name, md5 in (theirs.SVHN.split_list[split] for split in ("train", "test"))]
    assert list(archived_sets.SVHN.remotes) == svhn
    assert archived_sets.SVHN.files == {name: md5 for name, _, md5 in svhn}
