"""On real MNIST the measures must move the right way, and past the floor, for faults of a known kind and strength."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchvision.transforms.v2.functional import gaussian_blur

from gan_zoo import data
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor, Features
from gan_zoo.metrics.measures import measure
from gan_zoo.metrics.reference import Reference

N = 1000
Score = Callable[[Tensor], dict[str, float]]


@pytest.fixture(scope="module")
def mnist() -> data.Dataset:
    return data.load("mnist", side=32)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return load_extractor("mnist-cnn")


def draw(split: data.Split, seed: int, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """N random images of a split and their labels; of the classes in `keep` only, where it is given."""
    index = torch.arange(len(split)) if keep is None else torch.isin(split.labels, keep).nonzero()[:, 0]
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
def floor(score: Score, clean: Tensor) -> dict[str, float]:
    """Figures of real training images: the best that any generator can be expected to reach."""
    return score(clean)


def noisy(images: Tensor, strength: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(2)) * strength
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def test_the_floor_is_that_of_real_images(floor: dict[str, float]) -> None:
    assert floor["modes"] == 10
    assert floor["is"] > 8.5
    assert floor["coverage"] > 0.85
    assert floor["precision"] > 0.6
    assert floor["class_kl"] < 0.03
    assert abs(floor["kid"]) < 0.05 * floor["fid"]


def test_distances_rise_with_blur(clean: Tensor, floor: dict[str, float], score: Score) -> None:
    blurred = [score(gaussian_blur(clean, [9, 9], [sigma, sigma])) for sigma in (0.7, 1.2, 2.0)]
    for name in ("fid", "kid"):
        values = [floor[name], *(figures[name] for figures in blurred)]
        assert values == sorted(values)
        assert values[-1] > 5 * values[0]


def test_distances_rise_and_precision_falls_with_noise(clean: Tensor, floor: dict[str, float], score: Score) -> None:
    worse = [score(noisy(clean, strength)) for strength in (20, 60, 120)]
    for name in ("fid", "kid"):
        values = [floor[name], *(figures[name] for figures in worse)]
        assert values == sorted(values)
        assert values[-1] > 5 * values[0]
    assert worse[-1]["precision"] < 0.5 * floor["precision"]
    assert worse[-1]["density"] < 0.5 * floor["density"]


def test_a_dropped_class_is_noticed(mnist: data.Dataset, floor: dict[str, float], score: Score) -> None:
    figures = score(draw(mnist.train, seed=1, keep=torch.arange(9))[0])
    assert figures["modes"] == 9
    assert figures["fid"] > 1.3 * floor["fid"]
    assert figures["kid"] > floor["kid"]
    assert figures["coverage"] < floor["coverage"] - 0.05
    assert figures["recall"] < floor["recall"] - 0.02
    assert figures["class_kl"] > floor["class_kl"] + 0.05
    # What is left is as believable as ever.
    assert figures["precision"] > floor["precision"] - 0.05


def test_a_single_class_collapses_every_measure_of_variety(
    mnist: data.Dataset, floor: dict[str, float], score: Score
) -> None:
    figures = score(draw(mnist.train, seed=1, keep=torch.tensor([1]))[0])
    assert figures["modes"] == 1
    assert figures["is"] < 1.2
    assert figures["coverage"] < 0.2
    assert figures["recall"] < 0.2
    assert figures["fid"] > 10 * floor["fid"]


@pytest.mark.parametrize("value", [0, 255])
def test_blank_images_earn_nothing(value: int, clean: Tensor, floor: dict[str, float], score: Score) -> None:
    figures = score(torch.full_like(clean, value))
    assert figures["precision"] < 0.01
    assert figures["density"] < 0.01
    assert figures["coverage"] < 0.01
    assert figures["modes"] == 1
    assert figures["is"] == pytest.approx(1.0)
    assert figures["fid"] > 10 * floor["fid"]


def test_labels_of_real_images_are_found(mnist: data.Dataset, extractor: Extractor, reference: Reference) -> None:
    images, labels = draw(mnist.test, seed=3)
    seen = extractor.encode(images)
    assert measure(seen, reference, asked=labels, names=["label_accuracy"])["label_accuracy"] > 0.98
    assert measure(seen, reference, asked=(labels + 1) % 10, names=["label_accuracy"])["label_accuracy"] < 0.01


def test_figures_do_not_depend_on_batch_size_or_order(
    clean: Tensor, extractor: Extractor, reference: Reference, floor: dict[str, float]
) -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(4))
    odd: Features = extractor.encode(clean[order], batch=77)
    torch.testing.assert_close(odd.vectors, extractor.encode(clean).vectors[order], rtol=1e-4, atol=1e-4)
    # A last digit of a float32 feature can move one image across the edge of a ball.
    assert measure(odd, reference) == pytest.approx(floor, rel=1e-3, abs=3 / N)


def test_figures_are_those_of_torch_fidelity_and_of_distances_by_subtraction(
    clean: Tensor, extractor: Extractor, reference: Reference, score: Score
) -> None:
    images = noisy(clean, 30)
    figures = score(images)
    fake, real = (side.double() for side in (extractor.encode(images).vectors, reference.features.vectors))
    fid = fid_statistics_to_metric(*(fid_features_to_statistics(side) for side in (fake, real)), verbose=False)
    assert figures["fid"] == pytest.approx(fid["frechet_inception_distance"], rel=1e-9)
    a, b = normalize(fake), normalize(real)
    within, between = (torch.cdist(x, b, compute_mode="donot_use_mm_for_euclid_dist") for x in (b, a))
    near = within.sort(dim=1).values
    fakes = torch.cdist(a, a, compute_mode="donot_use_mm_for_euclid_dist").kthvalue(4, dim=1).values
    assert figures["precision"] == (between <= near[:, 3]).any(dim=1).sum().item() / N
    assert figures["recall"] == (between <= fakes[:, None]).any(dim=0).sum().item() / N
    assert figures["density"] == (between < near[:, 5]).sum().item() / (5 * N)
    assert figures["coverage"] == (between < near[:, 5]).any(dim=0).sum().item() / N
