"""Files that rows of records name, from anyone: what they do not hold as recorded is not used, and is named."""

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_zoo.bench import artifacts
from gan_zoo.bench.artifacts import cut_tiles, read_points, read_sheet, unreadable
from gan_zoo.bench.records import RunRecord
from gan_zoo.errors import GanZooError
from gan_zoo.io import check_links
from gan_zoo.mixture import Mixture

FACTS = {"means": [[0.5, 0.5], [-0.5, 0.0]], "weights": [0.5, 0.5], "deviation": 0.1, "bins": 4, "scale": 1.0}
MIXTURE = Mixture.of(FACTS)
TILES = {"row": "samples", "file": "a.png", "columns": 3, "rows": 2, "width": 4, "height": 5}
POINTS = {"row": "points", "file": "a.npz"}


def arrays(**changed):
    found = {"points": np.zeros((7, 2), np.float32), "counts": np.ones(17, np.uint32), "learned": np.ones(16)}
    return {name: value for name, value in (found | changed).items() if value is not None}


def picture(path: Path) -> None:
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(path, format="PNG")


def test_tiles_are_read_line_by_line(tmp_path):
    picture(tmp_path / "a.png")
    tiles = [np.asarray(tile) for tile in cut_tiles(read_sheet(tmp_path, TILES), TILES)]
    whole = np.arange(120).reshape(10, 12)
    expected = [whole[top : top + 5, left : left + 4] for top in (0, 5) for left in (0, 4, 8)]
    np.testing.assert_array_equal(tiles, expected)


def write_bomb(path: Path) -> None:
    content = Image.new("1", (20_000, 20_000))
    content.save(path, format="PNG")


def write_empty_profile(path: Path) -> None:
    """An ICC profile without content after the pixels, on which Pillow raises an IndexError."""
    picture(path)
    content = path.read_bytes()
    chunk = (0).to_bytes(4, "big") + b"iCCP" + zlib.crc32(b"iCCP").to_bytes(4, "big")
    path.write_bytes(content[:-12] + chunk + content[-12:])


UNUSABLE = {
    "empty profile": write_empty_profile,
    "missing": lambda _: None,
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "no PNG": lambda path: Image.new("L", (12, 10)).save(path, format="BMP"),
    "PostScript": lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 12 10\n"),
    "other size": lambda path: Image.new("L", (12, 11)).save(path, format="PNG"),
    "bomb": write_bomb,
    "cut off": lambda path: (picture(path), path.write_bytes(path.read_bytes()[:45])),
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
def test_tiles_of_a_file_that_is_not_as_recorded_are_none(tmp_path, make):
    make(tmp_path / "a.png")
    assert read_sheet(tmp_path, TILES) is None


def test_points_are_read_as_they_were_written(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **arrays(), other=np.ones(3))
    found = read_points(tmp_path, POINTS, MIXTURE)
    assert found.keys() == arrays().keys()
    for name, array in arrays().items():
        np.testing.assert_array_equal(found[name], array)


WRONG_ARRAYS = {
    "no points": {"points": None},
    "points of three coordinates": {"points": np.zeros((7, 3))},
    "points without coordinates": {"points": np.float32(1)},
    "text": {"points": np.array([["a", "b"]])},
    "objects": {"points": np.array([[1, None]], dtype=object)},
    "counts of other bins": {"counts": np.ones(5, np.uint32)},
    "no counts at all": {"counts": np.zeros(17, np.uint32)},
    "learned of other bins": {"learned": np.ones(17)},
}


def write_lzma(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("points.npy", np.random.default_rng(0).bytes(1000))
    content = bytearray(path.read_bytes())
    content[100:200] = bytes(100)
    path.write_bytes(content)


def write_header_of(header: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("points.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)

    return write


UNUSABLE_POINTS = {
    "damaged LZMA": write_lzma,
    "header without an end": write_header_of(b"{'descr': ("),
    "shape beyond 64 bits": write_header_of(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**25, 2), }"),
    "huge shape": write_header_of(b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 2), }" % 10**25),
    "missing": lambda _: None,
    "pipe": os.mkfifo,
    "no archive": lambda path: path.write_bytes(b"x"),
    "huge header": write_header_of(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 2), }"),
    **{
        name: (lambda path, changed=changed: np.savez(path, **arrays(**changed)))
        for name, changed in WRONG_ARRAYS.items()
    },
}


@pytest.mark.parametrize("make", UNUSABLE_POINTS.values(), ids=UNUSABLE_POINTS)
def test_points_of_a_file_that_is_not_as_recorded_are_none(tmp_path, make):
    make(tmp_path / "a.npz")
    assert read_points(tmp_path, POINTS, MIXTURE) is None


def test_an_archive_that_unpacks_to_more_than_any_record_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", **arrays(points=np.zeros((10_000, 2))))
    assert read_points(tmp_path, POINTS, MIXTURE) is not None
    monkeypatch.setattr(artifacts, "_LARGEST_ARRAY", 100_000)
    assert read_points(tmp_path, POINTS, MIXTURE) is None


@pytest.mark.parametrize(
    "read", [lambda folder: read_sheet(folder, TILES), lambda folder: read_points(folder, POINTS, MIXTURE)]
)
def test_a_link_to_the_outside_is_refused(tmp_path, read):
    folder = tmp_path / "folder"
    folder.mkdir()
    picture(tmp_path / "secret")
    for row in (TILES, POINTS):
        (folder / row["file"]).symlink_to(tmp_path / "secret")
    with pytest.raises(GanZooError, match="lies outside"):
        read(folder)


def test_loops_of_links_are_refused(tmp_path):
    (tmp_path / "a.png").symlink_to("a.png")
    with pytest.raises(GanZooError, match=r"a\.png lies outside"):
        read_sheet(tmp_path, TILES)
    with pytest.raises(GanZooError, match=r"a\.png lies outside"):
        check_links(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path):
    picture(tmp_path / "a.png")
    np.savez(tmp_path / "a.npz", **arrays())
    record = RunRecord("a", samples=[TILES, TILES | {"file": "b.png"}], points=[POINTS, POINTS | {"file": "b.npz"}])
    assert unreadable(tmp_path, {"data": {"density": FACTS}}, [record]) == ["b.png", "b.npz"]
    assert unreadable(tmp_path, {"data": {}}, [record]) == ["b.png", "a.npz", "b.npz"]
