"""Images from elsewhere: one rule for arrays, folders of any depth, and nothing that runs or takes all memory."""

import io
import lzma
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import foreign
from gan_zoo.metrics.foreign import find_images


def pixels(n: int = 6, channels: int = 3, side: int = 8) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (n, channels, side, side), generator=random, dtype=torch.uint8)


COLOR, GREY = pixels(), pixels(channels=1)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (COLOR, COLOR),
        (COLOR.permute(0, 2, 3, 1), COLOR),
        (GREY[:, 0], GREY),
        (GREY.permute(0, 2, 3, 1), GREY),
        (COLOR / 255, COLOR),
        (COLOR.double() / 127.5 - 1, COLOR),
        ((COLOR / 127.5 - 1).numpy().astype(">f4"), COLOR),
        ((COLOR / 255).sub(1e-6), COLOR),
        ((COLOR / 255) * 1.02 - 0.01, ((COLOR / 255) * 1.02 - 0.01).clamp(0, 1).mul(255).round().byte()),
        (COLOR.numpy()[::-1], COLOR.flip(0)),
        (pixels(side=8)[:, :, 1:7, :], pixels(side=8)[:, :, 1:7, 1:7]),
    ],
    ids=[
        "NCHW",
        "NHWC",
        "NHW",
        "NHW1",
        "0 to 1",
        "-1 to 1",
        "big-endian",
        "just below 0",
        "just out of 0 to 1",
        "negative strides",
        "cropped",
    ],
)
def test_every_layout_and_type_is_the_same_images(array: Any, expected: Tensor) -> None:
    found = find_images(array)
    assert len(found) == 6
    assert torch.equal(found.draw(6), expected)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(kind: str, images: Tensor) -> Path:
        path = tmp_path / f"mine.{kind}"
        if kind == "npy":
            np.save(path, images.numpy())
        elif kind == "npz":
            np.savez_compressed(path, images=images.numpy(), labels=np.arange(len(images)))
        elif kind == "safetensors":
            save_file({"images": images, "labels": torch.arange(len(images))}, path)
        else:
            path = tmp_path / "mine"
            for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
                file = path / str(number % 2) / f"{number // 2:03d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.squeeze()).save(file)
            (path / ".hidden.png").write_bytes(b"")
            (path / "notes.txt").write_bytes(b"")
        return path

    return make


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "folder"])
@pytest.mark.parametrize("images", [COLOR, GREY])
def test_files_hold_what_was_written(write: Callable[..., Path], kind: str, images: Tensor) -> None:
    path = write(kind, images)
    found = find_images(path)
    expected = images if kind != "folder" else torch.cat([images[::2], images[1::2]])
    assert torch.equal(found.draw(6), expected)
    assert torch.equal(found.draw(4), find_images(expected).draw(4)), "the same ones are drawn"
    assert found.fingerprint() == find_images(path).fingerprint()
    with pytest.raises(GanZooError, match=r"mine.* has 6 images, and 7 are measured"):
        found.draw(7)


def test_images_of_several_sizes_are_resized(tmp_path: Path) -> None:
    for side in (8, 40):
        Image.new("RGB", (side, side + 3), (side, 0, 0)).save(tmp_path / f"{side}.png")
    assert find_images(tmp_path).draw(2).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("images", [pixels(3, side=300), pixels(3, 1, 200)[:, :, :, :151]])
@pytest.mark.parametrize("is_float", [False, True])
def test_large_images_are_read_at_128_from_files_and_arrays_alike(
    write: Callable[..., Path], images: Tensor, is_float: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_CHUNK", 2)
    found = find_images(write("folder", images[[0, 2, 1]])).draw(3)
    assert found.shape == (3, images.shape[1], 128, 128)
    assert torch.equal(find_images(images / 255 if is_float else images).draw(3), found)


@pytest.mark.timeout(20)
def test_a_pipe_is_no_image_and_nothing_waits_for_it(write: Callable[..., Path]) -> None:
    path = write("folder", COLOR)
    os.mkfifo(path / "0" / "pipe.png")
    (path / "link.png").symlink_to(path / "0" / "pipe.png")
    found = find_images(path)
    assert len(found) == 6
    assert found.draw(6).shape == COLOR.shape


class _Runs:
    def __reduce__(self) -> Any:
        return (print, ("this must not run",))


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def raw_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("images.npy", content)
    return file.getvalue()


def damaged(method: int, place: int) -> bytes:
    """An archive with a byte of its compressed images changed, ``place`` after the local header."""
    content = bytearray(zipped(header((4, 8, 8)) + COLOR.numpy().tobytes()[:256], method))
    content[40 + place] ^= 255
    return bytes(content)


HUGE = (9_000_000, 3, 4096, 4096)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", pickle.dumps(_Runs()), "cannot be read"),
        ("a.npy", header((4, 8, 8), "|O") + pickle.dumps(_Runs()), "of type objects"),
        ("a.npz", zipped(header((4, 8, 8), "|O") + pickle.dumps(_Runs())), "of type objects"),
        ("a.npy", header((4, 8, 8)) + bytes(100), "damaged"),
        ("a.npz", zipped(header((4, 8, 8)) + bytes(100)), "damaged"),
        ("a.npy", header(HUGE), "GB of memory|damaged"),
        ("a.npz", zipped(header(HUGE)), "GB of memory"),
        ("a.npy", header((10**12, 8, 8)), "at most 10,000,000 images"),
        ("a.npz", b"PK no zip", "cannot be read"),
        ("a.safetensors", struct.pack("<Q", 2**60), "cannot be read"),
        ("a.npy", header((4, 8, 8), "<i8"), "of type int64"),
        ("a.npy", header((8, 8, 3)), r"shape \(8, 8, 3\); images have the shape"),
        ("a.npy", header((4, 5, 8, 8)), r"shape \(4, 5, 8, 8\)"),
        ("a.npy", header((0, 3, 8, 8)), "sides are from 1"),
        ("a.npy", header((4, 8, 8), "<f4") + np.full(256, 7, "<f4").tobytes(), r"values from 7 to 7; .*\[0, 1\]"),
        ("a.npy", header((4, 8, 8), "<f4") + np.full(256, np.nan, "<f4").tobytes(), "values from nan"),
        ("a.npz", zipped(header((4,))), r"must have one array of 3 or 4 dimensions.* it has images \(4,\)"),
        ("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 8999 + b"\n", "cannot be read"),
        ("a.pt", b"", "name a folder of images"),
        ("a.npy", header((10**400, 8, 8)), "cannot be read"),
        ("a.npy", header((2**48 + 1, 8, 8)), "cannot be read"),
        ("a.npy", header((-5, 8, 8)), "cannot be read"),
        ("a.npz", zipped(header((True, 8, 8))), "cannot be read"),
        ("a.npy", raw_header("{'descr': '|u1', 'shape': (4, 8, 8), '''"), "cannot be read"),
        ("a.npy", raw_header("{[]: '|u1', 'shape': (4, 8, 8)}"), "cannot be read"),
        ("a.npz", damaged(zipfile.ZIP_DEFLATED, 0), "cannot be read"),
        *(("a.npz", damaged(zipfile.ZIP_LZMA, place), "cannot be read|damaged") for place in (4, 9, 20)),
    ],
)
def test_what_is_no_array_of_images_is_one_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GanZooError, match=words) as caught:
        find_images(tmp_path / name).draw(4)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("length", [2**22, 2**32 - 1])
def test_the_header_of_a_member_is_not_read_before_its_length_is_known(tmp_path: Path, length: int) -> None:
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", length) + b" " * 2**22
    (tmp_path / "a.npz").write_bytes(zipped(content))
    tracemalloc.start()
    try:
        with pytest.raises(GanZooError, match=r"a.npz.*cannot be read"):
            find_images(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def test_an_archive_that_asks_for_all_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").write_bytes(zipped(header((4, 8, 8)) + bytes(256), zipfile.ZIP_LZMA))

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(lzma, "LZMADecompressor", refuse)
    with pytest.raises(GanZooError, match=r"a.npz.*cannot be read"):
        find_images(tmp_path / "a.npz")


def test_a_member_is_read_by_its_whole_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images", header((4, 8, 8)) + bytes(256))
        archive.writestr("images.npy", header((4, 8, 8)) + bytes([7]) * 256)
    assert find_images(tmp_path / "a.npz").draw(4).unique().tolist() == [7]


def test_a_folder_without_images_or_with_broken_ones_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GanZooError, match="do not exist"):
        find_images(tmp_path / "none")
    with pytest.raises(GanZooError, match="holds no images"):
        find_images(tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    with pytest.raises(GanZooError, match=r"1 of 2 image files cannot be read, the first is 'b.png'"):
        find_images(tmp_path).draw(2)
