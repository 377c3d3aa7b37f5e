"""Extractors by name, and Inception: its weights file, download, images and features."""

import errno
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_zoo import api, data
from gan_zoo.bench.results import Results, default_extractor
from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.metrics import extractors
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.extractors import EXTRACTORS, ExtractorUnavailable, InceptionExtractor, load_extractor
from gan_zoo.metrics.kernel import kernel_distance

PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def test_unknown_extractor_names_the_nearest() -> None:
    with pytest.raises(GanZooError, match="did you mean 'mnist-cnn'"):
        load_extractor("mnist-cn")


def test_every_data_set_has_its_extractor() -> None:
    assert data.load("digits", side=8).extractor in EXTRACTORS


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


@pytest.mark.parametrize("failure", [OSError("no network"), RuntimeError("invalid hash value")])
def test_inception_that_cannot_be_downloaded_is_unavailable(
    hub: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ExtractorUnavailable, match="--inception-weights") as raised:
        load_extractor("inception")
    assert "\n" not in str(raised.value)


def test_a_download_of_inception_onto_a_full_disk_is_not_a_missing_network(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(StorageError, match=rf"{hub / extractors.FILE_NAME}: No space left"):
        load_extractor("inception")


def test_inception_is_downloaded_to_the_hub_once_and_verified(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, asked = b"the standard weights", []
    digest = hashlib.sha256(content).hexdigest()

    def download(url: str, path: str, *, hash_prefix: str, progress: bool) -> None:
        asked.append((url, hash_prefix))
        Path(path).write_bytes(content)

    monkeypatch.setattr(extractors, "SHA256", digest)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", lambda *_: nn.Identity())
    for _ in range(2):
        load_extractor("inception")
    assert asked == [(URL_INCEPTION_V3, digest)]
    assert (hub / extractors.FILE_NAME).read_bytes() == content


def images(n: int, channels: int, side: int) -> Tensor:
    return torch.randint(
        0, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(n + side)
    )


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
def stand_in(weights: Path) -> InceptionExtractor:
    """The extractor as it is loaded from that file, whose hash is taken for the standard one's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extractors, "SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
        extractor = load_extractor("inception", inception_weights=weights)
    assert isinstance(extractor, InceptionExtractor)
    return extractor


def test_the_standard_hash_is_that_of_the_published_file() -> None:
    assert extractors.SHA256 == PUBLISHED
    # torch-fidelity's file name ends in its first eight digits.
    assert extractors.FILE_NAME.endswith(f"-{PUBLISHED[:8]}.pth")


def test_the_files_weights_are_those_of_the_network(stand_in: InceptionExtractor, weights: Path) -> None:
    loaded, saved = stand_in.network.state_dict(), torch.load(weights)
    assert list(loaded) == list(saved)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert not stand_in.network.training


def test_gray_is_tiled_to_three_channels(stand_in: InceptionExtractor) -> None:
    gray = images(3, 1, 32)
    features, tiled = stand_in.encode(gray), stand_in.encode(torch.cat([gray] * 3, dim=1))
    assert torch.equal(features.vectors, tiled.vectors)
    # Colors are not made gray on the way.
    color = torch.cat([gray, gray.flip(3), gray.flip(2)], dim=1)
    assert features.vectors.std() > 0.01
    assert (stand_in.encode(color).vectors - features.vectors).abs().max() > 0.01


@pytest.mark.parametrize("side", [28, 64])
def test_other_sides_pass_through_pils_bilinear_resize_to_32(stand_in: InceptionExtractor, side: int) -> None:
    given = images(2, 3, side)
    resized = data.resize(given, 32)
    assert torch.equal(stand_in.encode(given).vectors, stand_in.encode(resized).vectors)
    resize = partial(Image.Image.resize, size=(32, 32), resample=Image.BILINEAR)
    arrays = [np.array(resize(Image.fromarray(one.permute(1, 2, 0).numpy()))) for one in given]
    pil = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
    # Smaller ones to the level; where it shrinks, torch's weights are coarser.
    assert (pil.int() - resized.int()).abs().max() <= (0 if side < 32 else 1)


def test_the_network_gets_32_pixels_of_uint8(stand_in: InceptionExtractor, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs: list[Tensor] = []

    def spy(chunk: Tensor) -> tuple[Tensor, Tensor]:
        inputs.append(chunk)
        return torch.zeros(len(chunk), 2048), torch.zeros(len(chunk), 1008)

    monkeypatch.setattr(stand_in.network, "forward", spy)
    given = images(230, 1, 28)
    stand_in.encode(given)
    # Its own resize to 299 and its scale follow inside; a batch has at most 100 images.
    assert [len(chunk) for chunk in inputs] == [100, 100, 30]
    assert torch.equal(torch.cat(inputs), data.resize(given, 32).repeat(1, 3, 1, 1))


def test_its_features_and_logits_are_those_of_its_metrics(stand_in: InceptionExtractor) -> None:
    assert stand_in.metrics == ("fid", "is", "kid")
    assert stand_in.minimum_n == 2048
    fake, real = stand_in.encode(images(6, 1, 32)), stand_in.encode(images(6, 1, 28))
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


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights file whose hash is taken for the standard one's, read by a small network."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"stand-in")
    monkeypatch.setattr(extractors, "SHA256", hashlib.sha256(b"stand-in").hexdigest())
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", Small)
    return path


@pytest.fixture
def command(tmp_path: Path, toys: Path, suite: Callable[..., Path], no_report: None) -> Callable[[Path], Results]:
    """A bench of the suite of the toys with these weights, in this process: its results."""

    def run(weights: Path) -> Results:
        options = {"preset": "smoke", "plugins": [toys], "jobs": 1, "inception_weights": weights}
        return api.run_suite(suite(), tmp_path / "out", **options).results

    return run


def test_bench_has_columns_of_inception_and_ranks_by_the_default_extractor(
    command: Callable[[Path], Results], named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The digits have 360 test images, and the small network has 16 features.
    monkeypatch.setattr(extractors, "INCEPTION_MINIMUM_N", 129)
    results = command(named)
    assert list(results.manifest["extractors"]) == ["digits-cnn", "inception"]
    assert default_extractor(results.manifest) == "digits-cnn"
    seen = results.metrics[results.metrics["extractor"] == "inception"]
    assert set(seen["metric"]) == {"fid", "is", "kid"}
    assert set(seen["num_samples"]) == {140}
    columns = [name for name in results.runs.columns if name.startswith("final_fid")]
    assert columns == ["final_fid_digits-cnn", "final_fid_inception"]
    assert (results.runs["final_fid_digits-cnn"] != results.runs["final_fid_inception"]).all()
    # The default extractor ranks.
    own = {entry.variant: entry.value.mean for entry in results.ranking if entry.kind == "ranked"}
    fids = results.summary[(results.summary["metric"] == "fid") & (results.summary["extractor"] == "digits-cnn")]
    assert own == {row.variant: row.mean for row in fids.itertuples() if row.variant != "real"}
    assert len(own) == 2


def test_bench_with_fewer_images_than_features_leaves_inception_out_with_a_notice(
    command: Callable[[Path], Results], named: Path
) -> None:
    results = command(named)
    assert list(results.manifest["extractors"]) == ["digits-cnn"]
    assert any("inception" in notice and "2048" in notice for notice in results.manifest["notices"])
    assert set(results.metrics["extractor"]) == {"digits-cnn"}
