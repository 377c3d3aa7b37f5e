"""Extractors by name: a shipped one joins by one entry in `EXTRACTORS`; a data set without one has its own trained."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from gan_zoo.data import Dataset
from gan_zoo.errors import GanZooError, unknown
from gan_zoo.metrics import inception
from gan_zoo.metrics.classifier import load_classifier
from gan_zoo.metrics.features import Extractor, ExtractorUnavailable
from gan_zoo.metrics.stacked import load_stacked
from gan_zoo.metrics.trained import load_trained

__all__ = ["EXTRACTORS", "NAMES", "OWN", "TRAINED", "Extractor", "ExtractorUnavailable", "load_extractor", "resolve"]

Loader = Callable[[torch.device, Path | None], Extractor]


def _classifier(name: str) -> Loader:
    return lambda device, inception_weights: load_classifier(name, device)


EXTRACTORS: dict[str, Loader] = {
    "mnist-cnn": _classifier("mnist-cnn"),
    "fashion-cnn": _classifier("fashion-cnn"),
    "digits-cnn": _classifier("digits-cnn"),
    "stacked-mnist-cnn": lambda device, inception_weights: load_stacked(device),
    "inception": inception.load_inception,
}
"""The extractors that serve any data set, by name."""

TRAINED = "trained"
"""The name for a classifier that is trained on the data set's own labels."""

OWN = "own"
"""The name for the extractor that fits the data set: see `resolve`."""

NAMES = (*EXTRACTORS, TRAINED, OWN)
"""All names that a suite may ask for."""


def resolve(
    names: Sequence[str], dataset: Dataset, *, n: int | None = None, inception_weights: Path | None = None
) -> list[str]:
    """`names`, each once, with "own" replaced by the name of the extractor that fits the data set.

    That is the set's shipped one; else "inception" where its weights are on this machine; else "trained". Inception
    does not know the set's classes, so "own" is "trained" as well where "inception" is asked for beside it, and where
    the ``n`` images to be measured are too few for Inception.
    """
    own = dataset.extractor
    if own not in EXTRACTORS:
        enough = n is None or n >= inception.MINIMUM_N
        alone = "inception" not in names and inception.is_here(inception_weights)
        own = "inception" if enough and alone else TRAINED
    return list(dict.fromkeys(own if name == OWN else name for name in names))


def load_extractor(
    name: str,
    *,
    device: torch.device | str = "cpu",
    inception_weights: Path | None = None,
    dataset: Dataset | None = None,
) -> Extractor:
    """The extractor `name`, its weights verified by SHA-256, in evaluation mode on `device`.

    Args:
        name: a key of `EXTRACTORS`; "trained" or "own", for which `dataset` is needed.
        device: where its network computes and its features stay.
        inception_weights: file for "inception", instead of the one in torch's hub cache; unused by others.
        dataset: what is measured, both splits; a classifier is trained on it where it needs one (minutes, once).

    Raises:
        GanZooError: unknown name, a missing or damaged weights file, no data set where one is needed.
        ExtractorUnavailable: it is not to be had here: go on without it.
    """
    device = torch.device(device)
    if name not in NAMES:
        raise unknown("extractor", name, NAMES)
    if name in EXTRACTORS:
        return EXTRACTORS[name](device, inception_weights)
    if dataset is None:
        raise GanZooError(f"extractor {name!r} depends on the data: give load_extractor the data set as dataset=")
    if name == OWN:
        (resolved,) = resolve([name], dataset, inception_weights=inception_weights)
        return load_extractor(resolved, device=device, inception_weights=inception_weights, dataset=dataset)
    return load_trained(dataset, device)
