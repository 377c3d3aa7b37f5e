"""The standard Inception v3 of FID, IS and KID, from torch-fidelity, its weights verified before they are loaded."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from torch import Tensor

from gan_zoo.data import match_channels, resize
from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.io import full_disk
from gan_zoo.metrics.classifier import SIDE, file_digest
from gan_zoo.metrics.encoding import encode_in_batches
from gan_zoo.metrics.features import ExtractorUnavailable, Features

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
MINIMUM_N = 2048
_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class InceptionExtractor:
    """An `Extractor` around the Inception v3 of 2015-12-05: 2,048 pooled features, 1,008 logits without their bias.

    Its classes are ImageNet's, so only FID, IS and KID are read from it; below 2,048 images the covariance is singular.
    """

    network: "FeatureExtractorInceptionV3"
    device: torch.device
    name: str = "inception"
    digest: str = SHA256
    accuracy: float | None = None
    metrics: tuple[str, ...] = ("fid", "is", "kid")
    minimum_n: int = MINIMUM_N
    note: str = ""

    @torch.no_grad()
    def encode(self, images: Tensor, batch: int = 500) -> Features:
        """Features (N, 2048) and logits (N, 1008) of uint8 images (N, C, H, W), C 1 or 3, at most 100 at a time.

        Images pass through the data room's resize to 32 first, so that one reference serves generators of every side.
        """

        def one(chunk: Tensor) -> tuple[Tensor, Tensor]:
            vectors, logits = self.network(match_channels(resize(chunk, SIDE), 3).to(self.device))
            return vectors, logits

        return encode_in_batches(one, images, min(batch, 100), self.name, self.device)


def is_here(weights: Path | None = None) -> bool:
    """Whether the weights are to be had without a download: a file is named, or lies in torch's hub cache."""
    return weights is not None or _in_hub().is_file()


def load_inception(device: torch.device, weights: Path | None = None) -> InceptionExtractor:
    """The extractor with the weights file at `weights`, else in torch's hub cache, else downloaded to that cache.

    Raises:
        GanZooError: a file that is there, or is named, is missing or is not the standard one.
        ExtractorUnavailable: none is named, none is in the cache, and it cannot be downloaded.
    """
    path = _download() if weights is None else weights
    if not path.is_file():
        raise GanZooError(f"Inception weights {path} do not exist: name the file {FILE_NAME} with --inception-weights")
    if file_digest(path) != SHA256:
        raise GanZooError(
            f"Inception weights {path} are not the standard file (SHA-256 {SHA256}): replace or delete it"
        )
    # Seconds to import, and needed only where the weights are.
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.random.fork_rng(devices=[]):  # Its initial values are drawn from the caller's random generator.
        network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(path))
    return InceptionExtractor(network.to(device), device)


def _download() -> Path:
    """The path of the weights in torch's hub cache, downloaded if they are not there yet.

    Raises:
        ExtractorUnavailable: they cannot be downloaded.
        StorageError: the disk is full.
    """
    path = _in_hub()
    if path.is_file():
        return path
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")), _network_timeout():
            if not path.is_file():
                torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=SHA256, progress=False)
    except (OSError, HTTPException, RuntimeError) as error:
        if full := full_disk(error):
            raise StorageError(path, full) from error
        raise ExtractorUnavailable(
            f"inception left out: its weights are not at {path} and could not be downloaded; "
            f"put {FILE_NAME} there or name it with --inception-weights"
        ) from error
    return path


def _in_hub() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME


@contextlib.contextmanager
def _network_timeout() -> Iterator[None]:
    """No waiting on a silent server beyond the timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
