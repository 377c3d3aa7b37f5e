"""What is read from the files of torchvision's data sets, and Stacked MNIST."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from small_sets import NAMES, assert_loads, idx_bytes, write

from gan_zoo import data
from gan_zoo.data import torchvision_sets
from gan_zoo.data.torchvision_sets import SETS
from gan_zoo.errors import GanZooError


@pytest.mark.parametrize("name", NAMES)
def test_files_below_the_root_are_read_and_nothing_is_written(make_small, tmp_path, cache, name):
    small = make_small(name)
    root = write(small.files, tmp_path / "root")
    loaded = assert_loads(name, small, root)
    assert (data.native_side(name), loaded.class_names) == (loaded.shape[-1], SETS[name].classes)
    assert {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} == set(small.files)
    assert not cache.exists()


@pytest.mark.parametrize(
    "labels", [np.full(30, 27), np.arange(29), np.zeros((30, 1)), np.zeros(0)], ids=["class", "few", "shape", "none"]
)
def test_labels_that_do_not_fit_are_refused(make_small, tmp_path, labels):
    root = write(make_small("emnist").files, tmp_path / "root")
    file = root / "EMNIST" / "raw" / "emnist-letters-train-labels-idx1-ubyte"
    file.write_bytes(idx_bytes(labels.astype(np.uint8)))
    with pytest.raises(GanZooError, match=r"EMNIST/raw.*damaged"):
        data.load("emnist", root=root)


def test_a_file_of_other_values_than_bytes_is_refused(make_small, tmp_path):
    root = write(make_small("fashion_mnist").files, tmp_path / "root")
    file = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(bytes([0, 0, 13]) + file.read_bytes()[3:])
    with pytest.raises(GanZooError, match=f"{file}.*damaged"):
        data.load("fashion_mnist", root=root)


@pytest.mark.parametrize("name", [name for name in SETS if name not in ("mnist", "emnist")])
def test_classes_and_digests_are_those_of_torchvision(name):
    source = SETS[name]
    kind = getattr(torchvision.datasets, source.torchvision_name)
    assert list(source.classes) == getattr(kind, "classes", list(source.classes))
    files = () if name in ("fashion_mnist", "kmnist") else source.files
    assert {Path(path).name for path in (*source.archives, *files)} <= set(source.digests())


def test_letters_are_those_of_torchvision():
    assert list(SETS["emnist"].classes) == torchvision.datasets.EMNIST.classes_split_dict["letters"][1:]
    assert SETS["emnist"].digests()["gzip.zip"] == torchvision.datasets.EMNIST.md5


def test_unpacked_mnist_is_loaded_without_the_slow_import_of_torchvision():
    data.load("mnist", side=28)
    code = "import sys; from gan_zoo import data; data.load('mnist', side=28); sys.exit('torchvision' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def assert_equals_torchvision(loaded, kind, root):
    for split, train in ((loaded.train, True), (loaded.test, False)):
        expected = kind(root, train=train, download=False)
        assert torch.equal(split.images[:, 0], expected.data)
        assert torch.equal(split.labels, expected.targets)


def test_real_mnist_is_what_torchvision_reads_from_the_cache():
    mnist = data.load("mnist", side=28)
    assert_equals_torchvision(mnist, torchvision.datasets.MNIST, data.default_root())
    assert (len(mnist.train), len(mnist.test), mnist.shape) == (60_000, 10_000, (1, 28, 28))
    # Mean and deviation that the field uses to standardize MNIST.
    pixels = mnist.train.images.to(torch.float64) / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.1307, 0.3081)


def test_real_fashion_mnist_is_what_torchvision_reads(data_root):
    loaded = data.load("fashion_mnist", side=28)
    assert_equals_torchvision(loaded, torchvision.datasets.FashionMNIST, data_root)
    assert (len(loaded.train), len(loaded.test), loaded.class_names[0]) == (60_000, 10_000, "T-shirt/top")


@pytest.fixture
def stacked(monkeypatch):
    """2,000 + 300 images at their native side."""
    monkeypatch.setattr(torchvision_sets, "STACKED_TRAIN_SIZE", 2000)
    monkeypatch.setattr(torchvision_sets, "STACKED_TEST_SIZE", 300)
    return data.load("stacked_mnist", side=28)


def test_every_channel_is_a_digit_of_the_split_and_the_label_is_their_number(stacked):
    assert (len(stacked.train), len(stacked.test), stacked.shape, stacked.classes) == (2000, 300, (3, 28, 28), 1000)
    assert (stacked.class_names[0], stacked.class_names[42], stacked.class_names[-1]) == ("000", "042", "999")
    mnist = data.load("mnist", side=28)
    for split, digits in ((stacked.train, mnist.train), (stacked.test, mnist.test)):
        pairs = zip(digits.images.numpy(), digits.labels.tolist(), strict=True)
        digit = {image.tobytes(): label for image, label in pairs}
        for image, label in zip(split.images[:200].numpy(), split.labels[:200].tolist(), strict=True):
            assert "".join(str(digit[channel.tobytes()]) for channel in image) == f"{label:03}"


def test_stacked_mnist_is_the_same_each_time_and_hits_the_modes_evenly(stacked):
    assert data.load("stacked_mnist", side=28).fingerprint == stacked.fingerprint
    # 2,000 draws from 1,000 equal modes hit 1,000 (1 - (1 - 1/1000)^2000) = 865 of them, give or take 10.
    assert abs(len(stacked.train.labels.unique()) - 865) < 40
    # Resizing before and after the channels are stacked is the same.
    assert torch.equal(data.load("stacked_mnist", side=32).test.images, data.resize(stacked.test.images, 32))


def test_one_channel_of_stacked_mnist_is_refused():
    with pytest.raises(GanZooError, match="1 channel"):
        data.load("stacked_mnist", channels=1)


def test_real_stacked_mnist():
    loaded = data.load("stacked_mnist")
    assert (len(loaded.train), len(loaded.test), loaded.shape) == (60_000, 26_000, (3, 32, 32))
    assert len(loaded.train.labels.unique()) == 1000
