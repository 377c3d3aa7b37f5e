import errno
import gzip
import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from filelock import FileLock
from full_disk import full_disk
from torchvision.datasets import utils as torchvision_utils

from gan_zoo import data
from gan_zoo.data import torchvision_sets
from gan_zoo.errors import GanZooError, StorageError

WriteArchives = Callable[[Path], Path]
IMAGES = "train-images-idx3-ubyte"


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (root, *root.rglob("*"))}


@pytest.fixture
def read_only(tmp_path: Path, write_archives: WriteArchives) -> Iterator[Path]:
    """A root with the small archives in which no folder and no file has a write bit."""
    root = tmp_path / "read-only"
    write_archives(root)
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield root
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def assert_holds(loaded: data.Dataset, contents: dict[str, np.ndarray]) -> None:
    for split, prefix in ((loaded.train, "train"), (loaded.test, "t10k")):
        assert np.array_equal(split.images[:, 0].numpy(), contents[f"{prefix}-images-idx3-ubyte"])
        assert np.array_equal(split.labels.numpy(), contents[f"{prefix}-labels-idx1-ubyte"])


def test_archives_are_extracted_beside_themselves_and_nothing_else_stays(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, contents: dict[str, np.ndarray]
) -> None:
    raw = write_archives(tmp_path / "root")
    assert_holds(data.load("fashion_mnist", side=28, root=tmp_path / "root"), contents)
    assert {path.name for path in raw.iterdir()} == set(contents) | {f"{name}.gz" for name in contents}
    assert not [path for path in (tmp_path / "root").iterdir() if path.is_dir() and path.name != "FashionMNIST"]
    before = snapshot(raw)
    assert_holds(data.load("fashion_mnist", side=28, root=tmp_path / "root", download=False), contents)
    assert snapshot(raw) == before
    assert not cache.exists()


def test_root_without_write_bits_is_read_through_the_cache(
    cache: Path, read_only: Path, contents: dict[str, np.ndarray]
) -> None:
    before = snapshot(read_only)
    assert_holds(data.load("fashion_mnist", side=28, root=read_only), contents)
    assert snapshot(read_only) == before
    assert (cache / "gan-zoo" / "data" / "FashionMNIST" / "raw" / IMAGES).is_file()
    assert_holds(data.load("fashion_mnist", side=28, root=read_only, download=False), contents)


def test_damaged_archive_in_a_root_without_write_bits_is_refused_though_the_cache_is_good(
    cache: Path, read_only: Path
) -> None:
    data.load("fashion_mnist", root=read_only)
    archive = read_only / "FashionMNIST" / "raw" / f"{IMAGES}.gz"
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-100])
    archive.chmod(0o444)
    with pytest.raises(GanZooError, match="is damaged"):
        data.load("fashion_mnist", root=read_only)


@pytest.mark.parametrize("keep", [0, 5, 1000])
def test_truncated_archive_is_named_and_not_replaced(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, keep: int
) -> None:
    archive = write_archives(tmp_path / "root") / f"{IMAGES}.gz"
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(GanZooError) as raised:
        data.load("fashion_mnist", root=tmp_path / "root")
    assert str(archive) in str(raised.value)
    assert "delete it" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert archive.stat().st_size == keep


@pytest.mark.parametrize("with_archive", [True, False])
@pytest.mark.parametrize("name", [IMAGES, "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("keep", [0, 7, 25])
def test_truncated_extracted_file_is_named(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, name: str, keep: int, with_archive: bool
) -> None:
    raw = write_archives(tmp_path / "root")
    data.load("fashion_mnist", root=tmp_path / "root")
    extracted = raw / name
    extracted.write_bytes(extracted.read_bytes()[:keep])
    if not with_archive:
        for archive in raw.glob("*.gz"):
            archive.unlink()
    with pytest.raises(GanZooError, match="is damaged") as raised:
        data.load("fashion_mnist", root=tmp_path / "root")
    assert str(extracted) in str(raised.value)


def test_one_changed_pixel_is_noticed_beside_the_archive(
    cache: Path, tmp_path: Path, write_archives: WriteArchives
) -> None:
    extracted = write_archives(tmp_path / "root") / IMAGES
    data.load("fashion_mnist", root=tmp_path / "root")
    content = bytearray(extracted.read_bytes())
    content[100] ^= 1
    extracted.write_bytes(content)
    with pytest.raises(GanZooError, match="is damaged"):
        data.load("fashion_mnist", root=tmp_path / "root")


def test_labels_out_of_range_are_refused(cache: Path, tmp_path: Path, write_archives: WriteArchives) -> None:
    raw = write_archives(tmp_path / "root")
    data.load("fashion_mnist", root=tmp_path / "root")
    for archive in raw.glob("*.gz"):
        archive.unlink()
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + bytes([10]))
    with pytest.raises(GanZooError, match="are damaged"):
        data.load("fashion_mnist", root=tmp_path / "root")


def test_missing_archive_is_downloaded_with_a_timeout_and_its_failure_leaves_nothing_behind(
    cache: Path,
    tmp_path: Path,
    write_archives: WriteArchives,
    timeout_seen: list[float],
    capfd: pytest.CaptureFixture[str],
) -> None:
    raw = write_archives(tmp_path / "root")
    (raw / f"{IMAGES}.gz").unlink()
    before = snapshot(raw)
    with pytest.raises(data.DataMissing, match="MNIST is not here and could not be downloaded"):
        data.load("fashion_mnist", root=tmp_path / "root")
    assert timeout_seen
    assert set(timeout_seen) == {20.0}
    assert socket.getdefaulttimeout() is None
    assert snapshot(raw) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("free", [100, 10_000], ids=["copying", "extracting"])
def test_a_full_disk_is_one_line_with_the_folder_and_leaves_it_as_it_was(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, free: int
) -> None:
    raw = write_archives(tmp_path / "root")
    (raw / f"{IMAGES}.gz").write_bytes(gzip.compress(bytes(50_000)))
    md5 = torchvision_sets.FASHION_MNIST.md5 | {IMAGES: hashlib.md5((raw / f"{IMAGES}.gz").read_bytes()).hexdigest()}
    before = sorted(raw.iterdir())
    with pytest.MonkeyPatch.context() as patch, full_disk(free):
        patch.setattr(torchvision_sets, "FASHION_MNIST", replace(torchvision_sets.FASHION_MNIST, md5=md5))
        with pytest.raises(StorageError, match=rf"cannot write {tmp_path / 'root'}: File too large") as raised:
            data.load("fashion_mnist", root=tmp_path / "root")
    assert "\n" not in str(raised.value)
    assert sorted(raw.iterdir()) == before
    assert {path.name for path in (tmp_path / "root").iterdir()} <= {"FashionMNIST", ".gan-zoo.lock"}


def test_a_download_onto_a_full_disk_does_not_blame_the_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def retrieve(url: str, path: str) -> None:
        if url.startswith("https:"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise URLError("no network")  # torchvision tries again without TLS

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(torchvision_utils, "_urlretrieve", retrieve)
    with pytest.raises(StorageError, match=rf"{cache}.*No space left"):
        data.load("cifar10")
    assert [path.name for path in data.default_root().iterdir()] in ([], [".gan-zoo.lock"])


def test_download_that_is_not_wanted_is_not_tried(cache: Path, timeout_seen: list[float]) -> None:
    with pytest.raises(data.DataMissing, match="was not to be downloaded"):
        data.load("fashion_mnist", download=False)
    assert timeout_seen == []


def test_cache_that_cannot_be_made_counts_as_missing(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(data.DataMissing, match=f"{cache}.* cannot be written to"):
        data.load("fashion_mnist")


def test_several_at_once_extract_once_and_agree(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, contents: dict[str, np.ndarray]
) -> None:
    write_archives(tmp_path / "root")
    with ThreadPoolExecutor(4) as pool:
        for loaded in pool.map(lambda _: data.load("fashion_mnist", side=28, root=tmp_path / "root"), range(4)):
            assert_holds(loaded, contents)


def test_real_fashion_mnist(data_root: Path) -> None:
    fashion = data.load("fashion_mnist", side=32, channels=3)
    assert (len(fashion.train), len(fashion.test), fashion.shape) == (60_000, 10_000, (3, 32, 32))
    assert fashion.train.labels.bincount().tolist() == [6000] * 10
    assert fashion.class_names[0] == "T-shirt/top"


def test_a_missing_set_leaves_the_folder_unlocked(cache):
    """Worker processes look again after their parent: a lock that it kept would make them wait for ever."""
    with pytest.raises(data.DataMissing):
        data.load("fashion_mnist")
    held = FileLock(data.default_root() / ".gan-zoo.lock", timeout=1).acquire()
    held.lock.release()


@pytest.mark.parametrize(
    "files",
    [torchvision_sets.MNIST, torchvision_sets.FASHION_MNIST, torchvision_sets.KMNIST],
    ids=lambda files: files.folder,
)
def test_the_files_are_those_of_torchvision(files: torchvision_sets.Files) -> None:
    theirs = getattr(torchvision.datasets, files.folder)
    assert [(f"{name}.gz", md5) for name, md5 in files.md5.items()] == theirs.resources
    if files is not torchvision_sets.MNIST:
        assert list(files.classes) == theirs.classes


def test_real_data_are_those_that_torchvision_reads(data_root: Path) -> None:
    loaded = data.load("fashion_mnist", side=28)
    for split, train in ((loaded.train, True), (loaded.test, False)):
        theirs = torchvision.datasets.FashionMNIST(data_root, train=train)
        assert torch.equal(split.images[:, 0], theirs.data)
        assert torch.equal(split.labels, theirs.targets)


def test_a_file_of_other_values_than_bytes_is_refused(
    cache: Path, tmp_path: Path, write_archives: WriteArchives
) -> None:
    raw = write_archives(tmp_path / "root")
    data.load("fashion_mnist", root=tmp_path / "root")
    for archive in raw.glob("*.gz"):
        archive.unlink()
    images = raw / IMAGES
    images.write_bytes(bytes([0, 0, 13]) + images.read_bytes()[3:])
    with pytest.raises(GanZooError, match="is damaged"):
        data.load("fashion_mnist", root=tmp_path / "root")


def test_files_are_extracted_where_nothing_can_be_downloaded(
    cache: Path, tmp_path: Path, write_archives: WriteArchives, contents: dict[str, np.ndarray]
) -> None:
    write_archives(tmp_path / "root")
    assert_holds(data.load("fashion_mnist", side=28, root=tmp_path / "root", download=False), contents)
