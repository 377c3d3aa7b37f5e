"""`folder:PATH` on small trees of real files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from gan_zoo import data
from gan_zoo.data import image_folder
from gan_zoo.errors import GanZooError

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """An empty folder with an awkward name."""
    path = tmp_path / "Kätzchen & Hunde"
    path.mkdir()
    return path


@pytest.fixture
def write(root: Path) -> Write:
    """A function that writes so many pictures of one grey level, which tells them apart, into a sub-folder."""
    level = iter(range(256))

    def write_pictures(place: str, n: int, *, kind: str = "png") -> None:
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            Image.new("L", (20 + number, 30), next(level)).save(root / place / f"{number}.{kind}")

    return write_pictures


def levels(split: data.Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def load(root: Path, **options: object) -> data.Dataset:
    return data.load(f"folder:{root}", side=16, **options)  # type: ignore[arg-type]


def test_sub_folders_are_classes_and_a_tenth_of_each_is_the_test(root: Path, write: Write) -> None:
    write("b", 20)
    write("a", 10)
    write("a/deep/deeper", 10)
    write("犬", 2)
    write("single", 1)
    loaded = load(root)
    assert loaded.class_names == ("a", "b", "single", "犬")
    assert (loaded.classes, loaded.shape, loaded.kind, loaded.extractor) == (4, (1, 16, 16), "images", "trained")
    assert loaded.test.labels.bincount(minlength=4).tolist() == [2, 2, 0, 1]
    assert loaded.train.labels.bincount(minlength=4).tolist() == [18, 18, 1, 1]
    # Written in the order b, a, a/deep/deeper, 犬, single: the level of a picture tells its class.
    expected = [1] * 20 + [0] * 20 + [3] * 2 + [2]
    for split in (loaded.train, loaded.test):
        assert [expected[level] for level in levels(split)] == split.labels.tolist()
    assert sorted(levels(loaded.train) + levels(loaded.test)) == list(range(43))
    assert loaded.note == ""


def test_names_are_safe_and_say_what_was_asked_for(root: Path, write: Write) -> None:
    write("a", 4)
    loaded = load(root)
    assert (loaded.name, loaded.title) == ("folder-Katzchen-Hunde", "Kätzchen & Hunde")
    assert loaded.requested == f"folder:{root}"
    assert image_folder._safe("犬") == image_folder._safe("犬") != image_folder._safe("猫")
    assert image_folder._safe("犬").isascii()
    assert image_folder._safe("../..") not in ("", ".", "..")


def test_the_same_files_give_the_same_set_at_every_side(root: Path, write: Write) -> None:
    write("a", 30)
    write("b", 30)
    first, second, larger = load(root), load(root), data.load(f"folder:{root}", side=24)
    assert first.fingerprint == second.fingerprint != larger.fingerprint
    assert levels(first.test) == levels(larger.test)
    (root / "a" / "0.png").unlink()
    assert load(root).fingerprint != first.fingerprint


def test_without_sub_folders_there_are_no_classes(root: Path, write: Write) -> None:
    write(".", 20, kind="jpg")
    loaded = load(root)
    assert (loaded.classes, loaded.class_names, loaded.extractor) == (0, (), "")
    assert (len(loaded.train), len(loaded.test)) == (18, 2)
    assert set(loaded.train.labels.tolist()) == {0}


def test_what_is_left_out_is_named_once(root: Path, write: Write) -> None:
    write("a", 8)
    write("b", 8)
    write(".hidden", 8)
    write(".", 3)
    for name in ("empty", "wrong"):
        (root / name).mkdir()
    (root / "a" / "notes.txt").write_text("no image")
    (root / "a" / ".hidden.png").write_bytes(b"passed over")
    for number in range(7):
        (root / "wrong" / f"é{number}.png").write_bytes(b"broken")
    loaded = load(root)
    assert loaded.class_names == ("a", "b")
    assert len(loaded.train) + len(loaded.test) == 16
    broken = ", ".join(f"wrong/é{number}.png" for number in range(5))
    assert loaded.note == (
        f"left out: 7 unreadable files ({broken}, and 2 more); 2 classes without a readable image (empty, wrong); "
        "3 images beside the folders of the classes"
    )
    assert load(root).note == loaded.note


def test_a_class_that_is_left_out_leaves_no_gap_in_the_labels(root: Path, write: Write) -> None:
    write("a", 4)
    (root / "b").mkdir()
    (root / "b" / "broken.png").write_bytes(b"broken")
    write("c", 4)
    loaded = load(root)
    assert loaded.class_names == ("a", "c")
    assert sorted(set(loaded.train.labels.tolist())) == [0, 1]


def test_color_is_found_and_channels_can_be_asked_for(root: Path, write: Write) -> None:
    write("a", 4)
    Image.new("RGB", (30, 30), (200, 100, 50)).save(root / "a" / "color.png")
    assert load(root).shape == (3, 16, 16)
    grey, color = load(root, channels=1), load(root, channels=3)
    assert (grey.shape, color.shape) == ((1, 16, 16), (3, 16, 16))
    both = torch.cat([color.train.images, color.test.images])
    assert torch.equal(data.match_channels(both, 1), torch.cat([grey.train.images, grey.test.images]))


def test_a_name_that_is_no_text_does_no_harm(root: Path, write: Write) -> None:
    write("a", 4)
    strange = Path(f"{root}/a") / b"\xff.png".decode("utf-8", "surrogateescape")
    strange.write_bytes(b"broken")
    loaded = load(root)
    assert "a/\N{REPLACEMENT CHARACTER}.png" in loaded.note
    loaded.note.encode("utf-8")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "'.*/nowhere' does not exist; name a folder of images"),
        ("a/0.png", "0.png' is a file, not a folder; name a folder of images"),
        ("empty", "'.*/empty' cannot be a data set: it holds no images; put"),
        ("broken", "cannot be a data set: none of its 1 image files can be read; put"),
    ],
)
def test_what_is_no_folder_of_images_is_one_line(root: Path, write: Write, place: str, message: str) -> None:
    write("a", 1)
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "x.png").write_bytes(b"broken")
    with pytest.raises(GanZooError, match=message) as raised:
        load(root / place)
    assert "\n" not in str(raised.value)


def test_a_name_without_a_path_says_how_to_write_it(cache: Path) -> None:
    with pytest.raises(GanZooError, match="names no folder: write folder:PATH"):
        data.load("folder:")
    with pytest.raises(GanZooError, match="unknown data set 'folder'; did you mean 'folder:PATH'"):
        data.load("folder")
