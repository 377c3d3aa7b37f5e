"""Data sets by name. A new one is a decorated function that returns a ``Dataset``."""

import inspect
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gan_zoo import plugins
from gan_zoo.data.splits import Dataset, Split, fingerprint, match_channels, resize
from gan_zoo.errors import GanZooError, one_line, shown, unknown
from gan_zoo.io import cache_root, with_home
from gan_zoo.options import DataOptions

DATA_ENV = "GAN_ZOO_DATA"


class DataMissing(GanZooError):
    """The files of a data set are not on this machine and cannot be downloaded."""


@dataclass(frozen=True)
class Request(DataOptions):
    """How a data set is requested.

    Attributes:
        side: height and width of the images, in pixels.
        root: data root, an existing folder, or None for the cache folder.
        download: whether missing files may be downloaded.
    """

    side: int = 32
    root: Path | None = None
    download: bool = True


Loader = Callable[..., Dataset]


@dataclass(frozen=True)
class _Registered:
    loader: Loader
    needs_root: bool
    native_side: int
    revision: int
    has_split: bool


_DATASETS: dict[str, _Registered] = {}
"""By the name of a data set, or by a prefix with its colon."""
plugins.add_table("data sets", lambda: _DATASETS, lambda entry: entry.loader)


def register_dataset(
    name: str, *, files: bool = True, side: int = 28, revision: int = 1, has_split: bool = True
) -> Callable[[Loader], Loader]:
    """Register the decorated function, which takes a ``Request``, as the data set ``name``.

    Its docstring's first paragraph is the description.

    Args:
        name: the name under which it is requested. With a colon at its end, e.g. ``folder:``, it stands for all names
            that begin so, and the function takes the rest of the name before the request.
        files: whether it reads files below a data root.
        side: native height and width of its images.
        revision: increase it if a change of the function changes the samples.
        has_split: whether it has a test split of its own, so that ``Request.test_share`` cannot be requested.

    Raises:
        GanZooError: the name is taken, or cannot be part of a file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}:?", name):
        raise GanZooError(f"name {shown(name)} of a data set: use up to 80 letters, digits, '_', '-' and '.'")

    def register(loader: Loader) -> Loader:
        taken = _DATASETS.get(name)
        if taken is not None and not plugins.is_same(taken.loader, loader):
            raise GanZooError(f"data set {name!r} is registered already: choose another name")
        _DATASETS[name] = _Registered(loader, files, side, revision, has_split)
        return loader

    return register


def names() -> list[str]:
    """Names of all registered data sets, sorted, without those that have a prefix, such as ``folder:PATH``."""
    return sorted(name for name in _DATASETS if not name.endswith(":"))


def descriptions() -> dict[str, str]:
    """The first paragraph of each loader's docstring, by the names of the data sets, then by ``prefix:PATH``."""
    found = {}
    for key in sorted(_DATASETS, key=lambda key: (key.endswith(":"), key)):
        paragraph, _, _ = (inspect.getdoc(_DATASETS[key].loader) or "").partition("\n\n")
        found[f"{key}PATH" if key.endswith(":") else key] = " ".join(paragraph.split())
    return found


def is_known(name: str) -> bool:
    """Whether there is a data set with this name: one of ``names()``, or one with a prefix such as ``folder:PATH``."""
    return _key(name) in _DATASETS


def needs_root(name: str) -> bool:
    """Whether a data set reads files below a data root."""
    return _registered(name).needs_root


def native_side(name: str) -> int:
    """The side at which the images of a data set are not resized."""
    return _registered(name).native_side


def revision(name: str) -> int:
    """The revision of a data set's samples."""
    return _registered(name).revision


def _key(name: str) -> str:
    prefix, colon, _ = name.partition(":")
    return prefix + colon


def _registered(name: str) -> _Registered:
    """What is registered for a name such as ``mnist`` or ``folder:PATH``. Raises GanZooError if nothing is."""
    if not is_known(name):
        raise unknown("data set", name, descriptions())
    return _DATASETS[_key(name)]


def load(
    name: str,
    *,
    side: int = 32,
    root: Path | None = None,
    download: bool = True,
    device: torch.device | str = "cpu",
    **options: Any,
) -> Dataset:
    """Load a data set, its images resized once and stored as one uint8 tensor per split on ``device``.

    Args:
        name: one of ``names()``, or ``folder:PATH``.
        side: height and width of the images, in pixels.
        root: folder of the files; default: the environment variable GAN_ZOO_DATA, else ``data`` in the cache folder.
        download: whether missing files may be downloaded.
        device: the device of the tensors.
        options: fields of ``gan_zoo.options.DataOptions``, e.g. ``channels=3``. Grey is repeated, color becomes luma.

    Raises:
        GanZooError: unknown name, impossible side or options, a root that is no directory, a damaged file, or images or
            labels of another type or shape than ``Split`` states.
        DataMissing: the files are neither on this machine nor available for download.
    """
    registered = _registered(name)
    if side < 1:
        raise GanZooError(f"image side {side} is impossible: it must be a positive number of pixels, e.g. 32")
    chosen = DataOptions(**options)
    if chosen.test_share is not None and registered.has_split:
        raise GanZooError(
            f"test share {chosen.test_share}: data set {name!r} has a test split of its own; leave it out"
        )
    # A wrong environment variable does not matter to an embedded set; a wrong argument always does.
    folder = _data_root(root) if root is not None or registered.needs_root else None
    request = Request(side=side, root=folder, download=download, **vars(chosen))
    _, colon, rest = name.partition(":")
    try:
        loaded = registered.loader(rest, request) if colon else registered.loader(request)
    except (GanZooError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if registered.loader.__module__.startswith("gan_zoo."):
            raise
        # Of a plugin, whatever its function raises becomes one line, with the file to fix.
        file = plugins.file_of(registered.loader)
        raise GanZooError(f"data set {name!r} failed: {one_line(error)}; fix it in {file}") from error
    if not isinstance(loaded, Dataset):
        raise GanZooError(f"data set {name!r}: its function returns {shown(loaded)}; return a Dataset")
    for part, split in (("train", loaded.train), ("test", loaded.test)):
        _check_split(f"data set {name!r}: {part}", split, loaded.classes, is_points=loaded.kind == "points")
    if chosen.mirror:
        loaded = _with_mirror_images(loaded)
    return replace(loaded, requested=name, options=chosen).to(device)


def _check_split(what: str, split: Split, classes: int, *, is_points: bool = False) -> None:
    """Raise GanZooError if the images and labels of a split have another type or shape than ``Split`` states."""
    images, labels = split.images, split.labels
    wanted, shape = (("float32", 2), "(N, D)") if is_points else (("uint8", 4), "(N, C, H, W)")
    if (_dtype(images), getattr(images, "ndim", 0)) != wanted:
        raise GanZooError(f"{what} images are {_described(images)}; return {wanted[0]} {shape}")
    if _dtype(labels) != "int64" or labels.shape != images.shape[:1]:
        raise GanZooError(f"{what} labels are {_described(labels)}; return int64 ({len(images)},)")
    if len(labels):
        low, high, most = int(labels.min()), int(labels.max()), max(classes, 1) - 1
        if low < 0 or high > most:
            raise GanZooError(f"{what} labels are from {low} to {high}; {classes} classes have labels from 0 to {most}")


def _dtype(values: object) -> str:
    """The type of a tensor's numbers; empty for anything else."""
    return str(values.dtype).removeprefix("torch.") if isinstance(values, torch.Tensor) else ""


def _described(values: object) -> str:
    if isinstance(values, torch.Tensor):
        return f"{_dtype(values)} {tuple(values.shape)}"
    return f"of type {type(values).__name__}"


def _with_mirror_images(loaded: Dataset) -> Dataset:
    """The data set with twice as many training images. Raises GanZooError if its samples are points."""
    if loaded.kind != "images":
        raise GanZooError(f"mirror: data set {loaded.name!r} has {loaded.kind}, which cannot be mirrored; leave it out")
    images = torch.cat([loaded.train.images, loaded.train.images.flip(-1)])
    train = Split(images, loaded.train.labels.repeat(2))
    note = f"{len(images) // 2:,} of the {len(images):,} training images are mirror images"
    return replace(
        loaded,
        train=train,
        fingerprint=fingerprint(train, loaded.test),
        note="; ".join(filter(None, [loaded.note, note])),
    )


def image_dataset(
    request: Request,
    *,
    name: str,
    title: str,
    train: Split,
    test: Split,
    class_names: Sequence[str],
    extractor: str,
    **facts: Any,
) -> Dataset:
    """A ``Dataset`` of images from splits of the native size, with the requested side and channels.

    ``facts`` are further fields of it, e.g. ``note``.

    Raises:
        GanZooError: images or labels of another type or shape than ``Split`` states.
    """
    for part, split in (("train", train), ("test", test)):
        # Here too, since to resize floats would make them uint8.
        _check_split(f"data set {name!r}: {part}", split, len(class_names))

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
        **facts,
    )


def default_root() -> Path:
    """The default data root: ``data`` in the cache folder."""
    return cache_root() / "data"


def _data_root(argument: Path | None) -> Path | None:
    """The data root from the argument, else from the environment, else None. Raises GanZooError if it is no folder."""
    named = argument if argument is not None else os.environ.get(DATA_ENV)
    if not named:
        return None
    origin = DATA_ENV if argument is None else "--data-root"
    root = with_home(named, origin)
    if not root.is_dir():
        problem = "is not a directory" if root.exists() else "does not exist"
        raise GanZooError(f"data root {root} (from {origin}) {problem}: name the folder that holds the data sets")
    return root
