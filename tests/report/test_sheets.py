"""Sample sheets: the page shows the recorded pixels and counts of every seed, and each sheet is embedded once."""

import base64
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_zoo.bench.records import read_run
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError
from gan_zoo.mixture import Mixture
from gan_zoo.report import sheets as module
from gan_zoo.report.point_tiles import SIDE, draw_points
from gan_zoo.report.sheets import contact_sheet, sheets

RESULTS = Path(__file__).parents[2] / "results"
RULE = re.compile(
    r"\.(s\d+)\{background-image:url\(data:image/(webp|png);base64,([\w+/=]+)\);image-rendering:(pixelated|auto)\}"
)
MIXTURES = {
    "plane": {"means": [[0.5, 0.5], [-0.5, 0.0]], "weights": [0.5, 0.5], "deviation": 0.02, "bins": 4, "scale": 1.0},
    "line": {"means": [[0.5], [-0.5]], "weights": [0.25, 0.75], "deviation": 0.1, "bins": 4, "scale": 1.0},
}


def embedded(css: str) -> dict[str, Image.Image]:
    """The images of the rules, by name; every line is such a rule."""
    rules = [RULE.fullmatch(line) for line in css.splitlines()]
    return {rule[1]: Image.open(io.BytesIO(base64.b64decode(rule[3]))) for rule in rules}


def recorded(folder: Path, frame) -> Image.Image:
    (path,) = folder.glob(f"records/{frame.variant}-seed{frame.seed}-*/{frame.kind}-{frame.step:06d}.png")
    return Image.open(path)


@pytest.fixture(scope="module")
def made(mixed_folder, mixed):
    return sheets(mixed_folder, mixed)


@pytest.mark.parametrize("longest_webp", [16_383, 200])
def test_embedded_sheets_have_the_recorded_pixels(make_folder, monkeypatch, longest_webp):
    folder = make_folder(["gan", "cgan"], seeds=2)
    color = np.random.default_rng(0).integers(256, size=(128, 160, 3), dtype=np.uint8)
    Image.fromarray(color).save(folder / "records/gan-seed1-0a1b2c3d/grid-002000.png")
    monkeypatch.setattr(module, "_LONGEST_WEBP", longest_webp)
    made = sheets(folder, read_results(folder))
    images = embedded(made.css)
    kinds = set()
    for frame in made.frames:
        if frame.kind != "histogram":
            image = images[frame.name]
            kinds.add(image.format)
            assert image.size == (frame.columns * frame.width, frame.rows * frame.height)
            expected = recorded(folder, frame).convert("RGB")
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(expected))
    assert kinds == ({"WEBP"} if longest_webp > 200 else {"WEBP", "PNG"})


def test_equal_sheets_are_embedded_once(mixed_folder, made):
    shown = [frame for frame in made.frames if frame.kind != "histogram"]
    distinct = {recorded(mixed_folder, frame).tobytes() for frame in shown}
    names = list(embedded(made.css))
    assert len(names) == len(distinct) == len(set(names))
    assert {frame.name for frame in shown} == set(names)
    real = {frame.name for frame in shown if (frame.variant, frame.kind) == ("real", "grid")}
    assert len(real) == 1


def test_every_row_of_every_seed_has_a_frame(mixed_folder, made):
    expected = set()
    for path in (mixed_folder / "records").glob("*.jsonl"):
        run = read_run(path)
        seed = run.begin["variant"], run.begin["seed"]
        expected |= {(*seed, row["step"], row["kind"]) for row in run.samples}
        expected |= {(*seed, row["step"], "histogram") for row in run.metrics if row["extractor"] == "mnist-cnn"}
    assert {(frame.variant, frame.seed, frame.step, frame.kind) for frame in made.frames} == expected
    assert len(made.frames) == len(expected)
    assert ("dcgan", 1, 750, "grid") in expected


def test_frames_of_one_evaluation_have_one_place(made):
    grids = {(frame.variant, frame.seed, frame.place): frame.step for frame in made.frames if frame.kind == "grid"}
    steps = [grids["gan", 0, place] for place in range(9)]
    assert steps == [200, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]
    assert [grids.get(("wgan_weight_clipping", 2, place)) for place in range(5)] == [200, 250, 500, 750, None]
    assert [(key[1:], step) for key, step in grids.items() if key[0] == "real"] == [((seed, 8), 0) for seed in range(3)]


def test_histograms_are_the_recorded_counts(mixed, made):
    shown = {(f.variant, f.seed, f.step): f.counts for f in made.frames if f.kind == "histogram"}
    rows = {(run.begin["variant"], run.begin["seed"], row["step"]): row for run in mixed.records for row in run.metrics}
    assert shown == {key: tuple(row["class_counts"]) for key, row in rows.items()}
    assert len(shown) > 50


def test_labels_say_what_a_frame_shows(made):
    labels = {frame.label for frame in made.frames}
    assert "cgan, seed 1, 256,000 images seen: samples, one class per row" in labels
    assert "real images: samples" in labels
    assert "real images: images per class, 0: 100, 1: 100, 2: 100" in " ".join(labels)


def test_counts_are_named_by_the_classes_of_the_data(make_folder):
    data = {"name": "x", "title": "X", "class_names": [f"class {letter}" for letter in "abcdefghij"]}
    folder = make_folder(["gan"], seeds=1, data=data)
    assert any("class a: 100, class b: 100" in frame.label for frame in sheets(folder, read_results(folder)).frames)


@pytest.mark.parametrize("make", [lambda _: None, os.mkfifo, Path.mkdir, lambda path: path.write_bytes(b"\x89PNG")])
def test_what_cannot_be_read_is_left_out(make_folder, make):
    folder = make_folder(["gan"], seeds=1)
    path = folder / "records/gan-seed0-0a1b2c3d/grid-000200.png"
    path.unlink()
    make(path)
    grids = [frame.step for frame in sheets(folder, read_results(folder)).frames if frame.kind == "grid"]
    assert sorted(grids) == [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]


def test_a_file_outside_is_refused(make_folder, tmp_path):
    folder = make_folder(["gan"], seeds=1)
    path = folder / "records/gan-seed0-0a1b2c3d/grid-000200.png"
    path.rename(tmp_path / "secret.png")
    path.symlink_to(tmp_path / "secret.png")
    with pytest.raises(GanZooError, match="lies outside"):
        sheets(folder, read_results(folder))


@pytest.fixture(params=MIXTURES)
def points_folder(request, make_folder):
    """A results folder of points: each evaluation has some at the first mode."""
    density = MIXTURES[request.param]

    def change(row):
        if row["row"] != "samples":
            return row
        if row["step"] == 0:
            return None
        kept = {key: row[key] for key in ("step", "images", "seconds", "fraction")}
        return {"row": "points", "file": row["file"].replace(".png", ".npz"), **kept}

    data = {"name": "toy", "title": "Toy", "kind": "points", "density": density}
    folder = make_folder(["gan", "dcgan"], seeds=2, change=change, statuses={("dcgan", 1): "diverged"}, data=data)
    for image in folder.glob("records/*/*.png"):
        np.savez_compressed(image.with_suffix(".npz"), points=np.tile(density["means"][0], (9, 1)))
    return folder


def test_points_are_sheets_of_one_tile(points_folder):
    made = sheets(points_folder, read_results(points_folder))
    frames = [frame for frame in made.frames if frame.kind == "grid"]
    assert {(frame.columns, frame.rows, frame.width, frame.height) for frame in frames} == {(1, 1, SIDE, SIDE)}
    of_run = {(frame.variant, frame.seed): frame for frame in frames}
    assert sorted(of_run) == [(variant, seed) for variant in ("dcgan", "gan", "real") for seed in (0, 1)]
    assert sum(frame.variant == "gan" for frame in frames) == 18
    assert of_run["gan", 1].label == "gan, seed 1, 256,000 points seen: samples"
    assert len(embedded(made.css)) == 3  # All evaluations of a variant have the same points.
    assert "pixelated" not in made.css


def test_points_lie_where_they_are():
    mixture = Mixture.of(MIXTURES["plane"])
    nothing = np.asarray(draw_points(mixture, np.empty((0, 2)), "#ff0000")).astype(int)
    points = np.array([[0.0, 0.25], [np.nan, 0], [np.inf, 0], [1e30, 0]], np.float32)
    drawn = np.asarray(draw_points(mixture, points, "#ff0000")).astype(int)
    rows, columns = np.nonzero((drawn != nothing).any(axis=2))
    reach = 1.15 * 0.5 + 4 * 0.02
    assert columns.mean() == pytest.approx(SIDE / 2, abs=1)
    assert rows.mean() == pytest.approx((1 - 0.25 / reach) * SIDE / 2, abs=1)
    assert len(rows) <= 9
    assert nothing[0, 0, 3] == 0


def test_a_line_of_points_is_a_histogram_over_the_density():
    mixture = Mixture.of(MIXTURES["line"])
    points, _ = mixture.sample(2500, np.random.default_rng(0))
    drawn = np.asarray(draw_points(mixture, points, "#ff0000"))
    filled = (drawn[..., 3] > 0) & (drawn[..., 0] < 200)
    heights = filled.sum(axis=0)
    left, right = heights[: SIDE // 2].max(), heights[SIDE // 2 :].max()
    assert left / right == pytest.approx(3, rel=0.1)
    line = (drawn[..., 0] > 200) & (drawn[..., 3] > 100)
    tops = SIDE - np.where(line.any(axis=0), line.argmax(axis=0), SIDE)
    assert tops[: SIDE // 2].max() / tops[SIDE // 2 :].max() == pytest.approx(3, rel=0.25)


def test_unusable_points_are_left_out(points_folder):
    for path in points_folder.glob("records/gan-seed0-*/*.npz"):
        path.write_bytes(b"x")
    frames = sheets(points_folder, read_results(points_folder)).frames
    assert not any((frame.variant, frame.seed, frame.kind) == ("gan", 0, "grid") for frame in frames)


def test_contact_sheet_shows_a_dozen_samples_of_each_variant(mixed_folder, mixed, tmp_path):
    assert contact_sheet(mixed_folder, mixed, tmp_path / "a/samples.png")
    with Image.open(tmp_path / "a/samples.png") as image:
        pixels = np.asarray(image)
    order = ["real", *(entry.variant for entry in mixed.entries if entry.variant != "real")]
    # Of cgan seed 0 collapsed; all seeds of the last diverged at 40%.
    runs = {"cgan": "cgan-seed1-0a1b2c3d", "real": "real-seed0-ffff0000"}
    steps = {"real": 0, "wgan_weight_clipping": 750}
    left = pixels.shape[1] - 12 - (12 * 67 - 3)
    assert len(order) == 6
    for line, variant in enumerate(order):
        path = mixed_folder / "records" / runs.get(variant, f"{variant}-seed0-0a1b2c3d")
        grid = np.asarray(Image.open(path / f"grid-{steps.get(variant, 2000):06d}.png"))
        twelfth = grid[64:96, 32:64].repeat(2, axis=0).repeat(2, axis=1)
        top, at = 12 + 67 * line, left + 11 * 67
        np.testing.assert_array_equal(pixels[top : top + 64, at : at + 64], twelfth)
        assert (pixels[top : top + 64, 12 : left - 12] < 128).any()


def test_contact_sheet_of_points(points_folder, tmp_path):
    assert contact_sheet(points_folder, read_results(points_folder), tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as image:
        assert image.width > 3 * SIDE
        assert len(image.getcolors(1 << 20)) > 20


def test_without_samples_there_is_no_contact_sheet(make_folder, tmp_path):
    folder = make_folder(["gan"], seeds=1, change=lambda row: None if row["row"] == "samples" else row)
    assert not contact_sheet(folder, read_results(folder), tmp_path / "samples.png")
    assert list(tmp_path.iterdir()) == []


def test_names_do_not_widen_the_contact_sheet_without_end(make_folder, tmp_path):
    folder = make_folder(["gan"], seeds=1)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"variants": ["g" * 200]}))
    records = folder / "records/gan-seed0-0a1b2c3d.jsonl"
    records.write_text(records.read_text().replace('"variant": "gan"', f'"variant": "{"g" * 200}"'))
    assert contact_sheet(folder, read_results(folder), tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as image:
        assert image.width < 1500


def test_sheets_of_the_quick_mnist_suite_are_small():
    folder = RESULTS / "mnist-quick"
    made = sheets(folder, read_results(folder))
    assert sum(frame.kind == "grid" and frame.variant != "real" for frame in made.frames) == 4 * 3 * 4
    assert len(made.css) < 2_000_000
