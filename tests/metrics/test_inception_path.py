"""Inception with a weights file of the right structure and random values: tiling, resizing, the check of the hash."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from gan_zoo import api, data
from gan_zoo.bench.tables import Results, default_extractor
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import frechet, inception
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.measures import measure

PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def images(n: int, channels: int, side: int) -> Tensor:
    return torch.randint(
        0, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(n + side)
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of torch-fidelity's own module as torch.save writes it, with random values."""
    path = tmp_path_factory.mktemp("inception") / inception.FILE_NAME
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
def stand_in(weights: Path) -> Extractor:
    """The extractor as it is loaded from that file, whose hash is taken for the standard one's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
        return load_extractor("inception", inception_weights=weights)


def test_the_standard_hash_is_that_of_the_published_file() -> None:
    assert inception.SHA256 == PUBLISHED
    # torch-fidelity's file name ends in its first eight digits.
    assert inception.FILE_NAME.endswith(f"-{PUBLISHED[:8]}.pth")


def test_a_file_of_the_right_structure_and_another_hash_is_refused_in_one_line(weights: Path) -> None:
    with pytest.raises(GanZooError) as raised:
        load_extractor("inception", inception_weights=weights)
    said = str(raised.value)
    assert "\n" not in said
    assert str(weights) in said
    assert PUBLISHED in said
    assert "not the standard file" in said


def test_the_files_weights_are_those_of_the_network(stand_in: Extractor, weights: Path) -> None:
    assert isinstance(stand_in, inception.InceptionExtractor)
    loaded, saved = stand_in.network.state_dict(), torch.load(weights)
    assert list(loaded) == list(saved)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert not stand_in.network.training


def test_gray_is_tiled_to_three_channels(stand_in: Extractor) -> None:
    gray = images(3, 1, 32)
    seen, tiled = stand_in.encode(gray), stand_in.encode(torch.cat([gray] * 3, dim=1))
    assert torch.equal(seen.vectors, tiled.vectors)
    # Colors are not made gray on the way.
    color = torch.cat([gray, gray.flip(3), gray.flip(2)], dim=1)
    assert seen.vectors.std() > 0.01
    assert (stand_in.encode(color).vectors - seen.vectors).abs().max() > 0.01


@pytest.mark.parametrize("side", [28, 64])
def test_other_sides_pass_through_pils_bilinear_resize_to_32(stand_in: Extractor, side: int) -> None:
    given = images(2, 3, side)
    resized = data.resize(given, 32)
    assert torch.equal(stand_in.encode(given).vectors, stand_in.encode(resized).vectors)
    pil = torch.stack([
        torch.from_numpy(np.array(Image.fromarray(one.permute(1, 2, 0).numpy()).resize((32, 32), Image.BILINEAR)))
        for one in given
    ]).permute(0, 3, 1, 2)  # fmt: skip
    # Smaller ones to the level; where it shrinks, torch's weights are coarser.
    assert (pil.int() - resized.int()).abs().max() <= (0 if side < 32 else 1)


def test_what_enters_the_network_is_32_pixels_of_uint8(stand_in: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Tensor] = []

    def look(chunk: Tensor) -> tuple[Tensor, Tensor]:
        entered.append(chunk)
        return torch.zeros(len(chunk), 2048), torch.zeros(len(chunk), 1008)

    assert isinstance(stand_in, inception.InceptionExtractor)
    monkeypatch.setattr(stand_in.network, "forward", look)
    given = images(230, 1, 28)
    stand_in.encode(given)
    # Its own resize to 299 and its scale follow inside; a batch has at most 100 images.
    assert [len(chunk) for chunk in entered] == [100, 100, 30]
    assert torch.equal(torch.cat(entered), data.resize(given, 32).repeat(1, 3, 1, 1))


def test_its_features_and_logits_are_those_of_its_measures(stand_in: Extractor) -> None:
    assert stand_in.metrics == ("fid", "is", "kid")
    fake, real = stand_in.encode(images(6, 1, 32)), stand_in.encode(images(6, 1, 28))
    # Not the FID: 2,048 eigenvalues take seconds, and 6 images would say nothing.
    values = measure(fake, real, names=["is", "kid"])
    assert 1 < values["is"] < 6
    assert values["kid"] == frechet.kernel_distance(fake.vectors, real.vectors)


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
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"stand-in").hexdigest())
    monkeypatch.setattr(feature_extractor_inceptionv3, "FeatureExtractorInceptionV3", Small)
    return path


@pytest.fixture
def command(tmp_path: Path, toys: Path, suite: Callable[..., Path], no_report: None) -> Callable[[Path], Results]:
    """A bench of the suite of the toys with these weights, in this process: its results."""

    def run(weights: Path) -> Results:
        options = {"preset": "smoke", "plugins": [toys], "jobs": 1, "inception_weights": weights}
        return api.run_suite(suite(), tmp_path / "out", **options).results

    return run


def test_bench_gives_inception_columns_of_its_own_and_ranks_by_the_sets_own_extractor(
    command: Callable[[Path], Results], named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The 360 test images of the digits are fewer than it takes; its 16 features need no more than the 140 of the suite.
    monkeypatch.setattr(inception, "InceptionExtractor", partial(inception.InceptionExtractor, minimum_n=129))
    results = command(named)
    assert list(results.manifest["extractors"]) == ["digits-cnn", "inception"]
    assert default_extractor(results.manifest) == "digits-cnn"
    seen = results.metrics[results.metrics["extractor"] == "inception"]
    assert set(seen["metric"]) == {"fid", "is", "kid"}
    assert set(seen["n"]) == {140}
    columns = [name for name in results.runs.columns if name.startswith("final_fid")]
    assert columns == ["final_fid_digits-cnn", "final_fid_inception"]
    assert (results.runs["final_fid_digits-cnn"] != results.runs["final_fid_inception"]).all()
    # What ranks is the own extractor's figure, whatever Inception's says.
    own = {entry.variant: entry.value.mean for entry in results.ranking if entry.kind == "ranked"}
    fids = results.summary[(results.summary["metric"] == "fid") & (results.summary["extractor"] == "digits-cnn")]
    assert own == {row.variant: row.mean for row in fids.itertuples() if row.variant != "real"}
    assert len(own) == 2


def test_bench_with_fewer_images_than_features_leaves_inception_out_and_says_so(
    command: Callable[[Path], Results], named: Path
) -> None:
    results = command(named)
    assert list(results.manifest["extractors"]) == ["digits-cnn"]
    assert "inception is left out: its figures need N of at least 2048, and N is 140" in results.manifest["notices"]
    assert set(results.metrics["extractor"]) == {"digits-cnn"}
