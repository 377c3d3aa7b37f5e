"""Extractors by name, and Inception: its weights file, download, images and features."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_zoo import api, data
from gan_zoo.bench.results import default_extractor
from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.metrics import extractors
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.extractors import ExtractorUnavailable, InceptionExtractor, load_extractor
from gan_zoo.metrics.kernel import kernel_distance

PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def test_unknown_extractor_names_the_nearest() -> None:
    with pytest.raises(GanZooError, match="did you mean 'mnist-cnn'"):
        load_extractor("mnist-cn")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch's hub keeps checkpoints, empty, and nothing may be loaded from it that was not verified."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*_: object) -> None:
        raise AssertionError("weights were loaded that are not the standard ones")

    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_a_missing_or_another_inception_file_is_an_error_with_its_path(hub: Path, tmp_path: Path) -> None:
    named, cached = tmp_path / "weights.pth", hub / extractors.FILE_NAME
    cached.parent.mkdir(parents=True)
    for path, message in ((named, "do not exist"), (named, PUBLISHED), (cached, PUBLISHED)):
        with pytest.raises(GanZooError, match=message) as raised:
            load_extractor("inception", inception_weights=named if path == named else None)
        assert not isinstance(raised.value, ExtractorUnavailable)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
        for file in (named, cached):
            file.write_bytes(b"half a download")


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (OSError("no network"), ExtractorUnavailable, "{path}.*--inception-weights"),
        (RuntimeError("invalid hash value"), ExtractorUnavailable, "{path}.*--inception-weights"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), StorageError, "{path}: No space left"),
    ],
)
def test_inception_that_cannot_be_downloaded_is_unavailable_and_a_full_disk_an_error(
    hub: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, error: type[GanZooError], message: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(error, match=message.format(path=hub / extractors.FILE_NAME)) as raised:
        load_extractor("inception")
    assert "\n" not in str(raised.value)


def test_inception_is_downloaded_to_the_hub_once_and_verified(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, requested = b"the standard weights", []
    digest = hashlib.sha256(content).hexdigest()

    def download(url: str, path: str, *, hash_prefix: str, progress: bool) -> None:
        requested.append((url, hash_prefix))
        Path(path).write_bytes(content)

    monkeypatch.setattr(extractors, "SHA256", digest)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", lambda *_: nn.Identity())
    for _ in range(2):
        load_extractor("inception")
    assert requested == [(URL_INCEPTION_V3, digest)]
    assert (hub / extractors.FILE_NAME).read_bytes() == content


def images(n: int, channels: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(n + side)
    return torch.randint(256, (n, channels, side, side), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of torch-fidelity's own module as torch.save writes it, with random values."""
    path = tmp_path_factory.mktemp("inception") / extractors.FILE_NAME
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # The constructor reads a file: this one is not there yet.
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], "none")
        # As large as trained ones: torch's own initial values let features fade to 1e-8, where all are close to equal.
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def random_inception(weights: Path) -> InceptionExtractor:
    """The extractor as it is loaded from that file, whose hash is taken for the standard one's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extractors, "SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
        extractor = load_extractor("inception", inception_weights=weights)
    assert isinstance(extractor, InceptionExtractor)
    return extractor


def test_the_files_weights_are_those_of_the_network(random_inception: InceptionExtractor, weights: Path) -> None:
    loaded, saved = random_inception.network.state_dict(), torch.load(weights)
    torch.testing.assert_close(dict(loaded), dict(saved), rtol=0, atol=0)
    assert not random_inception.network.training


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (1, 32), (3, 64)])
def test_the_network_gets_three_channels_of_32_pixels_of_uint8(
    random_inception: InceptionExtractor, monkeypatch: pytest.MonkeyPatch, channels: int, side: int
) -> None:
    inputs: list[Tensor] = []

    def spy(chunk: Tensor) -> tuple[Tensor, Tensor]:
        inputs.append(chunk)
        return torch.zeros(len(chunk), 2048), torch.zeros(len(chunk), 1008)

    monkeypatch.setattr(random_inception.network, "forward", spy)
    given = images(230, channels, side)
    random_inception.encode(given)
    # Its own resize to 299 and its scale follow inside; a batch has at most 100 images.
    assert [len(chunk) for chunk in inputs] == [100, 100, 30]
    assert torch.equal(torch.cat(inputs), data.resize(given, 32).repeat(1, 3 // channels, 1, 1))


def test_its_features_and_logits_are_those_of_its_metrics(random_inception: InceptionExtractor) -> None:
    # torch-fidelity's file name ends in the first eight digits of its hash.
    assert URL_INCEPTION_V3.endswith(extractors.FILE_NAME)
    assert extractors.FILE_NAME.endswith(f"-{PUBLISHED[:8]}.pth")
    assert random_inception.metrics == ("fid", "is", "kid")
    assert random_inception.minimum_n == 2048
    fake, real = random_inception.encode(images(6, 1, 32)), random_inception.encode(images(6, 1, 28))
    # Not the FID: 2,048 eigenvalues take seconds, and 6 images would say nothing.
    values = measure(fake, real, names=["is", "kid"])
    assert 1 < values["is"] < 6
    assert values["kid"] == kernel_distance(fake.vectors, real.vectors)


class Small(nn.Module):
    """In place of the network, for speed: 16 features and 1,008 logits of what would enter it."""

    def __init__(self, _name: str, _features: list[str], path: str) -> None:
        super().__init__()
        assert Path(path).read_bytes() == b"stand-in"
        self.mix = nn.Parameter(torch.randn(3 * 32 * 32, 16, generator=torch.Generator().manual_seed(0)) / 3000)

    @torch.no_grad()
    def forward(self, chunk: Tensor) -> tuple[Tensor, Tensor]:
        assert (chunk.dtype, chunk.shape[1:]) == (torch.uint8, (3, 32, 32))
        vectors = chunk.flatten(1).float() @ self.mix
        return vectors, vectors.repeat(1, 63)


@pytest.mark.parametrize("minimum", [129, extractors.INCEPTION_MINIMUM_N])
def test_bench_measures_with_inception_if_there_are_enough_images(
    bench: Callable[..., api.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minimum: int
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"stand-in")
    monkeypatch.setattr(extractors, "SHA256", hashlib.sha256(b"stand-in").hexdigest())
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", Small)
    monkeypatch.setattr(extractors, "INCEPTION_MINIMUM_N", minimum)
    results = bench(inception_weights=weights).results
    measured = results.metrics.groupby("extractor")["metric"].agg(set)
    assert default_extractor(results.manifest) == "digits-cnn"
    assert list(results.manifest["extractors"]) == list(measured.index)
    if minimum == 129:
        assert measured["inception"] == {"fid", "is", "kid"}
        assert (results.runs["final_fid_digits-cnn"] != results.runs["final_fid_inception"]).all()
    else:
        assert list(measured.index) == ["digits-cnn"]
        assert any("inception" in notice and "2048" in notice for notice in results.manifest["notices"])
