"""`folder:PATH`: anyone's own images, one sub-folder a class, or no classes."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gan_zoo.data.registry import Request, dataset_prefix, image_dataset
from gan_zoo.data.splits import Dataset, Split
from gan_zoo.errors import GanZooError

TEST_SHARE = 0.1
_SPLIT_SEED = 0
_NAMED = 5


@dataclass(frozen=True)
class Tree:
    """The image files of a folder.

    Attributes:
        classes: names of the sub-folders, sorted; empty where there are none with images.
        files: paths relative to the folder, class by class.
        labels: int64 (N,), the classes of the files; zeros where there are none.
        loose: number of images beside the sub-folders, which belong to no class.
    """

    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: Tensor
    loose: int


@dataset_prefix("folder")
def folder(path: str, request: Request) -> Dataset:
    """Images of any size and kind that Pillow reads, RGB or grey, cropped to squares and resized once.

    A tenth of each class, drawn with a fixed seed, is the test split. Transparent images are put on white. Hidden files
    and files without the suffix of an image are passed over; what is left out for another reason is in the note.

    Raises:
        GanZooError: no such folder, a file, or no readable image in it.
    """
    # Pillow, which no other set needs, is slow to import.
    from gan_zoo.data.pictures import read_pictures, suffixes

    root = _root(path)
    tree = _tree(root, suffixes())
    images, places = read_pictures(root, tree.files, request.side, request.channels)
    if not len(places):
        found = f"none of its {len(tree.files)} image files can be read" if tree.files else "it holds no images"
        raise GanZooError(f"folder {str(root)!r} cannot be a data set: {found}; put PNG or JPEG files into it")
    present = tree.labels[places].unique()
    labels = torch.searchsorted(present, tree.labels[places])
    train, test = _split(labels)
    classes = tuple(_shown(tree.classes[label]) for label in present) if tree.classes else ()
    own = root.resolve().name
    return image_dataset(
        request,
        name=f"folder-{_safe(own)}",
        title=_shown(own) or "folder",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        class_names=classes,
        extractor="trained" if len(classes) > 1 else "",
        note=_note(tree, places, present),
    )


def _root(path: str) -> Path:
    root = Path(path).expanduser()
    if not path:
        raise GanZooError("data set 'folder:' names no folder: write folder:PATH, e.g. folder:~/cats")
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise GanZooError(f"data set 'folder:{path}': {str(root)!r} {problem}; name a folder of images")
    return root


def _tree(root: Path, known: set[str]) -> Tree:
    """All files of a folder with a known suffix, in an order that follows from their names alone."""
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    found = {entry.name: list(_below(entry, root, known)) for entry in entries if entry.is_dir()}
    loose = [entry.name for entry in entries if entry.is_file() and entry.suffix.lower() in known]
    if not any(found.values()):
        return Tree((), tuple(loose), torch.zeros(len(loose), dtype=torch.int64), 0)
    files = [name for names in found.values() for name in names]
    counts = torch.tensor([len(names) for names in found.values()])
    return Tree(tuple(found), tuple(files), torch.arange(len(found)).repeat_interleave(counts), len(loose))


def _below(folder: Path, root: Path, known: set[str]) -> Iterator[str]:
    """Image files in a folder and the folders below it, relative to `root`."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in known:
                yield str((Path(place) / name).relative_to(root))


def _split(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Places of the training and of the test images: of each class a tenth is for the test, at least 1 of 2 or more."""
    random = torch.Generator().manual_seed(_SPLIT_SEED)
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        size = max(1, round(TEST_SHARE * len(members))) if len(members) > 1 else 0
        is_test[members[torch.randperm(len(members), generator=random)[:size]]] = True
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)


def _note(tree: Tree, places: Tensor, present: Tensor) -> str:
    """What was left out, and why; empty where nothing was."""
    readable = set(places.tolist())
    broken = [name for place, name in enumerate(tree.files) if place not in readable]
    empty = [name for label, name in enumerate(tree.classes) if label not in present]
    parts = []
    if broken:
        parts.append(f"{len(broken)} unreadable {'file' if len(broken) == 1 else 'files'} ({_listed(broken)})")
    if empty:
        kind = "class" if len(empty) == 1 else "classes"
        parts.append(f"{len(empty)} {kind} without a readable image ({_listed(empty)})")
    if tree.loose:
        parts.append(f"{tree.loose} {'image' if tree.loose == 1 else 'images'} beside the folders of the classes")
    return f"left out: {'; '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*map(_shown, names[:_NAMED]), *more])


def _shown(name: str) -> str:
    """A file's name as text that can be printed, whatever its bytes are."""
    return os.fsencode(name).decode(errors="replace")


def _safe(name: str) -> str:
    """A name of ASCII letters, digits, '_', '-' and '.': accents are dropped; of a name without any, a hash is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")
    return safe or hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
