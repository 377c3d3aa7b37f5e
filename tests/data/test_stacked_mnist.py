import pytest
import torch

from gan_zoo import data
from gan_zoo.data import stacked_mnist
from gan_zoo.errors import GanZooError


@pytest.fixture
def stacked(monkeypatch: pytest.MonkeyPatch) -> data.Dataset:
    """2,000 + 300 images at their native side."""
    monkeypatch.setattr(stacked_mnist, "TRAIN_SIZE", 2000)
    monkeypatch.setattr(stacked_mnist, "TEST_SIZE", 300)
    return data.load("stacked_mnist", side=28)


def test_every_channel_is_a_digit_of_the_split_and_the_label_spells_them(
    stacked: data.Dataset,
) -> None:
    assert (len(stacked.train), len(stacked.test), stacked.shape, stacked.classes) == (2000, 300, (3, 28, 28), 1000)
    assert (stacked.class_names[0], stacked.class_names[42], stacked.class_names[-1]) == ("000", "042", "999")
    mnist = data.load("mnist", side=28)
    for split, digits in ((stacked.train, mnist.train), (stacked.test, mnist.test)):
        pairs = zip(digits.images.numpy(), digits.labels.tolist(), strict=True)
        digit = {image.tobytes(): label for image, label in pairs}
        for image, label in zip(split.images[:200].numpy(), split.labels[:200].tolist(), strict=True):
            assert "".join(str(digit[channel.tobytes()]) for channel in image) == f"{label:03}"


def test_it_is_the_same_each_time_and_hits_the_modes_evenly(stacked: data.Dataset) -> None:
    again = data.load("stacked_mnist", side=28)
    assert again.fingerprint == stacked.fingerprint
    # 2,000 draws from 1,000 equal modes hit 1,000 (1 - (1 - 1/1000)^2000) = 865 of them, give or take 10.
    assert abs(len(stacked.train.labels.unique()) - 865) < 40


def test_resizing_before_or_after_the_channels_are_stacked_is_the_same(stacked: data.Dataset) -> None:
    larger = data.load("stacked_mnist", side=32)
    assert torch.equal(larger.test.images, data.resize(stacked.test.images, 32))


def test_one_channel_is_refused(stacked: data.Dataset) -> None:
    with pytest.raises(GanZooError, match="a digit in each of 3 channels"):
        data.load("stacked_mnist", channels=1)


def test_real_stacked_mnist() -> None:
    loaded = data.load("stacked_mnist")
    assert (len(loaded.train), len(loaded.test), loaded.shape) == (60_000, 26_000, (3, 32, 32))
    assert len(loaded.train.labels.unique()) == 1000
