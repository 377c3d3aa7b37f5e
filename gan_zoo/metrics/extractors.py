"""Extractors by name: shipped classifiers, Inception, those of plugins, and a classifier trained on the data set."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from torch import Tensor

from gan_zoo.data import Dataset, match_channels, resize
from gan_zoo.errors import GanZooError, StorageError, check_known
from gan_zoo.io import full_disk, network_timeout
from gan_zoo.metrics.classifier import SIDE, load_classifier, load_stacked
from gan_zoo.metrics.classifier_training import load_trained
from gan_zoo.metrics.custom import extractor_names, load_custom
from gan_zoo.metrics.features import EXTRACTORS, Extractor, ExtractorUnavailable, Features
from gan_zoo.metrics.registry import names_for

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_MINIMUM_N = 2048


@dataclass(frozen=True, kw_only=True)
class InceptionExtractor(Extractor):
    """An `Extractor` around torch-fidelity's Inception v3 of 2015-12-05: 2,048 pooled features, 1,008 logits."""

    network: "FeatureExtractorInceptionV3"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 2048) and logits (B, 1008), without their bias, of images resized to 32x32.

        One reference serves generators of every side; the network resizes to 299x299.
        """
        vectors, logits = self.network(match_channels(resize(images, SIDE), 3).to(self.device))
        return vectors, logits

    def encode(self, images: Tensor, batch: int = 500) -> Features:
        """As of `Extractor`, at most 100 images at a time."""
        return super().encode(images, min(batch, 100))


def load_inception(device: torch.device, weights: Path | None = None) -> InceptionExtractor:
    """The extractor with the weights file ``weights``, else the one in torch's hub cache, else downloaded to it.

    Raises:
        GanZooError: the file does not exist or is not the standard one.
        ExtractorUnavailable: no file is named, none is in the cache, and it cannot be downloaded.
    """
    path = _download() if weights is None else weights
    if not path.is_file():
        raise GanZooError(f"Inception weights {path} do not exist: name the file {FILE_NAME} with --inception-weights")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise GanZooError(
            f"Inception weights {path} are not the standard file (SHA-256 {SHA256}): replace or delete it"
        )
    # It takes seconds to import.
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.random.fork_rng(devices=[]):  # Its constructor draws initial values.
        network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(path))
    return InceptionExtractor(
        name="inception",
        digest=SHA256,
        metrics=names_for("inception"),
        minimum_n=INCEPTION_MINIMUM_N,
        device=device,
        network=network.to(device),
    )


def _download() -> Path:
    """The path of the weights in torch's hub cache, downloaded if they are not there."""
    path = _in_hub()
    if path.is_file():
        return path
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")), network_timeout():
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


TRAINED = "trained"
"""The name for a classifier that is trained on the data set's own labels."""

OWN = "own"
"""The name for the default extractor of the data set: see `resolve`."""


def names() -> list[str]:
    """All names that a suite can contain."""
    return [*EXTRACTORS, *extractor_names(), TRAINED, OWN]


def resolve(
    requested: Sequence[str], dataset: Dataset, *, n: int | None = None, inception_weights: Path | None = None
) -> list[str]:
    """``requested`` names without repetitions, with "own" replaced by the name of the data set's default extractor.

    That is the one that the set names; else "inception" if its weights are on this machine; else "trained". Inception
    does not know the set's classes, so the default is also "trained" if ``requested`` contains "inception", or if ``n``
    images are too few for Inception's FID and there are classes to train on.
    """
    default = dataset.extractor
    if default not in [*EXTRACTORS, *extractor_names()]:
        enough = n is None or n >= INCEPTION_MINIMUM_N or dataset.classes < 2
        available = inception_weights is not None or _in_hub().is_file()
        default = "inception" if enough and available and "inception" not in requested else TRAINED
    return list(dict.fromkeys(default if name == OWN else name for name in requested))


def load_extractor(
    name: str,
    *,
    device: torch.device | str = "cpu",
    inception_weights: Path | None = None,
    dataset: Dataset | None = None,
) -> Extractor:
    """The extractor ``name``, its weights verified by SHA-256, in evaluation mode on ``device``.

    Args:
        name: one of ``names()``; "trained" and "own" need ``dataset``.
        device: of the network and its features.
        inception_weights: file for "inception", in place of the one in torch's hub cache.
        dataset: both splits of the evaluated data set; a classifier is trained on it if it needs one (minutes, once).

    Raises:
        GanZooError: unknown name, a missing or damaged weights file, no data set where one is needed.
        ExtractorUnavailable: its weights cannot be obtained here.
    """
    check_known("extractor", name, names())
    device = torch.device(device)
    if name == OWN and dataset is not None:
        (name,) = resolve([name], dataset, inception_weights=inception_weights)
    if name == "inception":
        return load_inception(device, inception_weights)
    if name == "stacked-mnist-cnn":
        return load_stacked(device)
    if name in EXTRACTORS:
        return load_classifier(name, device)
    if name in extractor_names():
        return load_custom(name, device)
    if dataset is None:
        raise GanZooError(f"extractor {name!r} depends on the data: give load_extractor the data set as dataset=")
    return load_trained(dataset, device)
