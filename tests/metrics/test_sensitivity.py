"""Metrics on real MNIST must change in the right direction for faults of a known kind and strength."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from gan_zoo import data
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.reference import Reference

N = 1000
Values = dict[str, float]
Score = Callable[[Tensor], Values]


@pytest.fixture(scope="module")
def mnist() -> data.Dataset:
    return data.load("mnist", side=32)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return load_extractor("mnist-cnn")


def draw(split: data.Split, seed: int, classes: tuple[int, ...] = tuple(range(10))) -> tuple[Tensor, Tensor]:
    """N random images of these classes of a split, and their labels."""
    index = torch.isin(split.labels, torch.tensor(classes)).nonzero()[:, 0]
    index = index[torch.randperm(len(index), generator=torch.Generator().manual_seed(seed))[:N]]
    return split.images[index], split.labels[index]


@pytest.fixture(scope="module")
def reference(mnist: data.Dataset, extractor: Extractor) -> Reference:
    return Reference(extractor.encode(draw(mnist.test, seed=0)[0]))


@pytest.fixture(scope="module")
def clean(mnist: data.Dataset) -> Tensor:
    return draw(mnist.train, seed=1)[0]


@pytest.fixture(scope="module")
def score(extractor: Extractor, reference: Reference) -> Score:
    return lambda images: measure(extractor.encode(images), reference)


@pytest.fixture(scope="module")
def floor(score: Score, clean: Tensor) -> Values:
    """Metrics of real training images."""
    return score(clean)


def noisy(images: Tensor, strength: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(2)) * strength
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def test_the_floor_is_that_of_real_images(floor: Values) -> None:
    assert floor["modes"] == 10
    assert floor["is"] > 8.5
    assert floor["coverage"] > 0.85
    assert floor["precision"] > 0.6
    assert floor["class_kl"] < 0.03
    assert abs(floor["kid"]) < 0.05 * floor["fid"]


def test_distances_rise_and_precision_falls_with_blur_and_noise(clean: Tensor, floor: Values, score: Score) -> None:
    blurred = [score(gaussian_blur(clean, [9, 9], [sigma, sigma])) for sigma in (0.7, 1.2, 2.0)]
    worse = [score(noisy(clean, strength)) for strength in (20, 60, 120)]
    for steps in (blurred, worse):
        for name in ("fid", "kid"):
            values = [floor[name], *(found[name] for found in steps)]
            assert values == sorted(values)
            assert values[-1] > 5 * values[0]
    assert worse[-1]["precision"] < 0.5 * floor["precision"]
    assert worse[-1]["density"] < 0.5 * floor["density"]


def test_a_dropped_class_is_noticed(mnist: data.Dataset, floor: Values, score: Score) -> None:
    values = score(draw(mnist.train, seed=1, classes=tuple(range(9)))[0])
    assert values["modes"] == 9
    assert values["fid"] > 1.3 * floor["fid"]
    assert values["kid"] > floor["kid"]
    assert values["coverage"] < floor["coverage"] - 0.05
    assert values["recall"] < floor["recall"] - 0.02
    assert values["class_kl"] > floor["class_kl"] + 0.05
    # The other classes are as precise as before.
    assert values["precision"] > floor["precision"] - 0.05


def test_a_single_class_collapses_every_metric_of_diversity(mnist: data.Dataset, floor: Values, score: Score) -> None:
    values = score(draw(mnist.train, seed=1, classes=(1,))[0])
    assert values["modes"] == 1
    assert values["is"] < 1.2
    assert values["coverage"] < 0.2
    assert values["recall"] < 0.2
    assert values["fid"] > 10 * floor["fid"]


@pytest.mark.parametrize("value", [0, 255])
def test_blank_images_score_nothing(value: int, clean: Tensor, floor: Values, score: Score) -> None:
    values = score(torch.full_like(clean, value))
    assert max(values[name] for name in ("precision", "density", "coverage")) < 0.01
    assert values["modes"] == 1
    assert values["is"] == pytest.approx(1.0)
    assert values["fid"] > 10 * floor["fid"]


def test_labels_of_real_images_are_predicted(mnist: data.Dataset, extractor: Extractor, reference: Reference) -> None:
    images, labels = draw(mnist.test, seed=3)
    features = extractor.encode(images)
    assert measure(features, reference, labels=labels, names=["label_accuracy"])["label_accuracy"] > 0.98
    assert measure(features, reference, labels=(labels + 1) % 10, names=["label_accuracy"])["label_accuracy"] < 0.01


def test_values_do_not_depend_on_batch_size_or_order(
    clean: Tensor, extractor: Extractor, reference: Reference, floor: Values
) -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(4))
    odd = extractor.encode(clean[order], batch=77)
    torch.testing.assert_close(odd.vectors, extractor.encode(clean).vectors[order], rtol=1e-4, atol=1e-4)
    # A last digit of a float32 feature can move one image across the edge of a ball.
    assert measure(odd, reference) == pytest.approx(floor, rel=1e-3, abs=3 / N)
