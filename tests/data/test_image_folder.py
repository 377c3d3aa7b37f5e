"""`folder:PATH` on small trees of real files; pixels against values known by hand or from numpy."""

import contextlib
import os
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from gan_zoo import data
from gan_zoo.errors import GanZooError

RED = (255, 0, 0)


@pytest.fixture
def root(tmp_path, cache):
    """An empty folder with an awkward name."""
    path = tmp_path / "Kätzchen & Hunde"
    path.mkdir()
    return path


@pytest.fixture
def write(root):
    """A function that writes images, each of another grey level, into a sub-folder."""
    level = iter(range(256))

    def write_images(folder, count, *, suffix="png"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", (20 + number, 30), next(level)).save(root / folder / f"{number}.{suffix}")

    return write_images


def levels(split):
    return split.images[:, 0, 0, 0].tolist()


def load(root, **options):
    return data.load(f"folder:{root}", **{"side": 16, **options})


def test_sub_folders_are_classes_and_a_tenth_of_each_is_the_test(root, write):
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
    # Written in the order b, a, a/deep/deeper, 犬, single: the level of an image determines its class.
    expected = [1] * 20 + [0] * 20 + [3] * 2 + [2]
    for split in (loaded.train, loaded.test):
        assert [expected[level] for level in levels(split)] == split.labels.tolist()
    assert sorted(levels(loaded.train) + levels(loaded.test)) == list(range(43))
    assert loaded.note == ""


def test_names_are_ascii_and_the_request_is_recorded(root, write):
    for name in ("a", "../犬/a", "../猫/a", f"../{'x' * 200}a/a", f"../{'x' * 200}b/a"):
        write(name, 4)
    loaded = load(root)
    assert (loaded.name, loaded.title) == ("folder-Katzchen-Hunde", "Kätzchen & Hunde")
    assert loaded.requested == f"folder:{root}"
    dog, cat = load(root.parent / "犬").name, load(root.parent / "猫").name
    assert dog == load(root.parent / "犬").name != cat
    assert dog.isascii()
    long = [load(root.parent / f"{'x' * 200}{letter}").name for letter in "ab"]
    assert long[0] != long[1]
    assert all(len(name) <= 80 for name in long)


def test_the_same_files_make_the_same_set_at_every_side(root, write):
    write("a", 30)
    write("b", 30)
    first, second, larger = load(root), load(root), load(root, side=24)
    assert first.fingerprint == second.fingerprint != larger.fingerprint
    assert levels(first.test) == levels(larger.test)
    (root / "a" / "0.png").unlink()
    assert load(root).fingerprint != first.fingerprint


def test_without_sub_folders_there_are_no_classes(root, write):
    write(".", 20, suffix="jpg")
    loaded = load(root)
    assert (loaded.classes, loaded.class_names, loaded.extractor) == (0, (), "")
    assert (len(loaded.train), len(loaded.test), loaded.note) == (18, 2, "")
    assert set(loaded.train.labels.tolist()) == {0}


def test_the_note_names_what_is_left_out(root, write):
    write("a", 8)
    write("b", 8)
    write(".hidden", 8)
    write(".", 3)
    for name in ("empty", "ab"):
        (root / name).mkdir()
    for other in ("a/notes.txt", "cat.HEIC", "b/cat", "a/.hidden.png"):
        (root / other).write_text("no image")
    no_text = b"a\xff.png".decode("utf-8", "surrogateescape")
    for broken in (*(f"é{number}.png" for number in range(7)), no_text):
        (root / "ab" / broken).write_bytes(b"broken")
    loaded = load(root)
    assert loaded.class_names == ("a", "b")
    assert len(loaded.train) + len(loaded.test) == 16
    assert set(loaded.train.labels.tolist()) == {0, 1}
    broken, empty, outside, suffix, none = loaded.note.split("; ")
    listed = ["a\N{REPLACEMENT CHARACTER}.png", *(f"é{number}.png" for number in range(4))]
    assert broken.endswith("8 (" + ", ".join(f"ab/{name}" for name in listed) + ", ...)")
    assert empty.endswith("2 (ab, empty)")
    assert outside.endswith("3 (0.png, 1.png, 2.png)")
    assert "HEIC" in suffix
    assert suffix.endswith("2 (a/notes.txt, cat.HEIC)")
    assert none.endswith("1 (b/cat)")
    assert "hidden" not in loaded.note
    assert load(root).note == loaded.note


def test_color_is_found_and_channels_can_be_requested(root, write):
    write("a", 4)
    assert load(root).shape == (1, 16, 16)
    Image.new("RGB", (30, 30), RED).save(root / "a" / "color.png")
    assert load(root).shape == (3, 16, 16)
    grey, color = load(root, channels=1), load(root, channels=3)
    assert (grey.shape, color.shape) == ((1, 16, 16), (3, 16, 16))
    both = torch.cat([grey.train.images, grey.test.images])
    assert torch.equal(data.match_channels(torch.cat([color.train.images, color.test.images]), 1), both)
    # Luma of ITU-R BT.601, rounded.
    assert both[:, 0, 0, 0].max() == round(0.299 * 255)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "does not exist"),
        ("a/0.png", "is a file"),
        ("empty", "holds no images"),
        ("broken", "none of its 1 image files"),
        ("phone", r"holds no images .*HEIC.*: 1 \(x.heic\)\)"),
    ],
)
def test_what_is_no_folder_of_images_is_one_line(root, write, path, words):
    write("a", 1)
    (root / "empty").mkdir()
    for name in ("broken/x.png", "phone/x.heic"):
        (root / name).parent.mkdir()
        (root / name).write_bytes(b"broken")
    with pytest.raises(GanZooError, match=f"{root / path}.*{words}") as raised:
        load(root / path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["folder:", "folder"])
def test_a_name_without_a_path_is_refused_with_the_syntax(cache, name):
    with pytest.raises(GanZooError, match="folder:PATH"):
        data.load(name)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("folder", ["a", "."])
def test_pipes_devices_and_sockets_are_left_out_and_nothing_waits_for_them(root, write, folder):
    write(folder, 4)
    os.mkfifo(root / folder / "f.png")
    (root / folder / "g.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(root / folder):
        listening.bind("h.png")
    assert "unreadable files: 3 (" in load(root).note


def test_a_decompression_bomb_is_left_out(root, write):
    write("a", 4)
    Image.new("1", (20_000, 20_000)).save(root / "a" / "bomb.png")
    assert load(root).note == "left out: images of more than 178,956,970 pixels: 1 (a/bomb.png)"


def test_links_are_followed_once_and_a_loop_is_not(root, write, tmp_path):
    write("a", 4)
    write("b", 4)
    write("../elsewhere/deep", 4)
    (root / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "again").symlink_to(tmp_path / "elsewhere" / "deep")
    (root / "a" / "image.png").symlink_to(tmp_path / "elsewhere" / "deep" / "0.png")
    for loop in ("a/loop", "a/up", "c"):
        (root / loop).symlink_to(root / "a" if loop == "a/loop" else root)
    (root / "a" / "itself").symlink_to(root / "a" / "itself")
    loaded = load(root)
    labels = torch.cat([loaded.train.labels, loaded.test.labels])
    assert loaded.class_names == ("a", "b")
    assert labels.bincount().tolist() == [9, 4]
    suffix, loops = loaded.note.removeprefix("left out: ").split("; ")
    assert suffix.endswith("1 (a/itself)")
    assert loops.endswith("4 (a/loop, a/up, a/more/deep, c)")


def test_sub_folders_train_and_test_are_splits(root, write):
    write("train/a", 3)
    write("train/b", 2)
    write("Test/b", 2)
    write("Test/unknown", 1)
    write("val/a", 1)
    write("extra", 1)
    loaded = load(root)
    assert loaded.class_names == ("a", "b")
    assert (levels(loaded.train), levels(loaded.test)) == ([0, 1, 2, 3, 4], [5, 6])
    assert loaded.test.labels.tolist() == [1, 1]
    unused, unknown = loaded.note.split("; ")
    assert unused.endswith("2 (extra, val)")
    assert unknown.endswith("1 (Test/unknown/0.png)")
    with pytest.raises(GanZooError, match=r"test share 0.2.*has its own split"):
        load(root, test_share=0.2)


def test_a_test_split_without_classes_is_not_one_of_classes(root, write):
    write("train/a", 4)
    write("train/b", 4)
    write("test", 3)
    write("val/a", 1)
    assert (levels(load(root).test), load(root).class_names) == ([11], ("a", "b"))
    assert "1 (test)" in load(root).note


def test_splits_need_no_classes(root, write):
    write("train", 3)
    write("val/deep", 2)
    loaded = load(root)
    assert (loaded.classes, levels(loaded.train), levels(loaded.test)) == (0, [0, 1, 2], [3, 4])


def test_classes_are_those_whose_training_images_can_be_read(root, write):
    write("train/a", 3)
    write("train/b", 3)
    write("test/a", 1)
    write("test/b", 2)
    for number in range(3):
        (root / "train" / "a" / f"{number}.png").write_bytes(b"broken")
    loaded = load(root)
    assert (loaded.class_names, loaded.classes) == (("b",), 1)
    assert (levels(loaded.train), levels(loaded.test)) == ([3, 4, 5], [7, 8])
    assert set(loaded.train.labels.tolist() + loaded.test.labels.tolist()) == {0}
    assert "test images of classes that train does not have: 1 (test/a/0.png)" in loaded.note


@pytest.mark.parametrize("folder", ["train/a", "train"])
def test_test_images_are_not_trained_on_if_no_other_can_be_read(root, write, folder):
    write(folder, 1)
    write(folder.replace("train", "test"), 20)
    (root / folder / "0.png").write_bytes(b"broken")
    with pytest.raises(GanZooError, match="none of its 1 training images can be read") as raised:
        load(root)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("deep", ["", "/deep"])
def test_train_and_test_are_classes_beside_others(root, write, deep):
    write("bus", 2)
    write(f"train{deep}", 3)
    write("test", 4)
    (root / "empty").mkdir()
    loaded = load(root)
    assert loaded.class_names == ("bus", "test", "train")
    assert torch.cat([loaded.train.labels, loaded.test.labels]).bincount().tolist() == [2, 4, 3]


@pytest.mark.parametrize(("share", "test"), [(0.5, 5), (0.01, 1), (0.99, 9), (None, 1)])
def test_the_share_of_the_test_split_can_be_requested(root, write, share, test):
    write("a", 10)
    write("b", 10)
    loaded = load(root, test_share=share)
    assert loaded.test.labels.bincount().tolist() == [test, test]
    assert sorted(levels(loaded.train) + levels(loaded.test)) == list(range(20))
    assert loaded.reference == "test"


def test_with_share_zero_the_whole_set_is_trained_on_and_the_reference(root, write):
    write("a", 5)
    loaded = load(root, test_share=0)
    assert levels(loaded.train) == levels(loaded.test) == list(range(5))
    assert (loaded.reference, loaded.options.test_share) == ("whole set", 0)
    assert "whole set" in loaded.note
    assert loaded.fingerprint != load(root).fingerprint


def test_mirror_images_are_added_to_the_training_images_alone(root):
    (root / "a").mkdir()
    for number in range(10):
        pixels = np.zeros((16, 16), np.uint8)
        pixels[:, :8] = 10 * number
        Image.fromarray(pixels).save(root / "a" / f"{number}.png")
    plain, mirrored = load(root), load(root, mirror=True)
    assert torch.equal(mirrored.train.images, torch.cat([plain.train.images, plain.train.images.flip(3)]))
    assert torch.equal(mirrored.test.images, plain.test.images)
    assert mirrored.fingerprint != plain.fingerprint
    assert "9 of the 18" in mirrored.note


def test_grey_of_few_bits_is_scaled_alike_over_the_set(root):
    """12 bits stored in 16: white is 4,095, and a dark image stays darker than a bright one."""
    (root / "a").mkdir()
    for level in (0, 1000, 2000, 4000):
        Image.fromarray(np.full((20, 20), level, np.uint16)).save(root / "a" / f"{level}.png")
    Image.new("L", (20, 20), 77).save(root / "a" / "plain.png")
    loaded = load(root)
    expected = [round(level / 4095 * 255) for level in (0, 1000, 2000, 4000)]
    assert sorted(levels(loaded.train) + levels(loaded.test)) == sorted([*expected, 77])
    assert "white is 4,095" in loaded.note
    assert load(root).note == loaded.note


def test_animated_files_give_their_first_frame(root, write):
    write("a", 4)
    first, second = (Image.new("RGB", (20, 20), color) for color in (RED, (0, 255, 0)))
    first.save(root / "a" / "film.gif", save_all=True, append_images=[second])
    loaded = load(root)
    assert "first frame is read: 1 (a/film.gif)" in loaded.note
    images = torch.cat([loaded.train.images, loaded.test.images])
    assert any(image[:, 0, 0].tolist() == list(RED) for image in images)


def test_the_sizes_in_the_files_are_named(root, write):
    write("a", 4)
    assert load(root).sizes == "20x30 to 23x30"
