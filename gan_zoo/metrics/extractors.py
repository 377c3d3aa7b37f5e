"""Extractors by name: an extractor joins by one entry in `EXTRACTORS`."""

from collections.abc import Callable
from pathlib import Path

import torch

from gan_zoo.errors import unknown
from gan_zoo.metrics.classifier import load_classifier
from gan_zoo.metrics.features import Extractor, ExtractorUnavailable
from gan_zoo.metrics.inception import load_inception

__all__ = ["EXTRACTORS", "Extractor", "ExtractorUnavailable", "load_extractor"]

Loader = Callable[[torch.device, Path | None], Extractor]


def _classifier(name: str) -> Loader:
    return lambda device, inception_weights: load_classifier(name, device)


EXTRACTORS: dict[str, Loader] = {
    "mnist-cnn": _classifier("mnist-cnn"),
    "fashion-cnn": _classifier("fashion-cnn"),
    "digits-cnn": _classifier("digits-cnn"),
    "inception": load_inception,
}


def load_extractor(
    name: str, *, device: torch.device | str = "cpu", inception_weights: Path | None = None
) -> Extractor:
    """The extractor `name`, its weights verified by SHA-256, in evaluation mode on `device`.

    Args:
        name: a key of `EXTRACTORS`.
        device: where its network computes and its features stay.
        inception_weights: file for "inception", instead of the one in torch's hub cache; unused by others.

    Raises:
        GanZooError: unknown name, a missing or damaged weights file.
        ExtractorUnavailable: the weights are not here and cannot be downloaded: go on without it.
    """
    if name not in EXTRACTORS:
        raise unknown("extractor", name, EXTRACTORS)
    return EXTRACTORS[name](torch.device(device), inception_weights)
