import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_zoo import data
from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.metrics import inception
from gan_zoo.metrics.classifier import FEATURES, WEIGHTS, ClassifierExtractor, load_classifier
from gan_zoo.metrics.encoding import full_float32
from gan_zoo.metrics.extractors import EXTRACTORS, ExtractorUnavailable, load_extractor

ACCURACY = {"mnist-cnn": 0.992, "fashion-cnn": 0.915, "digits-cnn": 0.97}
needs_real_data = pytest.mark.skipif("GAN_ZOO_DATA" not in os.environ, reason="needs the real files: set GAN_ZOO_DATA")


def assert_near(actual: Tensor | None, expected: Tensor | None) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def random_images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=list(ACCURACY))
def classifier(request: pytest.FixtureRequest) -> ClassifierExtractor:
    return load_classifier(request.param, torch.device("cpu"))


def test_unknown_extractor_names_the_nearest() -> None:
    with pytest.raises(GanZooError, match="unknown extractor 'mnist-cn'; did you mean 'mnist-cnn'"):
        load_extractor("mnist-cn")


def test_every_data_set_has_its_extractor() -> None:
    assert data.load("digits", side=8).extractor in EXTRACTORS
    assert set(ACCURACY) < set(EXTRACTORS)


@pytest.mark.parametrize("name", list(ACCURACY))
def test_card_tells_the_truth_about_the_file(name: str) -> None:
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest() == load_extractor(name).digest
    assert card["bytes"] == len(content) < 2**20
    assert card["test_accuracy"] == load_extractor(name).accuracy
    assert card["test_accuracy"] >= ACCURACY[name]
    assert card["command"] == f"python benchmarks/train_extractors.py --only {name}"


def measured_accuracy(name: str, dataset: str) -> tuple[float, str]:
    loaded = data.load(dataset)
    logits = load_extractor(name).encode(loaded.test.images).logits
    assert logits is not None
    return (logits.argmax(1) == loaded.test.labels).double().mean().item(), loaded.fingerprint


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("digits-cnn", "digits"),
        ("mnist-cnn", "mnist"),
        pytest.param("fashion-cnn", "fashion_mnist", marks=needs_real_data),
    ],
)
def test_accuracy_of_the_card_is_what_the_test_split_gives(name: str, dataset: str) -> None:
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    accuracy, fingerprint = measured_accuracy(name, dataset)
    assert accuracy == pytest.approx(card["test_accuracy"], abs=3e-4)
    assert fingerprint == card["data_fingerprint"]


def test_classifier_gives_128_features_and_logits_that_read_them(classifier: ClassifierExtractor) -> None:
    features = classifier.encode(random_images(7, 1, 32, 32))
    assert features.extractor == classifier.name
    assert features.vectors.shape == (7, 128)
    assert features.logits is not None
    assert features.logits.shape == (7, 10)
    assert features.vectors.dtype == features.logits.dtype == torch.float32
    head = classifier.network.head[-1]
    assert isinstance(head, nn.Linear)
    assert_near(features.logits, features.vectors @ head.weight.T + head.bias)


def test_classifier_needs_more_images_than_features_as_the_covariance_is_singular_below(
    classifier: ClassifierExtractor,
) -> None:
    assert classifier.minimum_n == FEATURES + 1 == 129


@pytest.mark.cuda
def test_features_stay_on_the_device_and_are_those_of_the_cpu() -> None:
    images = random_images(20, 1, 32, 32)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        features = load_extractor("digits-cnn", device="cuda").encode(images.cuda())
    finally:
        torch.backends.cudnn.allow_tf32 = before
    expected = load_extractor("digits-cnn").encode(images)
    assert features.logits is not None
    assert features.vectors.device.type == features.logits.device.type == "cuda"
    assert_near(features.vectors.cpu(), expected.vectors)
    assert_near(features.logits.cpu(), expected.logits)


@pytest.mark.parametrize("fails", [False, True])
def test_encoding_on_cuda_is_without_tf32_whatever_training_has_set(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    settings = {"products": "high"}
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: settings["products"])
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda value: settings.update(products=value))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with contextlib.suppress(KeyError), full_float32(torch.device("cuda")):
        assert settings["products"] == "highest"
        assert not torch.backends.cudnn.allow_tf32
        if fails:
            raise KeyError
    assert settings["products"] == "high"
    assert torch.backends.cudnn.allow_tf32
    with full_float32(torch.device("cpu")):
        assert settings["products"] == "high"


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_features_do_not_depend_on_batch_or_order(classifier: ClassifierExtractor, batch: int) -> None:
    images = random_images(20, 1, 32, 32)
    whole = classifier.encode(images)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    parts = classifier.encode(images[order], batch=batch)
    assert whole.logits is not None
    assert_near(parts.vectors, whole.vectors[order])
    assert_near(parts.logits, whole.logits[order])


@pytest.mark.parametrize("side", [28, 64])
def test_other_sides_pass_through_the_resize_of_the_data_room(classifier: ClassifierExtractor, side: int) -> None:
    images = random_images(5, 1, side, side)
    resized = classifier.encode(data.resize(images, 32))
    assert torch.equal(classifier.encode(images).vectors, resized.vectors)


def test_repeated_grey_counts_as_grey(classifier: ClassifierExtractor) -> None:
    images = random_images(5, 1, 32, 32)
    assert torch.equal(classifier.encode(images.repeat(1, 3, 1, 1)).vectors, classifier.encode(images).vectors)


def test_loading_and_encoding_leave_the_random_state_and_record_no_gradient() -> None:
    before = torch.random.get_rng_state()
    features = load_extractor("digits-cnn").encode(random_images(2, 1, 32, 32))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not features.vectors.requires_grad


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 32, 32), random_images(2, 32, 32), random_images(2, 2, 32, 32), random_images(0, 1, 32, 32)],
)
def test_what_is_no_image_is_refused(images: Tensor) -> None:
    with pytest.raises(GanZooError, match="give it uint8 images"):
        load_extractor("digits-cnn").encode(images)


def test_damaged_or_missing_weights_are_named(tmp_path: Path) -> None:
    for file in WEIGHTS.glob("digits-cnn.*"):
        shutil.copy(file, tmp_path)
    weights = tmp_path / "digits-cnn.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(GanZooError, match=re.escape(str(weights)) + " is damaged"):
        load_classifier("digits-cnn", torch.device("cpu"), tmp_path)
    weights.unlink()
    with pytest.raises(GanZooError, match=re.escape(str(weights)) + " is missing"):
        load_classifier("digits-cnn", torch.device("cpu"), tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch's hub keeps checkpoints, empty, and nothing may be loaded from it that was not verified."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*_: object) -> None:
        raise AssertionError("weights were loaded that are not the standard ones")

    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_named_inception_file_must_exist_and_be_the_standard_one(hub: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    with pytest.raises(GanZooError, match="do not exist") as raised:
        load_extractor("inception", inception_weights=weights)
    assert not isinstance(raised.value, ExtractorUnavailable)
    weights.write_bytes(b"something else")
    with pytest.raises(GanZooError, match="not the standard file") as raised:
        load_extractor("inception", inception_weights=weights)
    assert not isinstance(raised.value, ExtractorUnavailable)
    assert str(weights) in str(raised.value)


def test_wrong_inception_file_in_the_hub_is_refused(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / inception.FILE_NAME).write_bytes(b"half a download")
    with pytest.raises(GanZooError, match="not the standard file"):
        load_extractor("inception")


@pytest.mark.parametrize("failure", [OSError("no network"), RuntimeError("invalid hash value")])
def test_inception_that_cannot_be_had_is_unavailable(
    hub: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ExtractorUnavailable, match=r"inception left out: .*--inception-weights") as raised:
        load_extractor("inception")
    assert "\n" not in str(raised.value)


def test_a_download_of_inception_onto_a_full_disk_is_not_a_missing_network(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(StorageError, match=rf"{hub / inception.FILE_NAME}: No space left"):
        load_extractor("inception")


def test_inception_is_downloaded_to_the_hub_once_and_verified(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, asked = b"the standard weights", []
    digest = hashlib.sha256(content).hexdigest()

    def download(url: str, path: str, *, hash_prefix: str, progress: bool) -> None:
        asked.append((url, hash_prefix))
        Path(path).write_bytes(content)

    monkeypatch.setattr(inception, "SHA256", digest)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", lambda *_: nn.Identity())
    for _ in range(2):
        load_extractor("inception")
    assert asked == [(URL_INCEPTION_V3, digest)]
    assert (hub / inception.FILE_NAME).read_bytes() == content


@pytest.fixture(scope="module")
def untrained_inception() -> inception.InceptionExtractor:
    """The real network with random weights: what the wrapper does does not depend on their values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], "none")
            # As large as trained ones: torch's own initial values let features fade to 1e-8.
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)
    return inception.InceptionExtractor(network, torch.device("cpu"))


def test_inception_gives_features_and_logits_of_grey_at_any_side(
    untrained_inception: inception.InceptionExtractor,
) -> None:
    images = random_images(3, 1, 28, 28)
    features = untrained_inception.encode(images, batch=2)
    assert features.extractor == "inception"
    assert features.vectors.shape == (3, 2048)
    assert features.logits is not None
    assert features.logits.shape == (3, 1008)
    assert features.vectors.std() > 0.01
    direct = untrained_inception.network(data.resize(images, 32).repeat(1, 3, 1, 1))
    torch.testing.assert_close(features.vectors, direct[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features.logits, direct[1], rtol=1e-4, atol=1e-4)


def test_inception_serves_three_measures_from_2048_images_up(
    untrained_inception: inception.InceptionExtractor,
) -> None:
    assert untrained_inception.metrics == ("fid", "is", "kid")
    assert untrained_inception.minimum_n == 2048
