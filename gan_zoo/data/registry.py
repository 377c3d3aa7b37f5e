"""Data sets by name. A new set is one decorated function that returns a `Dataset`."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gan_zoo.data.splits import Dataset, Split, fingerprint, match_channels, resize
from gan_zoo.errors import GanZooError, unknown
from gan_zoo.io import cache_root

DATA_ENV = "GAN_ZOO_DATA"


class DataMissing(GanZooError):
    """The files of a data set are not on this machine and cannot be downloaded."""


@dataclass(frozen=True)
class Request:
    """What the caller asked of a data set.

    Attributes:
        side: height and width of the images, in pixels.
        channels: 1, 3, or None for the set's own.
        root: folder to look in, an existing directory, or None for the cache folder.
        download: whether missing files may be downloaded.
    """

    side: int = 32
    channels: int | None = None
    root: Path | None = None
    download: bool = True


Loader = Callable[[Request], Dataset]
PrefixLoader = Callable[[str, Request], Dataset]
_LOADERS: dict[str, Loader] = {}
_PREFIXES: dict[str, PrefixLoader] = {}
_EMBEDDED: set[str] = set()
_NATIVE_SIDES: dict[str, int] = {}
_REVISIONS: dict[str, int] = {}
"""By the name of a data set, or by a prefix."""


def dataset(name: str, *, files: bool = True, side: int = 28, revision: int = 1) -> Callable[[Loader], Loader]:
    """Register the decorated function as the data set `name`.

    Args:
        name: what it is asked for by.
        files: whether it looks for any below a root.
        side: of its images as they come, at which nothing has to be resized.
        revision: raise it when a change of the loader changes the samples that it returns.

    Raises GanZooError where the name is taken.
    """

    def register(loader: Loader) -> Loader:
        if name in _LOADERS:
            raise GanZooError(f"data set {name!r} is registered already: choose another name")
        _LOADERS[name], _NATIVE_SIDES[name], _REVISIONS[name] = loader, side, revision
        if not files:
            _EMBEDDED.add(name)
        return loader

    return register


def dataset_prefix(prefix: str, *, revision: int = 1) -> Callable[[PrefixLoader], PrefixLoader]:
    """Register the decorated function for all data sets named `prefix:REST`; it is given the rest.

    `revision` is that of all these sets: raise it when a change of the loader changes the samples that it returns.
    """

    def register(loader: PrefixLoader) -> PrefixLoader:
        _PREFIXES[prefix] = loader
        _REVISIONS[prefix] = revision
        return loader

    return register


def names() -> list[str]:
    """Names of all registered data sets, sorted; those with a prefix, such as `folder:PATH`, are not listed."""
    return sorted(_LOADERS)


def is_known(name: str) -> bool:
    """Whether a data set has that name: one of `names()`, or one with a prefix such as `folder:PATH`."""
    return name in _LOADERS or _prefix(name) is not None


def needs_root(name: str) -> bool:
    """Whether a data set looks for files below a root; an embedded one and a folder do not."""
    return name not in _EMBEDDED and _prefix(name) is None


def native_side(name: str) -> int:
    """The side at which the images of a data set do not have to be resized."""
    return _NATIVE_SIDES[name]


def revision(name: str) -> int:
    """The revision of a data set's samples, by its name or by one with a prefix such as `folder:PATH`.

    Raises GanZooError where no data set has that name.
    """
    if not is_known(name):
        raise _unknown(name)
    return _REVISIONS[_prefix(name) or name]


def _unknown(name: str) -> GanZooError:
    return unknown("data set", name, [*_LOADERS, *(f"{prefix}:PATH" for prefix in _PREFIXES)])


def _prefix(name: str) -> str | None:
    """The registered prefix of a name, if it has one."""
    prefix, colon, _ = name.partition(":")
    return prefix if colon and prefix in _PREFIXES else None


def _call(name: str, request: Request) -> Dataset:
    prefix = _prefix(name)
    if prefix is None:
        return _LOADERS[name](request)
    return _PREFIXES[prefix](name.removeprefix(f"{prefix}:"), request)


def load(
    name: str,
    *,
    side: int = 32,
    channels: int | None = None,
    root: Path | None = None,
    download: bool = True,
    device: torch.device | str = "cpu",
) -> Dataset:
    """Load a data set, its images resized once and kept as one uint8 tensor a split on `device`.

    Args:
        name: one of `names()`, or `folder:PATH`.
        side: height and width of the images, in pixels.
        channels: 1 or 3; None keeps the set's own. Grey is repeated, color becomes luma.
        root: folder that holds the files; else the environment's GAN_ZOO_DATA, else `data` in the cache folder.
        download: whether missing files may be downloaded.
        device: where the tensors go.

    Raises:
        GanZooError: unknown name, impossible side or channels, a named root that is no directory, or a damaged file.
        DataMissing: the files are neither here nor available for download.
    """
    if not is_known(name):
        raise _unknown(name)
    if side < 1:
        raise GanZooError(f"image side {side} is impossible: it must be a positive number of pixels, e.g. 32")
    check_channels(channels)
    # What the environment names wrongly is no concern of an embedded set; what the caller names wrongly always is.
    named = _named_root(root) if root is not None or needs_root(name) else None
    request = Request(side=side, channels=channels, root=named, download=download)
    return replace(_call(name, request), requested=name).to(device)


def check_channels(channels: int | None) -> None:
    """Raise GanZooError where images cannot be had in so many channels; None stands for the set's own."""
    if channels not in (None, 1, 3):
        raise GanZooError(f"{channels} image channels are impossible: choose 1 (grey) or 3 (color)")


def image_dataset(
    request: Request,
    *,
    name: str,
    title: str,
    train: Split,
    test: Split,
    class_names: Sequence[str],
    extractor: str,
    note: str = "",
) -> Dataset:
    """A `Dataset` of images from native-sized splits, resized and with the channels that `request` asks for."""

    def prepare(split: Split) -> Split:
        images = resize(split.images, request.side)
        return Split(match_channels(images, request.channels or images.shape[1]), split.labels)

    train, test = prepare(train), prepare(test)
    return Dataset(
        name=name,
        title=title,
        train=train,
        test=test,
        classes=len(class_names),
        class_names=tuple(class_names),
        extractor=extractor,
        fingerprint=fingerprint(train, test),
        note=note,
    )


def default_root() -> Path:
    """The folder for data where none is named: `data` in the cache folder."""
    return cache_root() / "data"


def _named_root(argument: Path | None) -> Path | None:
    """The root that the caller or the environment names, checked; None where neither does."""
    environment = os.environ.get(DATA_ENV)
    if argument is not None:
        root, origin = Path(argument).expanduser(), "--data-root"
    elif environment:
        root, origin = Path(environment).expanduser(), DATA_ENV
    else:
        return None
    if not root.is_dir():
        problem = "is not a directory" if root.exists() else "does not exist"
        raise GanZooError(f"data root {root} (from {origin}) {problem}: name the folder that holds the data sets")
    return root
