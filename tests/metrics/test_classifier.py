"""The shipped classifiers: cards, accuracy and features; stacked MNIST by three channels of one of them."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from vectors import flip_a_bit, logits_of

from gan_zoo import data
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.classifier import WEIGHTS, ClassifierExtractor, load_classifier
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import full_float32

ACCURACY = {"mnist-cnn": 0.992, "fashion-cnn": 0.915, "digits-cnn": 0.97}
needs_real_data = pytest.mark.skipif("GAN_ZOO_DATA" not in os.environ, reason="needs the real files: set GAN_ZOO_DATA")


def assert_near(actual: Tensor | None, expected: Tensor | None) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def random_images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=list(ACCURACY))
def classifier(request: pytest.FixtureRequest) -> ClassifierExtractor:
    return load_classifier(request.param, torch.device("cpu"))


@pytest.mark.parametrize("name", list(ACCURACY))
def test_card_describes_the_file(name: str) -> None:
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest() == load_extractor(name).digest
    assert card["bytes"] == len(content) < 2**20
    assert card["test_accuracy"] == load_extractor(name).accuracy
    assert card["test_accuracy"] >= ACCURACY[name]
    assert card["command"] == f"python benchmarks/train_extractors.py --only {name}"


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("digits-cnn", "digits"),
        ("mnist-cnn", "mnist"),
        pytest.param("fashion-cnn", "fashion_mnist", marks=needs_real_data),
    ],
)
def test_accuracy_of_the_card_is_that_of_the_test_split(name: str, dataset: str) -> None:
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    loaded = data.load(dataset)
    predicted = load_extractor(name).encode(loaded.test.images).predicted
    accuracy = (predicted == loaded.test.labels).double().mean().item()
    assert accuracy == pytest.approx(card["test_accuracy"], abs=3e-4)
    assert loaded.fingerprint == card["data_fingerprint"]


def test_classifier_has_128_features_and_logits_that_read_them(classifier: ClassifierExtractor) -> None:
    before = torch.random.get_rng_state()
    features = load_extractor(classifier.name).encode(random_images(7, 1, 32, 32))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not features.vectors.requires_grad
    assert features.extractor == classifier.name
    assert (features.vectors.shape, logits_of(features).shape) == ((7, 128), (7, 10))
    assert features.vectors.dtype == logits_of(features).dtype == torch.float32
    # Below that the covariance is singular.
    assert classifier.minimum_n == 129
    head = classifier.network.head[-1]
    assert isinstance(head, nn.Linear)
    assert_near(features.logits, features.vectors @ head.weight.T + head.bias)


@pytest.mark.cuda
def test_features_stay_on_the_device_and_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(20, 1, 32, 32)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    features = load_extractor("digits-cnn", device="cuda").encode(images.cuda())
    expected = load_extractor("digits-cnn").encode(images)
    assert features.vectors.device.type == logits_of(features).device.type == "cuda"
    assert_near(features.vectors.cpu(), expected.vectors)
    assert_near(logits_of(features).cpu(), expected.logits)


def test_encoding_on_cuda_is_without_tf32_whatever_training_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"products": "high"}
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: settings["products"])
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda value: settings.update(products=value))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    inside = []
    with contextlib.suppress(KeyError), full_float32(torch.device("cuda")):
        inside = [settings["products"], torch.backends.cudnn.allow_tf32]
        raise KeyError
    assert inside == ["highest", False]
    assert (settings["products"], torch.backends.cudnn.allow_tf32) == ("high", True)
    with full_float32(torch.device("cpu")):
        assert settings["products"] == "high"


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_features_do_not_depend_on_batch_or_order(classifier: ClassifierExtractor, batch: int) -> None:
    images = random_images(20, 1, 32, 32)
    whole = classifier.encode(images)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    parts = classifier.encode(images[order], batch=batch)
    assert_near(parts.vectors, whole.vectors[order])
    assert_near(parts.logits, logits_of(whole)[order])


@pytest.mark.parametrize("side", [28, 64])
def test_other_sides_are_resized_as_data_sets_are_and_repeated_gray_is_gray(
    classifier: ClassifierExtractor, side: int
) -> None:
    images = random_images(5, 1, side, side)
    expected = classifier.encode(data.resize(images, 32)).vectors
    for same in (images, images.repeat(1, 3, 1, 1)):
        assert torch.equal(classifier.encode(same).vectors, expected)


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 32, 32), random_images(2, 32, 32), random_images(2, 2, 32, 32), random_images(0, 1, 32, 32)],
)
def test_other_tensors_are_refused(images: Tensor) -> None:
    with pytest.raises(GanZooError, match="give it uint8 images"):
        load_extractor("digits-cnn").encode(images)


def test_damaged_or_missing_weights_are_named(tmp_path: Path) -> None:
    for file in WEIGHTS.glob("digits-cnn.*"):
        shutil.copy(file, tmp_path)
    weights = tmp_path / "digits-cnn.safetensors"
    flip_a_bit(weights)
    with pytest.raises(GanZooError, match=re.escape(str(weights)) + " is damaged"):
        load_classifier("digits-cnn", torch.device("cpu"), tmp_path)
    weights.unlink()
    with pytest.raises(GanZooError, match=re.escape(str(weights)) + " is missing"):
        load_classifier("digits-cnn", torch.device("cpu"), tmp_path)


CARD = json.loads((WEIGHTS / "digits-cnn.json").read_text(encoding="utf-8"))
ARCHITECTURE = CARD["architecture"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting"),
        ("[]", "no object"),
        ("{}", "sha256"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
        (f'{{"sha256": {"9" * 5000}}}', "digits"),
        ("\xff", "sha256|Expecting"),
        (json.dumps(CARD | {"sha256": 5}), "sha256"),
        (json.dumps(CARD | {"test_accuracy": "x"}), "test_accuracy"),
        (json.dumps(CARD | {"architecture": 5}), "architecture"),
        (json.dumps(CARD | {"architecture": ARCHITECTURE | {"widths": [16, {}, 64]}}), "widths"),
        (json.dumps(CARD | {"architecture": ARCHITECTURE | {"widths": [10**12] * 3}}), "widths"),
        (json.dumps(CARD | {"architecture": ARCHITECTURE | {"classes": -1}}), "classes"),
        (json.dumps(CARD | {"architecture": ARCHITECTURE | {"classes": 7}}), "does not fit the card"),
    ],
    ids=lambda text: text[:30],
)
def test_a_damaged_card_is_named(tmp_path: Path, text: str, words: str) -> None:
    shutil.copy(WEIGHTS / "digits-cnn.safetensors", tmp_path)
    card = tmp_path / "digits-cnn.json"
    card.write_text(text, encoding="utf-8")
    with pytest.raises(GanZooError, match=f"digits-cnn.* is damaged.*({words}).*restore it") as error:
        load_classifier("digits-cnn", torch.device("cpu"), tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("side", [28, 32])
def test_stacked_features_and_classes_are_those_of_the_three_channels(side: int) -> None:
    images = random_images(7, 3, side, side)
    stacked, digits = load_extractor("stacked-mnist-cnn"), load_extractor("mnist-cnn")
    features = stacked.encode(images)
    channels = [digits.encode(images[:, channel : channel + 1]) for channel in range(3)]
    assert_near(features.vectors, torch.cat([part.vectors for part in channels], dim=1))
    red, green, blue = (part.predicted for part in channels)
    assert logits_of(features).shape == (7, 1000)
    assert torch.equal(features.predicted, 100 * red + 10 * green + blue)


def test_logits_are_the_joint_log_probabilities() -> None:
    images = random_images(4, 3, 32, 32)
    logits = logits_of(load_extractor("stacked-mnist-cnn").encode(images))
    assert_near(logits.logsumexp(1), torch.zeros(4))
    green = logits_of(load_extractor("mnist-cnn").encode(images[:, 1:2])).softmax(1)
    marginal = logits.exp().unflatten(1, (10, 10, 10)).sum((1, 3))
    torch.testing.assert_close(marginal, green, rtol=1e-3, atol=1e-5)


def test_stacked_metrics_are_those_of_a_thousand_classes() -> None:
    stacked, single = load_extractor("stacked-mnist-cnn"), load_extractor("mnist-cnn")
    assert stacked.digest == single.digest
    assert stacked.minimum_n == 385
    assert set(single.metrics) - set(stacked.metrics) == {"is", "modes"}
    assert set(stacked.metrics) - set(single.metrics) == {"modes_hit"}
    with pytest.raises(GanZooError, match="3 channels, and the images have 1"):
        stacked.encode(random_images(2, 1, 32, 32))


def test_labels_of_the_test_split_are_predicted() -> None:
    test = data.load("stacked_mnist").test
    index = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:1000]
    predicted = load_extractor("stacked-mnist-cnn").encode(test.images[index]).predicted
    assert (predicted == test.labels[index]).double().mean() > 0.96
