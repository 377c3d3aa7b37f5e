"""Files of images: pixels against values known by hand or from numpy, what is no image, and the cache."""

import os
import tracemalloc

import numpy as np
import pytest
import torch
from full_disk import full_disk
from PIL import EpsImagePlugin, Image

from gan_zoo.data import image_files
from gan_zoo.tensors import load_tensors

SIDE = 8
RED = (255, 0, 0)
BLUE = (0, 0, 255)
WHITE = (255, 255, 255)


def read(path, image, **options):
    """What is read of an image that was saved."""
    image.save(path, **options)
    pixels = image_files.read_image(path, SIDE).pixels
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
    assert image_files.read_image(tmp_path / "broken.png", SIDE).pixels is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
def test_half_a_file_is_none(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    path = tmp_path / f"half.{kind}"
    read(path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert image_files.read_image(path, SIDE).pixels is None


@pytest.fixture
def read_all(tmp_path, cache):
    """A function that reads two images of noise and a file that is none between them, or other names."""
    random = np.random.default_rng(0)
    for name in ("a.png", "c.png"):
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"broken")

    def read_names(*names, channels=None):
        found = image_files.read_images(tmp_path, names or ["a.png", "b.png", "c.png"], SIDE, channels)
        return found.images, found.readable.tolist()

    return read_names


def test_a_second_reading_comes_from_the_cache_until_a_file_changes(tmp_path, read_all, monkeypatch):
    opened = []
    decode = image_files.read_image
    monkeypatch.setattr(image_files, "read_image", lambda path, *more: opened.append(path) or decode(path, *more))
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
    assert image_files.read_image(tmp_path / name, SIDE).pixels is None


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


def test_a_deep_grey_file_that_can_no_longer_be_scaled_is_not_cached(tmp_path, cache, monkeypatch):
    Image.fromarray(np.full((20, 20), 4000, np.uint16)).save(tmp_path / "a.png")
    decode = image_files.read_image

    def refuse(path, side, white=image_files.SIXTEEN_BITS):
        if white != image_files.SIXTEEN_BITS:
            raise OSError(24, "Too many open files")
        return decode(path, side, white)

    def level():
        return int(image_files.read_images(tmp_path, ["a.png"], SIDE, None).images[0, 0, 0, 0])

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "read_image", refuse)
        level()
    assert level() == round(4000 / 4095 * 255)


def test_deep_grey_is_scaled_without_a_copy_in_floats(tmp_path):
    Image.fromarray(np.arange(10**6, dtype=np.uint16).reshape(500, 2000)).save(tmp_path / "a.png")
    tracemalloc.start()
    try:
        found = image_files.read_image(tmp_path / "a.png", SIDE)
        assert tracemalloc.get_traced_memory()[1] < 3 * 10**6
    finally:
        tracemalloc.stop()
    assert (found.size, found.brightest) == ((2000, 500), 65_535)


@pytest.mark.parametrize(
    ("value", "white"), [(200, 255), (257, 511), (4000, 4095), (40_000, 65_535), (2**30, 2**31 - 1)]
)
def test_white_is_the_largest_value_of_the_fewest_bits(tmp_path, cache, value, white):
    kind = np.uint16 if value < 65_536 else np.int32
    for name, level in (("a.tiff", value), ("c.tiff", value // 2)):
        Image.fromarray(np.full((20, 20), level, kind)).save(tmp_path / name)
    Image.fromarray(np.full((20, 20), 150, np.uint16)).save(tmp_path / "d.png")
    found = image_files.read_images(tmp_path, ["a.tiff", "c.tiff", "d.png"], SIDE, None)
    assert found.white.tolist() == [white]
    assert found.images[:, 0, 0, 0].tolist() == [round(level / white * 255) for level in (value, value // 2, 150)]


def test_floating_point_images_are_named(tmp_path, cache):
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(tmp_path / "a.tiff")
    assert "floating-point" in image_files.read_image(tmp_path / "a.tiff", SIDE).problem
