"""`folder:PATH` on small trees of real files; pixels against values known by hand or from numpy."""

import contextlib
import os
import socket

import numpy as np
import pytest
import torch
from full_disk import full_disk
from PIL import EpsImagePlugin, Image

from gan_zoo import data
from gan_zoo.data import image_folder
from gan_zoo.errors import GanZooError
from gan_zoo.tensors import load_tensors

SIDE = 8
RED = (255, 0, 0)
BLUE = (0, 0, 255)
WHITE = (255, 255, 255)


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
    for ignored in ("notes.txt", "notes.pdf", ".hidden.png"):
        (root / "a" / ignored).write_text("no image")
    no_text = b"a\xff.png".decode("utf-8", "surrogateescape")
    for broken in (*(f"é{number}.png" for number in range(7)), no_text):
        (root / "ab" / broken).write_bytes(b"broken")
    loaded = load(root)
    assert loaded.class_names == ("a", "b")
    assert len(loaded.train) + len(loaded.test) == 16
    assert set(loaded.train.labels.tolist()) == {0, 1}
    broken, empty, outside = loaded.note.split("; ")
    listed = ["a\N{REPLACEMENT CHARACTER}.png", *(f"é{number}.png" for number in range(4))]
    assert broken.endswith("8 (" + ", ".join(f"ab/{name}" for name in listed) + ", ...)")
    assert empty.endswith("2 (ab, empty)")
    assert outside.endswith("3")
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
    ],
)
def test_what_is_no_folder_of_images_is_one_line(root, write, path, words):
    write("a", 1)
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "x.png").write_bytes(b"broken")
    with pytest.raises(GanZooError, match=f"{root / path}.*{words}") as raised:
        load(root / path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["folder:", "folder"])
def test_a_name_without_a_path_is_refused_with_the_syntax(cache, name):
    with pytest.raises(GanZooError, match="folder:PATH"):
        data.load(name)


def read(path, image, **options):
    """What is read of an image that was saved."""
    image.save(path, **options)
    pixels = image_folder.read_image(path, SIDE)
    assert (pixels.shape, pixels.dtype) == ((3, SIDE, SIDE), torch.uint8)
    return pixels


def color(pixels):
    """The one color of an image."""
    assert (pixels == pixels[:, :1, :1]).all()
    return tuple(pixels[:, 0, 0].tolist())


def plain(mode, value):
    return Image.new(mode, (20, 20), value)


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("rgb.png", plain("RGB", RED), RED),
        ("rgb.bmp", plain("RGB", RED), RED),
        ("palette.png", plain("RGB", RED).convert("P", palette=Image.Palette.ADAPTIVE), RED),
        ("palette.gif", plain("RGB", RED), RED),
        ("grey.png", plain("L", 77), (77, 77, 77)),
        ("bits.png", plain("1", 1), WHITE),
        ("cmyk.tiff", plain("CMYK", (0, 255, 255, 0)), RED),
        ("clear.png", plain("RGBA", (*RED, 0)), WHITE),
        ("half.png", plain("RGBA", (*RED, 128)), (255, 127, 127)),
        ("grey-half.png", plain("LA", (0, 128)), (127, 127, 127)),
        # 16 bits are scaled, not cut off.
        *(
            (f"{value}.png", Image.fromarray(np.full((20, 20), value, dtype=np.uint16)), (level, level, level))
            for value, level in ((0, 0), (257, 1), (32_896, 128), (65_535, 255))
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_has_its_color(tmp_path, name, image, expected):
    assert color(read(tmp_path / name, image)) == expected


def test_the_transparent_color_of_a_palette_is_white(tmp_path):
    image = plain("P", 1)
    image.putpalette([*BLUE, *RED])
    assert color(read(tmp_path / "opaque.png", image, transparency=0)) == RED
    assert color(read(tmp_path / "transparent.png", image, transparency=1)) == WHITE


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (41, 20)])
def test_images_are_cropped_to_the_square_around_the_center(tmp_path, size):
    image = Image.new("RGB", size, BLUE)
    left, top = (size[0] - 20) // 2, (size[1] - 20) // 2
    image.paste(RED, (left, top, left + 20, top + 20))
    assert color(read(tmp_path / "wide.png", image)) == RED


def test_a_photograph_is_rotated_by_its_exif_orientation(tmp_path):
    image = plain("RGB", BLUE)
    image.paste(RED, (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    upright = read(tmp_path / "turned.png", image, exif=exif)
    assert (tuple(upright[:, 0, 0]), tuple(upright[:, -1, 0])) == (BLUE, RED)


def test_large_images_are_shrunk_without_aliasing(tmp_path):
    checks = np.indices((160, 160)).sum(axis=0) % 2 * 255
    pixels = read(tmp_path / "checks.png", Image.fromarray(checks.astype(np.uint8)))
    assert (pixels.int() - 127).abs().max() <= 2


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a\x01", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_none(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    assert image_folder.read_image(tmp_path / "broken.png", SIDE) is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
def test_half_a_file_is_none(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    path = tmp_path / f"half.{kind}"
    read(path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert image_folder.read_image(path, SIDE) is None


@pytest.fixture
def read_all(tmp_path, cache):
    """A function that reads two images of noise and a file that is none between them, or other names."""
    random = np.random.default_rng(0)
    for name in ("a.png", "c.png"):
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"broken")

    def read_names(*names, channels=None):
        images, readable = image_folder.read_images(tmp_path, names or ["a.png", "b.png", "c.png"], SIDE, channels)
        return images, readable.tolist()

    return read_names


def test_a_second_reading_comes_from_the_cache_until_a_file_changes(tmp_path, read_all, monkeypatch):
    opened = []
    decode = image_folder.read_image
    monkeypatch.setattr(image_folder, "read_image", lambda path, side: opened.append(path) or decode(path, side))
    first, readable = read_all()
    assert readable == [0, 2]
    assert torch.equal(read_all()[0], first)
    assert len(opened) == 3
    os.utime(tmp_path / "a.png", ns=(0, 0))
    read_all()
    assert len(opened) == 6


def truncate(path, _):
    path.write_bytes(path.read_bytes()[:-5])


def flip(path, _):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1  # a pixel
    path.write_bytes(content)


def exchange(path, read_all):
    """Another folder's cached images under this name."""
    read_all("c.png")
    (other,) = set(path.parent.glob("*.safetensors")) - {path}
    other.replace(path)


@pytest.mark.parametrize("damage", [truncate, flip, exchange])
def test_cached_images_that_are_damaged_are_decoded_again_and_replaced(cache, read_all, damage):
    first, _ = read_all()
    (cached,) = (cache / "gan-zoo" / "folders").iterdir()
    damage(cached, read_all)
    again, readable = read_all()
    assert torch.equal(again, first)
    assert readable == [0, 2]
    tensors, metadata = load_tensors(cached)
    assert metadata == {"key": cached.stem}
    assert torch.equal(tensors["images"], first)


def test_a_cache_that_cannot_be_written_costs_only_time(cache, read_all):
    with full_disk(100):
        assert len(read_all()[0]) == 2
    (cache / "gan-zoo" / "folders").rmdir()  # It is empty.
    (cache / "gan-zoo" / "folders").write_text("a file where the folder should be")
    assert len(read_all()[0]) == 2


def test_progress_is_drawn_on_a_terminal_alone(read_all, monkeypatch, capsys):
    read_all(channels=1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    read_all(channels=3)
    output, error = capsys.readouterr()
    assert output == ""
    assert "reading images" in error


@pytest.mark.parametrize("name", ["a.eps", "a.ps", "a.png"])
def test_no_program_is_started_for_a_vector_image(tmp_path, monkeypatch, name):
    Image.new("L", (8, 8)).save(tmp_path / name, format="EPS")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_args, **_named: pytest.fail("Ghostscript is started"))
    assert image_folder.read_image(tmp_path / name, SIDE) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("folder", ["a", "."])
def test_pipes_devices_and_sockets_are_left_out_and_nothing_waits_for_them(root, write, folder):
    write(folder, 4)
    os.mkfifo(root / folder / "f.png")
    (root / folder / "g.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(root / folder):
        listening.bind("h.png")
    assert "unreadable files: 3 (" in load(root).note


def test_a_decompression_bomb_is_unreadable(root, write):
    write("a", 4)
    Image.new("1", (20_000, 20_000)).save(root / "a" / "bomb.png")
    assert load(root).note == "left out: unreadable files: 1 (a/bomb.png)"


def test_a_link_to_nothing_is_unreadable_and_no_error(tmp_path, read_all):
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert read_all("a.png", "link.png", "c.png")[1] == [0, 2]


def test_a_file_that_cannot_be_opened_is_tried_again_next_time(read_all, monkeypatch):
    opened = Image.open

    def refuse(path, **named):
        if path.name == "c.png":
            raise OSError(24, "Too many open files")
        return opened(path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", refuse)
        assert read_all()[1] == [0]
    assert read_all()[1] == [0, 2]
