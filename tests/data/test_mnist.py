"""MNIST comes with the package: the official archives, unpacked once into the cache."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torchvision

from gan_zoo import data
from gan_zoo.data import torchvision_sets
from gan_zoo.errors import GanZooError, StorageError

RAW = Path("gan-zoo/data/MNIST/raw")


def ages(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_sizes_labels_and_pixels_are_those_of_mnist(cache: Path) -> None:
    mnist = data.load("mnist", side=28)
    assert (len(mnist.train), len(mnist.test), mnist.shape) == (60_000, 10_000, (1, 28, 28))
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # Mean and deviation that the field uses to standardize MNIST.
    pixels = mnist.train.images.to(torch.float64) / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.1307, 0.3081)


def test_torchvision_reads_the_same_from_the_cache_without_a_download(cache: Path) -> None:
    loaded = data.load("mnist", side=28)
    for split, train in ((loaded.train, True), (loaded.test, False)):
        theirs = torchvision.datasets.MNIST(cache / "gan-zoo" / "data", train=train, download=False)
        assert torch.equal(split.images[:, 0], theirs.data)
        assert torch.equal(split.labels, theirs.targets)


def test_archives_are_the_official_ones_and_have_a_notice() -> None:
    digests = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in torchvision_sets.PACKAGED.glob("*.gz")}
    assert digests == dict(torchvision.datasets.MNIST.resources)
    notice = (torchvision_sets.PACKAGED / "NOTICE.md").read_text(encoding="utf-8")
    assert "CC-BY-SA-3.0" in notice
    assert all(name in notice and digest in notice for name, digest in digests.items())


def test_unpacked_once_by_several_at_once_and_the_package_is_not_written_to(cache: Path) -> None:
    before = ages(torchvision_sets.PACKAGED)
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: data.load("mnist", side=28), range(4)))
    assert len({each.fingerprint for each in loaded}) == 1
    unpacked = ages(cache / RAW)
    assert set(unpacked) == set(torchvision_sets.MNIST.md5)
    data.load("mnist", side=28)
    assert ages(cache / RAW) == unpacked
    assert ages(torchvision_sets.PACKAGED) == before


@pytest.mark.parametrize("content", [b"", b"cut short"])
def test_a_damaged_file_in_the_cache_is_unpacked_again(cache: Path, content: bytes) -> None:
    fingerprint = data.load("mnist", side=28).fingerprint
    (cache / RAW / "train-labels-idx1-ubyte").write_bytes(content)
    assert data.load("mnist", side=28).fingerprint == fingerprint


def test_a_damaged_archive_of_the_package_is_one_line_with_its_path(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for archive in torchvision_sets.PACKAGED.glob("*.gz"):
        (tmp_path / archive.name).write_bytes(archive.read_bytes()[:-1])
    monkeypatch.setattr(torchvision_sets, "PACKAGED", tmp_path)
    with pytest.raises(GanZooError, match="is damaged") as raised:
        data.load("mnist")
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cache_that_cannot_be_written_to_is_one_line_with_its_path(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=str(cache)):
        data.load("mnist")


def test_no_other_files_are_read(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files for everyone, whatever folder the user names."""
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "nowhere"))
    assert len(data.load("mnist", side=28).train) == 60_000
    assert len(data.load("mnist", side=28, root=tmp_path).train) == 60_000
