"""`folder:PATH`: the user's own images, one sub-folder per class, or no classes; decoded once and cached."""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gan_zoo.data.image_files import PROBLEMS, ImageFiles, image_suffixes, read_images
from gan_zoo.data.registry import Request, image_dataset, register_dataset
from gan_zoo.data.splits import Dataset, Split
from gan_zoo.errors import GanZooError
from gan_zoo.io import with_home

TEST_SHARE = 0.1
_SPLIT_SEED = 0
_MAX_LISTED = 5
_LONGEST_NAME = 60
"""Names of files are made from that of the data set and others, and have at most 255 bytes."""
_TRAIN = "train"
_TEST = ("test", "val", "valid", "validation")
"""Sub-folders that are the test split beside ``train``: the first that has images of its classes."""
_EMPTY = "classes without readable images"
_OUTSIDE = "images outside the class folders"
_SUFFIX = "files whose suffix is of no format that is read (convert HEIC and RAW to PNG or JPEG)"
_NO_SUFFIX = "files without a suffix"
_LOOP = "links to folders that are read already"
_CLOSED = "folders that cannot be opened"
_UNUSED = "folders beside train that are not its test split"
_UNKNOWN = "test images of classes that train does not have"

Names = defaultdict[str, list[str]]
"""What is left out, as paths relative to the folder, by the reason."""
Classes = dict[str, list[str]]
"""Image files by class, as paths relative to the folder; the class is "" without sub-folders."""


@register_dataset("folder:", files=False, has_split=False)
def folder(path: str, request: Request) -> Dataset:
    """Images of any size and raster format that Pillow reads, RGB or grey, cropped to squares and resized once.

    The test split is that of the sub-folders ``train`` and ``test`` (or ``val``), else a tenth of each class, drawn
    with a fixed seed. Transparent images are put on white. Hidden files are ignored; the note lists what is left out
    for another reason.

    Raises:
        GanZooError: no such folder, a file, no readable image in it, or a test share beside a split of its own.
    """
    root = _existing(path)
    left_out: Names = defaultdict(list)
    classes, own_test = _find_images(root, left_out)
    if own_test and request.test_share is not None:
        raise GanZooError(
            f"test share {request.test_share}: folder {str(root)!r} has its own split in sub-folders; leave it out, or "
            "name the sub-folder"
        )
    number_of = {name: number for number, name in enumerate(classes)}
    parts = [(number_of[name], members) for part in (classes, own_test) for name, members in part.items()]
    names = [file for _, members in parts for file in members]
    files = read_images(root, names, request.side, request.channels)
    for name, problem in zip(names, files.problems.tolist(), strict=True):
        if problem:
            left_out[PROBLEMS[problem - 1]].append(name)
    trained = sum(map(len, classes.values()))
    is_test = files.readable >= trained
    if is_test.all():
        raise _nothing_to_train_on(root, trained, left_out, has_split=bool(own_test))
    numbers = torch.tensor([number for number, members in parts for _ in members])[files.readable]
    present = numbers[~is_test].unique()
    is_known = torch.isin(numbers, present)
    left_out[_EMPTY] += [name for name, number in number_of.items() if number not in present]
    left_out[_UNKNOWN] += [names[index] for index in files.readable[~is_known].tolist()]
    labels = torch.searchsorted(present, numbers)
    kept = is_known.nonzero().squeeze(1)
    train, test = (kept[part] for part in _split(labels[kept], request.test_share, is_test[kept]))
    class_names = [_printable(name) for name, number in number_of.items() if name and number in present]
    name = root.resolve().name
    is_whole = request.test_share == 0
    return image_dataset(
        request,
        name=f"folder-{_ascii_name(name)}",
        title=_printable(name) or "folder",
        train=Split(files.images[train], labels[train]),
        test=Split(files.images[test], labels[test]),
        class_names=class_names,
        extractor="trained" if len(class_names) > 1 else "",
        note="; ".join(_notes(names, files, left_out, is_whole=is_whole)),
        sizes=_sizes(files.sizes[kept]),
        reference="whole set" if is_whole else "test",
    )


def _nothing_to_train_on(root: Path, files: int, left_out: Names, *, has_split: bool) -> GanZooError:
    found = "it holds no images" if not has_split else "its train folder holds no images"
    if files:
        found = f"none of its {files} {'training images' if has_split else 'image files'} can be read"
    listed = _left_out(left_out)
    why = f" ({listed})" if listed else ""
    return GanZooError(f"folder {str(root)!r} cannot be a data set: {found}{why}; put PNG or JPEG files into it")


def _existing(path: str) -> Path:
    """The folder of this path. Raises GanZooError if there is none."""
    root = with_home(path, "data set folder:")
    if not path:
        raise GanZooError("data set 'folder:' names no folder: write folder:PATH, e.g. folder:~/cats")
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise GanZooError(f"data set 'folder:{path}': {str(root)!r} {problem}; name a folder of images")
    return root


def _find_images(root: Path, left_out: Names) -> tuple[Classes, Classes]:
    """The images by class, and those of the test split if sub-folders are splits. The order follows from the names."""
    inside, files = _content(root, left_out)
    folders = {entry.name.lower(): Path(entry.path) for entry in inside}
    tests = [name for name in _TEST if name in folders]
    if _TRAIN not in folders or not tests or _are_classes(root, folders, tests):
        return _classes(root, root, left_out), {}
    classes = _classes(root, folders[_TRAIN], left_out)
    left_out[_OUTSIDE] += _images(root, files, left_out)
    known: Classes = {}
    for used in tests:
        noted: Names = defaultdict(list)
        test = _classes(root, folders[used], noted)
        if set(classes) == {""}:
            test = {"": [file for members in test.values() for file in members]}
        known = {name: members for name, members in test.items() if name in classes and members}
        if known:
            noted[_UNKNOWN] += [file for name, members in test.items() if name not in classes for file in members]
            for reason, names in noted.items():
                left_out[reason] += names
            break
    left_out[_UNUSED] += [
        path.name for name, path in folders.items() if name != _TRAIN and not (known and name == used)
    ]
    return classes, known


def _are_classes(root: Path, folders: Mapping[str, Path], tests: Sequence[str]) -> bool:
    """Whether ``train`` and ``test`` are classes: beside others with images, and with no class that is in both."""
    ignored: Names = defaultdict(list)
    inside = {name: {entry.name for entry in _content(folders[name], ignored)[0]} for name in (_TRAIN, *tests)}
    if any(inside[_TRAIN] & inside[name] for name in tests):
        return False
    above = {root.resolve(), *root.resolve().parents}
    others = [path for name, path in folders.items() if name not in (_TRAIN, *_TEST) and path.resolve() not in above]
    return any(_walk(root, path, above, ignored) for path in others)


def _classes(root: Path, folder: Path, left_out: Names) -> Classes:
    """The images of each sub-folder, a class; if no sub-folder has images, those of the folder itself."""
    place = folder.resolve()
    above = {place, *place.parents, root.resolve()}
    classes: Classes = {}
    folders, files = _content(folder, left_out)
    for entry in folders:
        if Path(entry.path).resolve() in above:
            left_out[_LOOP].append(_relative(entry, root))
        else:
            classes[entry.name] = _walk(root, Path(entry.path), above, left_out)
    outside = _images(root, files, left_out)
    if not any(classes.values()):
        return {"": outside}
    left_out[_OUTSIDE] += outside
    return classes


def _walk(root: Path, folder: Path, above: Iterable[Path], left_out: Names) -> list[str]:
    """The images in a folder and below it; links to folders are followed, each folder is read once."""
    seen = {*above, folder.resolve()}
    found: list[str] = []
    waiting = [folder]
    while waiting:
        folders, files = _content(waiting.pop(), left_out)
        found += _images(root, files, left_out)
        below = []
        for entry in sorted(folders, key=os.DirEntry.is_symlink):
            place = Path(entry.path).resolve()
            if place in seen:
                left_out[_LOOP].append(_relative(entry, root))
            else:
                seen.add(place)
                below.append(Path(entry.path))
        waiting += reversed(below)
    return found


def _content(folder: Path, left_out: Names) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The folders and the files in a folder, sorted by name, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
    except OSError:
        left_out[_CLOSED].append(folder.name)
        visible = []
    folders: list[os.DirEntry[str]] = []
    files: list[os.DirEntry[str]] = []
    for entry in visible:
        # Unlike that of an entry, this answers for a link to itself.
        (folders if Path(entry.path).is_dir() else files).append(entry)
    return folders, files


def _images(root: Path, files: Iterable[os.DirEntry[str]], left_out: Names) -> list[str]:
    """Those of the files whose suffix is that of an image."""
    found = []
    for entry in files:
        suffix = Path(entry.name).suffix.lower()
        if suffix in image_suffixes():
            found.append(_relative(entry, root))
        else:
            left_out[_SUFFIX if suffix else _NO_SUFFIX].append(_relative(entry, root))
    return found


def _relative(entry: os.DirEntry[str], root: Path) -> str:
    return str(Path(entry.path).relative_to(root))


def _split(labels: Tensor, share: float | None, is_test: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the test images: the split of ``is_test``, bool (N,), if that has any.

    Else the latter are a share of each class, at least 1 of 2 or more, and 1 is left; with share 0 both are all images.
    """
    if share == 0:
        return torch.arange(len(labels)), torch.arange(len(labels))
    if not is_test.any():
        random = torch.Generator().manual_seed(_SPLIT_SEED)
        is_test = torch.zeros(len(labels), dtype=torch.bool)
        for label in labels.unique():
            members = (labels == label).nonzero().squeeze(1)
            drawn = round((TEST_SHARE if share is None else share) * len(members))
            size = min(max(1, drawn), len(members) - 1)
            is_test[members[torch.randperm(len(members), generator=random)[:size]]] = True
    return (~is_test).nonzero().squeeze(1), is_test.nonzero().squeeze(1)


def _notes(names: Sequence[str], files: ImageFiles, left_out: Names, *, is_whole: bool) -> list[str]:
    """What a reader of results must know: the reference, how files were read, and what is left out."""
    notes = ["the reference is the whole set, which is also trained on"] if is_whole else []
    if len(files.frames):
        notes.append(f"files of which the first frame is read: {_listed([names[index] for index in files.frames])}")
    if white := int(files.white):
        bits = f"the {white.bit_length()} bits that hold the brightest of them"
        notes.append(f"grey images of 16 or 32 bits are scaled alike: white is {white:,}, the largest value of {bits}")
    listed = _left_out(left_out)
    return [*notes, listed] if listed else notes


def _left_out(left_out: Mapping[str, Sequence[str]]) -> str:
    """What is left out, and why; empty if nothing is."""
    order = (*PROBLEMS, _EMPTY, _OUTSIDE, _SUFFIX, _NO_SUFFIX, _LOOP, _CLOSED, _UNUSED, _UNKNOWN)
    parts = [f"{reason}: {_listed(left_out[reason])}" for reason in order if left_out.get(reason)]
    return f"left out: {'; '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    """The number of names, and the first of them."""
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"{len(names)} ({', '.join(map(_printable, names[:_MAX_LISTED]))}{more})"


def _sizes(sizes: Tensor) -> str:
    """Widths and heights (N, 2) as text: those of the smallest and of the largest image, e.g. ``60x40 to 640x480``."""
    area = sizes.prod(dim=1)
    ends = (sizes[area.argmin()], sizes[area.argmax()])
    return " to ".join(dict.fromkeys(f"{width}x{height}" for width, height in (end.tolist() for end in ends)))


def _printable(name: str) -> str:
    """A file's name as text that can be printed, whatever its bytes are."""
    return os.fsencode(name).decode(errors="replace")


def _ascii_name(name: str) -> str:
    """A name of ASCII letters, digits, '_', '-' and '.', without accents; a hash if nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-.")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return safe if 0 < len(safe) <= _LONGEST_NAME else f"{safe[:_LONGEST_NAME]}-{digest}".strip("-")
