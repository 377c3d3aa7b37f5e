"""The real images that generated ones are compared with: their features, statistics computed once, a cache on disk."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from gan_zoo import METRICS_VERSION
from gan_zoo.data import Split, match_channels, resize
from gan_zoo.io import cache_root
from gan_zoo.metrics.features import Extractor, Features
from gan_zoo.metrics.registry import METRICS
from gan_zoo.tensors import read_cached, write_cached

SEED = 0
"""The seed by which the images of the reference are drawn."""

Value = TypeVar("Value")


class _Statistics:
    def statistic(self, function: Callable[[Self], Value]) -> Value:
        """``function`` of this object, computed at the first call."""
        known = vars(self).setdefault("_statistics", {})
        if function not in known:
            known[function] = function(self)
        value: Value = known[function]
        return value


@dataclass(frozen=True, eq=False)
class Reference(_Statistics):
    """Features of real images, with the statistics that metrics have computed from them.

    Attributes:
        features: of N real images that were not trained on.
        training: feature vectors float32 (M, D) of the training images, on the same device, or None.
    """

    features: Features
    training: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Comparison(_Statistics):
    """Generated images beside as many real ones: the input of a metric of images.

    Attributes:
        fake: features of the generated images.
        real: the reference, of the same extractor.
        labels: class requested for each generated image, int64 (N,), or None.
    """

    fake: Features
    real: Reference
    labels: Tensor | None = None

    def pair(self, on: str) -> tuple[Tensor, Tensor]:
        """The fake and the real ``features``, ``logits`` or ``images``; the latter of equal size, on one device."""
        fake, real = self.fake, self.real.features
        if on == "features":
            return fake.vectors, real.vectors
        if on == "logits":
            return fake.require_logits(), real.require_logits()
        assert fake.images is not None
        assert real.images is not None
        device = real.vectors.device
        images = match_channels(resize(fake.images, real.images.shape[-1]), real.images.shape[1])
        return images.to(device), real.images.to(device)


def load_reference(
    extractor: Extractor, train: Split, test: Split, index: Tensor, fingerprint: str | None
) -> Reference:
    """The reference of the images ``index`` of the test split, and of the training images if a metric needs them.

    With the ``fingerprint`` of the data, features are cached on disk.
    """
    device = test.labels.device

    def encode_test() -> dict[str, Tensor]:
        features = extractor.encode(test.images[index])
        return {"vectors": features.vectors} | ({} if features.logits is None else {"logits": features.logits})

    def encode_training() -> dict[str, Tensor]:
        return {"vectors": extractor.encode(train.images).vectors}

    def load(images: list[Any], encode: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        if fingerprint is None:
            return encode()
        key = {
            "content": "features",
            "extractor": [extractor.name, extractor.digest, *filter(None, [extractor.probe])],
            "data": fingerprint,
            "images": images,
            "metrics": METRICS_VERSION,
            "torch": str(torch.__version__),
            "device": device.type,
            # On a CPU both change the last digits of features.
            "products": [torch.get_num_threads(), torch.get_float32_matmul_precision()] * (device.type == "cpu"),
        }
        return cached(key, encode, device)

    real = load(["test", len(index), SEED, *test.shape], encode_test)
    images = test.images[index] if _needs(extractor, "images") else None
    features = Features(real["vectors"], real.get("logits"), extractor.name, images)
    if not needs_training(extractor):
        return Reference(features)
    return Reference(features, load(["train", len(train), *train.shape], encode_training)["vectors"])


def needs_training(extractor: Extractor) -> bool:
    """Whether a metric of this extractor needs the features of the training images."""
    return _needs(extractor, "training")


def _needs(extractor: Extractor, what: str) -> bool:
    return any(what in METRICS[name].needs for name in extractor.metrics)


def cached(
    key: Mapping[str, object], compute: Callable[[], dict[str, Tensor]], device: torch.device
) -> dict[str, Tensor]:
    """The tensors that ``compute`` returns, read from the cache folder if they are stored there, else stored.

    ``key`` is all that decides the tensors, as JSON values; tensors read from a file are moved to ``device``. A file
    that is damaged or has another key is replaced. If the folder cannot be written to, nothing is stored.
    """
    text = json.dumps(key, sort_keys=True)
    path = cache_root() / "features" / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    tensors = read_cached(path, text)
    if tensors is not None:
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    tensors = compute()
    write_cached(path, text, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    return tensors
