"""Pixels of single files, against values that are known by hand or by another part of Pillow or numpy."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from full_disk import full_disk
from PIL import Image
from safetensors.torch import save_file

from gan_zoo.data import pictures
from gan_zoo.tensors import load_tensors

SIDE = 8
RED, BLUE = (255, 0, 0), (0, 0, 255)


def pixel(path: Path) -> list[int]:
    """The one color of a picture."""
    shown = pictures.picture(path, SIDE)
    assert shown is not None
    assert shown.shape == (3, SIDE, SIDE)
    assert shown.dtype == torch.uint8
    assert (shown == shown[:, :1, :1]).all()
    return shown[:, 0, 0].tolist()


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_modes_come_out_as_the_color_that_they_show(tmp_path: Path) -> None:
    red = Image.new("RGB", (20, 20), RED)
    shown = {
        "rgb.png": (red, RED),
        "rgb.bmp": (red, RED),
        "palette.png": (red.convert("P", palette=Image.Palette.ADAPTIVE), RED),
        "palette.gif": (red, RED),
        "grey.png": (Image.new("L", (20, 20), 77), (77, 77, 77)),
        "bits.png": (Image.new("1", (20, 20), 1), (255, 255, 255)),
        "cmyk.tiff": (Image.new("CMYK", (20, 20), (0, 255, 255, 0)), RED),
        "clear.png": (Image.new("RGBA", (20, 20), (*RED, 0)), (255, 255, 255)),
        "half.png": (Image.new("RGBA", (20, 20), (*RED, 128)), (255, 127, 127)),
        "grey-half.png": (Image.new("LA", (20, 20), (0, 128)), (127, 127, 127)),
    }
    for name, (image, color) in shown.items():
        assert pixel(save(tmp_path / name, image)) == list(color), name


@pytest.mark.parametrize(("value", "level"), [(0, 0), (257, 1), (32_896, 128), (65_535, 255)])
def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path, value: int, level: int) -> None:
    image = Image.fromarray(np.full((20, 20), value, dtype=np.uint16))
    assert pixel(save(tmp_path / "deep.png", image)) == [level] * 3


def test_the_transparent_color_of_a_palette_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([*BLUE, *RED])
    assert pixel(save(tmp_path / "seen.png", image, transparency=0)) == list(RED)
    assert pixel(save(tmp_path / "unseen.png", image, transparency=1)) == [255, 255, 255]


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (41, 20)])
def test_the_square_around_the_center_is_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, BLUE)
    left, top = (size[0] - 20) // 2, (size[1] - 20) // 2
    image.paste(RED, (left, top, left + 20, top + 20))
    assert pixel(save(tmp_path / "wide.png", image)) == list(RED)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 20), BLUE)
    image.paste(RED, (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    shown = pictures.picture(save(tmp_path / "turned.png", image, exif=exif), SIDE)
    assert shown is not None
    assert (shown[:, 0, 0].tolist(), shown[:, -1, 0].tolist()) == (list(BLUE), list(RED))


def test_large_pictures_are_shrunk_without_aliasing(tmp_path: Path) -> None:
    checks = np.indices((160, 160)).sum(axis=0) % 2 * 255
    shown = pictures.picture(save(tmp_path / "checks.png", Image.fromarray(checks.astype(np.uint8))), SIDE)
    assert shown is not None
    assert (shown.int() - 127).abs().max() <= 2


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a\x01", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    assert pictures.picture(tmp_path / "broken.png", SIDE) is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
def test_half_a_file_is_none(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    path = save(tmp_path / f"half.{kind}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert pictures.picture(path, SIDE) is None


def test_suffixes_are_those_of_images() -> None:
    assert {".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".bmp"} <= pictures.suffixes()
    assert not {".txt", ".json", ".py", ".csv", ".pdf", ""} & pictures.suffixes()


def test_channels_follow_from_the_pixels_or_from_the_request(tmp_path: Path) -> None:
    save(tmp_path / "grey.png", Image.new("RGB", (20, 20), (9, 9, 9)))
    save(tmp_path / "red.png", Image.new("RGB", (20, 20), RED))
    both = ["grey.png", "red.png"]
    for names, channels, expected in ((both[:1], None, 1), (both, None, 3), (both, 1, 1), (both[:1], 3, 3)):
        images, places = pictures.read_pictures(tmp_path, names, SIDE, channels)
        assert images.shape == (len(names), expected, SIDE, SIDE)
        assert places.tolist() == list(range(len(names)))
    images, _ = pictures.read_pictures(tmp_path, both, SIDE, 1)
    # Luma of ITU-R BT.601, rounded.
    assert images[:, 0, 0, 0].tolist() == [9, round(0.299 * 255)]


def test_a_second_reading_comes_from_the_cache_until_a_file_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a.png", "b.png", "broken.png"]
    save(tmp_path / "a.png", Image.new("L", (20, 20), 1))
    save(tmp_path / "b.png", Image.new("L", (20, 20), 2))
    (tmp_path / "broken.png").write_bytes(b"broken")
    opened: list[Path] = []
    decode = pictures.picture
    monkeypatch.setattr(pictures, "picture", lambda path, side: opened.append(path) or decode(path, side))
    first = pictures.read_pictures(tmp_path, names, SIDE, None)
    second = pictures.read_pictures(tmp_path, names, SIDE, None)
    assert len(opened) == 3
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert first[1].tolist() == [0, 1]
    (kept,) = (cache / "gan-zoo" / "folders").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    pictures.read_pictures(tmp_path, names, SIDE, None)
    assert len(opened) == 6
    os.utime(tmp_path / "a.png", ns=(0, 0))
    pictures.read_pictures(tmp_path, names, SIDE, None)
    assert len(opened) == 9


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1  # a pixel
    path.write_bytes(content)


def strip(path: Path) -> None:
    """As files were before their content was verified."""
    tensors, _ = load_tensors(path)
    save_file(tensors, path)


def exchange(path: Path) -> None:
    save(path.with_name("c.png"), Image.new("L", (20, 20), 3))
    pictures.read_pictures(path.parent, ["c.png"], SIDE, None)
    (other,) = set(path.parent.glob("*.safetensors")) - {path}
    other.replace(path)


@pytest.mark.parametrize("damage", [flip, strip, exchange])
def test_cached_images_that_are_damaged_are_made_again_and_replaced(
    tmp_path: Path, cache: Path, damage: Callable[[Path], None]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    save(tmp_path / "a.png", Image.fromarray(noise))
    first, _ = pictures.read_pictures(tmp_path, ["a.png"], SIDE, None)
    (kept,) = (cache / "gan-zoo" / "folders").iterdir()
    damage(kept)
    again, places = pictures.read_pictures(tmp_path, ["a.png"], SIDE, None)
    assert torch.equal(again, first)
    assert places.tolist() == [0]
    tensors, metadata = load_tensors(kept)
    assert metadata == {"key": kept.stem}
    assert torch.equal(tensors["images"], first)


def test_a_full_disk_costs_no_more_than_time(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "a.png", Image.new("L", (20, 20), 1))
    with full_disk(100):
        assert len(pictures.read_pictures(tmp_path, ["a.png"], SIDE, None)[0]) == 1
    assert list((cache / "gan-zoo" / "folders").iterdir()) == []


def test_a_cache_that_cannot_be_written_costs_no_more_than_time(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    save(tmp_path / "a.png", Image.new("L", (20, 20), 1))
    assert len(pictures.read_pictures(tmp_path, ["a.png"], SIDE, None)[0]) == 1


def test_a_bar_is_shown_where_stderr_is_a_terminal_alone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "a.png", Image.new("L", (20, 20), 1))
    pictures.read_pictures(tmp_path, ["a.png"], SIDE, 1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    pictures.read_pictures(tmp_path, ["a.png"], SIDE, 3)
    said = capsys.readouterr()
    assert said.out == ""
    assert "reading images" in said.err


def test_a_link_to_nothing_is_unreadable_and_no_error(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "a.png", Image.new("RGB", (8, 8), RED))
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    images, places = pictures.read_pictures(tmp_path, ["a.png", "b.png"], SIDE, None)
    assert (len(images), places.tolist()) == (1, [0])


def test_a_file_that_cannot_be_opened_now_is_tried_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full table of open files hides today is no verdict on the file."""
    names = ["a.png", "b.png"]
    for name in names:
        save(tmp_path / name, Image.new("RGB", (8, 8), RED))
    opened = Image.open

    def refusing(path: Path) -> Image.Image:
        if path.name == "b.png":
            raise OSError(24, "Too many open files")
        return opened(path)

    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", refusing)
        assert pictures.read_pictures(tmp_path, names, SIDE, None)[1].tolist() == [0]
    assert pictures.read_pictures(tmp_path, names, SIDE, None)[1].tolist() == [0, 1]
