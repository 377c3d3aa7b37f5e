"""Files of data sets: unpacked once, beside their archives or in the cache; damaged, missing and on full disks."""

import errno
import gzip
import hashlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import pytest
import torchvision
from filelock import FileLock
from full_disk import full_disk
from small_sets import NAMES, assert_loads, expect_digests, write
from torchvision.datasets import utils as torchvision_utils

from gan_zoo import data
from gan_zoo.data import download
from gan_zoo.data.torchvision_sets import SETS
from gan_zoo.errors import GanZooError, StorageError

ARCHIVED = tuple(name for name in NAMES if name != "svhn")
IMAGES = "FashionMNIST/raw/train-images-idx3-ubyte"
LOCK = ".gan-zoo.lock"


def snapshot(root):
    """Time and size of every file and folder but the lock's."""
    paths = [path for path in root.rglob("*") if path.name != LOCK]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def files_below(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.name != LOCK}


def load_by_several(name, **options):
    """One of four equal data sets that were loaded at once."""
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: data.load(name, **options), range(4)))
    assert len({each.fingerprint for each in loaded}) == 1
    return loaded[0]


def refused(name, error=GanZooError, match=None, **options):
    """Loading the set raises an error of one line."""
    with pytest.raises(error, match=match) as raised:
        data.load(name, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ARCHIVED)
def test_archives_are_unpacked_beside_themselves(make_small, tmp_path, cache, name):
    small = make_small(name)
    root = write(small.archives, tmp_path / "root")
    assert_loads(name, small, root)
    assert files_below(root) == {*small.archives, *small.files}
    assert not [path for path in root.rglob("*") if path.is_symlink()]
    before = snapshot(root)
    assert_loads(name, small, root)
    assert snapshot(root) == before
    assert not cache.exists()


@pytest.mark.parametrize("name", ARCHIVED)
def test_archives_in_a_root_without_write_bits_are_unpacked_into_the_cache(make_small, tmp_path, cache, name):
    small = make_small(name)
    root = write(small.archives, tmp_path / "root")
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & 0o555)
    before = snapshot(root)
    assert_loads(name, small, root)
    assert_loads(name, small, root)
    assert snapshot(root) == before
    assert files_below(cache / "gan-zoo" / "data") == set(small.files)
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.parametrize("name", ARCHIVED)
@pytest.mark.parametrize("keep", [0, -10])
def test_a_damaged_archive_is_named_and_left_alone(make_small, tmp_path, name, keep):
    small = make_small(name)
    root = write(small.archives, tmp_path / "root")
    archive = root / next(iter(small.archives))
    archive.write_bytes(archive.read_bytes()[:keep])
    before = snapshot(root)
    refused(name, match=f"{archive} is damaged.*MD5.*delete it", root=root)
    assert snapshot(root) == before


@pytest.mark.parametrize("with_archives", [True, False])
@pytest.mark.parametrize("keep", [0, 7, -10])
@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_named(make_small, tmp_path, name, keep, with_archives):
    small = make_small(name)
    root = write(small.archives | small.files if with_archives else small.files, tmp_path / "root")
    file = root / next(iter(small.files))
    file.write_bytes(file.read_bytes()[:keep])
    refused(name, match=f"{file} is damaged", root=root)


def test_one_changed_pixel_is_noticed_beside_the_archive(make_small, tmp_path):
    small = make_small("fashion_mnist")
    root = write(small.archives | small.files, tmp_path / "root")
    content = bytearray(small.files[IMAGES])
    content[100] ^= 1
    (root / IMAGES).write_bytes(content)
    refused("fashion_mnist", match=f"{IMAGES} is damaged", root=root)


def test_a_failed_download_has_a_timeout_and_leaves_nothing_behind(make_small, tmp_path, monkeypatch, capfd):
    timeouts = []

    def refuse(*_, **__):
        timeouts.append(socket.getdefaulttimeout())
        raise TimeoutError("no answer")

    small = make_small("fashion_mnist")
    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", refuse)
    root = write(small.archives, tmp_path / "root")
    (root / f"{IMAGES}.gz").unlink()
    before = set(snapshot(root))
    refused("fashion_mnist", data.DataMissing, "MNIST is not here and could not be downloaded", root=root)
    assert set(timeouts) == {20.0}
    assert socket.getdefaulttimeout() is None
    assert set(snapshot(root)) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["fashion_mnist", "svhn"])
def test_what_is_missing_is_downloaded_once(make_small, tmp_path, monkeypatch, name):
    small = make_small(name)
    contents = {Path(file).name: content for file, content in small.archives.items()}
    requests = []

    def retrieve(url, path):
        requests.append(Path(path).name)
        Path(path).write_bytes(contents[requests[-1]])

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(torchvision_utils, "_urlretrieve", retrieve)
    first, *missing = small.archives
    root = write({first: small.archives[first]}, tmp_path / "root")
    load_by_several(name, root=root)
    assert sorted(requests) == sorted(Path(file).name for file in missing)
    assert_loads(name, small, root)


@pytest.mark.parametrize("name", NAMES)
def test_a_set_that_is_not_available_is_missing_and_leaves_nothing(cache, tmp_path, monkeypatch, name):
    remedy = ": .*GAN_ZOO_DATA.*--data-root"
    refused(name, data.DataMissing, f"is not here and could not be downloaded{remedy}", root=tmp_path)
    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", lambda *_: pytest.fail("it is downloaded"))
    refused(name, data.DataMissing, f"is not here and downloads are off{remedy}", root=tmp_path, download=False)
    assert not [path for path in tmp_path.iterdir() if path.name not in (LOCK, "cache")]
    # Worker processes load again after their parent: a lock that is not released would make them wait forever.
    FileLock(tmp_path / LOCK, timeout=1).acquire().lock.release()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_cache_that_cannot_be_written_to_is_one_line_with_its_path(cache, name):
    cache.write_text("a file where the folder should be")
    refused(name, StorageError, f"cannot write {cache}")


def test_a_full_disk_is_one_line_with_the_folder_and_leaves_it_as_it_was(make_small, tmp_path, monkeypatch):
    archives = make_small("fashion_mnist").archives | {f"{IMAGES}.gz": gzip.compress(bytes(50_000))}
    expect_digests(monkeypatch, "fashion_mnist", archives)
    root = write(archives, tmp_path / "root")
    before = set(snapshot(root))
    with full_disk(10_000):
        refused("fashion_mnist", StorageError, f"cannot write {root}: File too large", root=root)
    assert set(snapshot(root)) == before


def test_a_download_onto_a_full_disk_does_not_blame_the_network(cache, monkeypatch):
    def retrieve(url, path):
        if url.startswith("https:"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise URLError("no network")  # torchvision tries again without TLS

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(torchvision_utils, "_urlretrieve", retrieve)
    refused("cifar10", StorageError, f"{cache}.*No space left")
    assert not files_below(data.default_root())


def test_packaged_archives_are_the_official_ones_and_have_a_notice():
    digests = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in download.PACKAGED.glob("*.gz")}
    assert digests == dict(torchvision.datasets.MNIST.resources)
    notice = (download.PACKAGED / "NOTICE.md").read_text(encoding="utf-8")
    assert "CC-BY-SA-3.0" in notice
    assert all(name in notice and digest in notice for name, digest in digests.items())


def test_packaged_archives_are_unpacked_once_whatever_folder_is_named(cache, tmp_path, monkeypatch):
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "nowhere"))
    before = snapshot(download.PACKAGED)
    load_by_several("mnist", side=28)
    unpacked = snapshot(data.default_root())
    assert files_below(data.default_root()) == set(SETS["mnist"].files)
    assert len(data.load("mnist", side=28, root=tmp_path).train) == 60_000
    assert snapshot(data.default_root()) == unpacked
    assert snapshot(download.PACKAGED) == before


@pytest.mark.parametrize("content", [b"", b"cut short"])
def test_a_damaged_file_of_mnist_in_the_cache_is_unpacked_again(cache, content):
    fingerprint = data.load("mnist", side=28).fingerprint
    (data.default_root() / SETS["mnist"].files[1]).write_bytes(content)
    assert data.load("mnist", side=28).fingerprint == fingerprint


def test_a_damaged_archive_of_the_package_is_one_line_with_its_path(cache, tmp_path, monkeypatch):
    for archive in download.PACKAGED.glob("*.gz"):
        (tmp_path / archive.name).write_bytes(archive.read_bytes()[:-1])
    monkeypatch.setattr(download, "PACKAGED", tmp_path)
    refused("mnist", match=f"{tmp_path}.* is damaged")
