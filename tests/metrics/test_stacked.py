"""Stacked MNIST's extractor: each channel's digit by the shipped classifier, and the modes that they make."""

import math

import pytest
import torch
from torch import Tensor

from gan_zoo import data
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.classifier import MEASURES
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Features
from gan_zoo.metrics.measures import measure
from gan_zoo.metrics.registry import METRICS


def random_images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def logits_of(features: Features) -> Tensor:
    assert features.logits is not None
    return features.logits


@pytest.mark.parametrize("side", [28, 32])
def test_features_and_classes_are_those_of_the_three_channels(side: int) -> None:
    images = random_images(7, 3, side, side)
    stacked, digits = load_extractor("stacked-mnist-cnn"), load_extractor("mnist-cnn")
    features = stacked.encode(images)
    channels = [digits.encode(images[:, channel : channel + 1]) for channel in range(3)]
    torch.testing.assert_close(
        features.vectors, torch.cat([seen.vectors for seen in channels], dim=1), rtol=1e-4, atol=1e-4
    )
    red, green, blue = (logits_of(seen).argmax(1) for seen in channels)
    assert logits_of(features).shape == (7, 1000)
    assert torch.equal(logits_of(features).argmax(1), 100 * red + 10 * green + blue)


def test_logits_are_the_joint_log_probabilities() -> None:
    images = random_images(4, 3, 32, 32)
    logits = logits_of(load_extractor("stacked-mnist-cnn").encode(images))
    torch.testing.assert_close(logits.logsumexp(1), torch.zeros(4), rtol=0, atol=1e-4)
    green = logits_of(load_extractor("mnist-cnn").encode(images[:, 1:2])).softmax(1)
    marginal = logits.exp().unflatten(1, (10, 10, 10)).sum((1, 3))
    torch.testing.assert_close(marginal, green, rtol=1e-3, atol=1e-5)


def test_features_do_not_depend_on_the_batch() -> None:
    images = random_images(9, 3, 32, 32)
    stacked = load_extractor("stacked-mnist-cnn")
    one, two = stacked.encode(images), stacked.encode(images, batch=4)
    torch.testing.assert_close(one.vectors, two.vectors, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits_of(one), logits_of(two), rtol=1e-4, atol=1e-4)


def test_it_is_the_shipped_classifier_and_serves_what_means_something() -> None:
    stacked = load_extractor("stacked-mnist-cnn")
    assert stacked.digest == load_extractor("mnist-cnn").digest
    assert stacked.minimum_n == 385
    assert "modes_hit" in stacked.metrics
    assert not {"modes", "is"} & set(stacked.metrics)
    assert set(stacked.metrics) <= set(METRICS)


def test_modes_hit_is_a_measure_of_no_other_extractor() -> None:
    for name in ("mnist-cnn", "fashion-cnn", "digits-cnn"):
        assert load_extractor(name).metrics == MEASURES
    assert "modes_hit" not in MEASURES


def test_grey_images_are_refused() -> None:
    with pytest.raises(GanZooError, match="reads a digit in each of 3 channels, and the images have 1"):
        load_extractor("stacked-mnist-cnn").encode(random_images(2, 1, 32, 32))
    with pytest.raises(GanZooError, match="give it uint8 images"):
        load_extractor("stacked-mnist-cnn").encode(torch.zeros(2, 3, 32, 32))


@pytest.fixture(scope="module")
def digits() -> list[Tensor]:
    """Real MNIST test images (N, 32, 32) by digit, 300 of each."""
    test = data.load("mnist").test
    return [test.images[test.labels == digit][:300, 0] for digit in range(10)]


def stack(digits: list[Tensor], numbers: Tensor, seed: int) -> Tensor:
    """An image (3, 32, 32) for each number from 0 to 999, of digits drawn at random."""
    drawn = torch.randint(300, (len(numbers), 3), generator=torch.Generator().manual_seed(seed))
    images = torch.empty(len(numbers), 3, 32, 32, dtype=torch.uint8)
    for channel, place in enumerate((100, 10, 1)):
        for row, digit in enumerate((numbers // place % 10).tolist()):
            images[row, channel] = digits[digit][drawn[row, channel]]
    return images


def test_known_numbers_are_read_and_their_modes_counted(digits: list[Tensor]) -> None:
    """A generator that knows 40 numbers, 10 images of each, against real images that are spread over 400."""
    stacked, few = load_extractor("stacked-mnist-cnn"), torch.arange(40).repeat(10) * 25 + 7
    fake = stacked.encode(stack(digits, few, 0))
    real = stacked.encode(stack(digits, torch.arange(400) * 2 + 7, 1))
    values = measure(fake, real, asked=few, names=["modes_hit", "class_kl", "label_accuracy"])
    assert values["label_accuracy"] > 0.96
    wrong = round((1 - values["label_accuracy"]) * 400)
    assert 40 <= values["modes_hit"] <= 40 + wrong
    # Even shares of 40 against even shares of 400 of which they are a part: ln 10, were every digit read rightly.
    evens = stacked.encode(stack(digits, torch.arange(400), 2))
    part = stacked.encode(stack(digits, torch.arange(40).repeat(10) * 10, 3))
    assert measure(part, evens, names=["class_kl"])["class_kl"] == pytest.approx(math.log(10), abs=0.25)


def test_the_test_split_of_the_data_set_is_read_rightly() -> None:
    test = data.load("stacked_mnist").test
    index = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:1000]
    predicted = logits_of(load_extractor("stacked-mnist-cnn").encode(test.images[index])).argmax(1)
    assert (predicted == test.labels[index]).double().mean() > 0.96
