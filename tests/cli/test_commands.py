"""The commands that draw and make variants: sample, new, check."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from gan_zoo import registry, validation
from gan_zoo.cli import scaffold
from gan_zoo.device import seeded


@pytest.mark.parametrize(("n", "size"), [(1, (32, 32)), (7, (160, 64)), (20, (160, 128)), (21, (320, 96))])
def test_sample_sizes(gan_zoo, toys, checkpoint, tmp_path, n, size):
    result = gan_zoo("sample", checkpoint("by_heart"), "--plugin", toys, "--num-samples", n)
    assert result.status == 0, result.err
    assert Image.open(tmp_path / "samples.png").size == size


@pytest.mark.parametrize(("name", "kind"), [("s.jpg", "JPEG"), ("s.JPEG", "JPEG"), ("s.png", "PNG"), ("s", "PNG")])
def test_samples_are_of_the_format_that_the_suffix_names(gan_zoo, toys, checkpoint, tmp_path, name, kind):
    assert gan_zoo("sample", checkpoint("by_heart"), "--plugin", toys, "--out", name).status == 0
    with Image.open(tmp_path / name) as image:
        assert image.format == kind


@pytest.mark.parametrize("name", ["s.eps", "s.txt", "/", "s.csv"])
def test_samples_of_no_known_format_are_refused(gan_zoo, toys, checkpoint, tmp_path, name):
    before = sorted(tmp_path.iterdir())
    error = gan_zoo("sample", checkpoint("by_heart"), "--plugin", toys, "--out", name).error
    assert repr(name) in error
    assert ".jpg" in error
    assert sorted(tmp_path.iterdir()) == before


def test_a_sheet_that_is_too_large_for_jpeg_is_one_line(gan_zoo, checkpoint, tmp_path):
    words = ["sample", checkpoint("cgan"), "--interpolate", 2047]
    assert "use .png" in gan_zoo(*words, "--out", "s.jpg").error
    assert not (tmp_path / "s.jpg").exists()
    assert gan_zoo(*words[:-1], 2046, "--out", "s.jpg").status == 0


def test_samples_follow_the_seed(gan_zoo, checkpoint, tmp_path):
    images = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert gan_zoo("sample", checkpoint("cgan"), "--seed", seed, "--out", f"{name}.png").status == 0
        images[name] = (tmp_path / f"{name}.png").read_bytes()
    assert images["a"] == images["b"] != images["c"]


def test_points_are_written_as_numbers(gan_zoo, tmp_path):
    settings = ["--set", "backbone=points", "--set", "latent=2 normal", "--set", "batch_size=32"]
    result = gan_zoo("train", "nsgan", "--data", "grid25", "--steps", "2", *settings, "--out", tmp_path / "run")
    assert result.status == 0, result.err
    assert "JSD" in result.out
    (points,) = (tmp_path / "run" / "records").rglob("points-*.npz")
    assert np.load(points)["points"].shape == (2500, 2)
    (saved,) = (tmp_path / "run" / "checkpoints").glob("nsgan-*.safetensors")
    drawn = gan_zoo("sample", saved, "--num-samples", "7", "--out", tmp_path / "few.png")
    assert drawn.status == 0, drawn.err
    assert np.loadtxt(tmp_path / "few.csv", delimiter=",").shape == (7, 2)
    assert gan_zoo("sample", saved, "--num-samples", "7", "--each", tmp_path / "few.npz").status == 0
    assert np.load(tmp_path / "few.npz")["samples"].shape == (7, 2)
    assert "points are no images" in gan_zoo("sample", saved, "--each", tmp_path / "few").error


def test_a_grid_has_white_separators_and_no_black_holes(gan_zoo, checkpoint, tmp_path):
    """7 images of 32 pixels with lines of 2 pixels: 5 a row, the last 3 places white."""
    assert gan_zoo("sample", checkpoint("cgan"), "--num-samples", 7, "--out", "plain.png").status == 0
    assert gan_zoo("sample", checkpoint("cgan"), "--num-samples", 7, "--grid", "--out", "grid.png").status == 0
    plain, grid = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("plain", "grid"))
    assert (plain.shape, grid.shape) == ((64, 160), (70, 172))
    assert (plain[32:, 64:] == 255).all()
    assert (grid[36:, 70:] == 255).all()
    assert (grid[:2] == 255).all()
    assert (grid[:, 34:36] == 255).all()
    assert (grid[2:34, 36:68] == plain[:32, 32:64]).all()


def test_each_sample_is_written_as_an_image_with_its_class_or_into_one_array(gan_zoo, checkpoint, tmp_path):
    saved = checkpoint("cgan")
    for words in (["--out", "sheet.png"], ["--each", "deep/images"], ["--each", "all.npz"]):
        result = gan_zoo("sample", saved, "--num-samples", 3, *words)
        assert (result.status, f"to {words[1]}" in result.out) == (0, True)
    arrays = np.load(tmp_path / "all.npz")
    assert arrays["samples"].shape == (3, 1, 32, 32)
    names = [f"{place:05d}-class{label}.png" for place, label in enumerate(arrays["labels"])]
    assert [path.name for path in sorted((tmp_path / "deep/images").iterdir())] == names
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    for place, name in enumerate(names):
        image = np.asarray(Image.open(tmp_path / "deep/images" / name))
        assert (image == arrays["samples"][place, 0]).all()
        assert (image == sheet[:, 32 * place : 32 * place + 32]).all()
    assert "no empty folder" in gan_zoo("sample", saved, "--each", "deep/images").error
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["images"]


def test_an_interpolation_begins_and_ends_with_the_images_of_its_seed(gan_zoo, checkpoint, tmp_path):
    words = ["sample", checkpoint("cgan"), "--class", 7, "--seed", 4]
    assert gan_zoo(*words, "--num-samples", 2, "--each", "ends.npz").status == 0
    assert gan_zoo(*words, "--interpolate", 12, "--each", "path.npz").status == 0
    assert gan_zoo(*words, "--interpolate", 12, "--out", "path.png").status == 0
    ends, path = (np.load(tmp_path / f"{name}.npz") for name in ("ends", "path"))
    assert (path["samples"][[0, -1]] == ends["samples"]).all()
    assert set(path["labels"]) == {7}
    assert Image.open(tmp_path / "path.png").size == (12 * 32, 32)


def _save(path, array):
    """An array as a file of the format that its suffix names."""
    if path.suffix == ".npz":
        np.savez(path, other=np.zeros(3), latents=array)
    elif path.suffix == ".safetensors":
        save_file({"z": array}, path)
    else:
        np.save(path, array)


@pytest.mark.parametrize("name", ["z.npy", "z.npz", "z.safetensors"])
def test_latents_of_a_file_are_those_that_are_sampled(gan_zoo, checkpoint, tmp_path, name):
    saved = checkpoint("cgan")
    latents = seeded(3, "samples")
    latents = torch.rand(4, 100, generator=latents)
    _save(tmp_path / name, latents.numpy())
    assert gan_zoo("sample", saved, "--class", 1, "--latents", name, "--each", "given.npz").status == 0
    assert gan_zoo("sample", saved, "--class", 1, "--num-samples", 4, "--seed", 3, "--each", "own.npz").status == 0
    given, own = (np.load(tmp_path / f"{name}.npz")["samples"] for name in ("given", "own"))
    assert (given == own).all()


@pytest.mark.parametrize(
    ("array", "key_words"),
    [
        (np.zeros((2, 3)), r"shape (2, 3); 'cgan' takes 2 of size 100"),
        (np.zeros(100), "must have one array of 2 dimensions"),
        (np.full((1, 100), np.nan), "values that are not finite"),
        (np.array([["a"]]), "is of type <U1"),
        (np.array([[{}]]), "is of type objects"),
        (np.zeros((0, 100)), "cannot make 0 images"),
    ],
)
def test_latents_that_do_not_fit_are_one_line(gan_zoo, checkpoint, tmp_path, array, key_words):
    np.save(tmp_path / "z.npy", array)
    assert key_words in gan_zoo("sample", checkpoint("cgan"), "--latents", "z.npy").error
    assert not (tmp_path / "samples.png").exists()


@pytest.mark.parametrize("name", ["z.npy", "z.npz", "z.safetensors", "z.pt", "missing.npy", "missing.safetensors"])
def test_latents_that_cannot_be_read_are_one_line(gan_zoo, checkpoint, tmp_path, name):
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00nonsense")
    error = gan_zoo("sample", checkpoint("cgan"), "--latents", name).error
    assert f"--latents: array file {name!r}" in error


@pytest.mark.parametrize(
    "words", [("--num-samples", 3, "--interpolate", 4), ("--latents", "z.npy", "--interpolate", 4)]
)
def test_two_options_that_say_how_many_samples_are_one_line(gan_zoo, checkpoint, words):
    assert "leave one of them out" in gan_zoo("sample", checkpoint("cgan"), *words).error


@pytest.mark.parametrize("penalty", [None, *scaffold.PENALTIES])
@pytest.mark.parametrize("like", [None, "cgan", "nsgan", "dcgan28", "dcgan_paper", "dcgan_keras", "wgan_gp", "sngan"])
def test_a_new_variant_is_like_another_with_a_penalty(gan_zoo, tmp_path, own_registry, like, penalty):
    words = [word for pair in (("--like", like), ("--penalty", penalty)) if pair[1] for word in pair]
    assert gan_zoo("new", "my_gan", *words).status == 0
    registry.load_plugin(tmp_path / "my_gan.py")
    made = registry.get("my_gan")
    assert made.build((1, made.image_side, made.image_side), 10)
    before = registry.get(like).penalties if like else ()
    expected = {"r1": "R1", "r2": "R2", "gradient_penalty": "gradient", "noise_penalty": "DRAGAN"}
    added = expected.get(penalty or ("" if like else "r1"))
    assert [each.title.partition(" ")[0] for each in made.penalties[len(before) :]] == ([added] if added else [])
    if penalty and added != "gradient":
        assert registry.get("my_gan", weight=3.0).penalties[-1].title.endswith("weight 3")


@pytest.mark.parametrize(
    ("words", "key_words"),
    [
        (("--like", "cgna"), "did you mean 'cgan'"),
        (("--penalty", "r3"), "Known: gradient_penalty, noise_penalty, r1, r2"),
    ],
)
def test_a_new_variant_like_nothing_known_is_one_line(gan_zoo, tmp_path, words, key_words):
    assert key_words in gan_zoo("new", "my_gan", *words).error
    assert not (tmp_path / "my_gan.py").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "for something else; choose another") for name in ("Generator", "math", "get", "e")),
        *((name, "use letters, digits") for name in ("class", "my-gan", "7", "größe")),
    ],
)
def test_a_name_that_does_not_fit_is_one_line(gan_zoo, name, why):
    error = gan_zoo("new", name).error
    assert "cannot name a variant" in error
    assert why in error


@pytest.mark.slow
def test_a_new_variant_is_checked_and_compared(gan_zoo, suite, tmp_path, no_report):
    result = gan_zoo("new", "my_gan")
    assert result.status == 0
    assert "gan-zoo check my_gan --plugin my_gan.py" in result.out
    assert "--preset smoke --variants my_gan,gan --plugin my_gan.py" in result.out
    result = gan_zoo("check", "my_gan", "--plugin", "my_gan.py")
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert len(lines) >= 6
    assert all(line.startswith("    ok  ") for line in lines)
    words = ["--preset", "smoke", "--variants", "my_gan,gan", "--plugin", "my_gan.py", "--out", "out", "--jobs", "1"]
    result = gan_zoo("bench", suite(), *words)
    assert result.status == 2, "the suite's own variants are not there without their plugin"
    result = gan_zoo("bench", suite(('["by_heart", "sibling"]', '["gan", "cgan"]')), *words)
    assert result.status == 0, result.err
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert sorted(set(runs["variant"])) == ["gan", "my_gan", "real"]


@pytest.mark.parametrize(
    ("change", "why", "failed", "others"),
    [
        (("nn.Tanh()", "nn.Softplus()"), "outside [-1, 1]", "shapes: The generator returns samples in [-1, 1]", 0),
        (
            ("self.of_label", "self.unused = nn.Linear(1, 1)\n        self.of_label"),
            "unused",
            "gradients_reach: Two",
            5,
        ),
    ],
    ids=["shapes, which ends it", "gradients"],
)
def test_check_lists_what_is_broken(gan_zoo, tmp_path, change, why, failed, others):
    gan_zoo("new", "my_gan")
    path = tmp_path / "my_gan.py"
    path.write_text(path.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    edited = path.read_bytes()
    assert "exists already" in gan_zoo("new", "my_gan").error
    assert path.read_bytes() == edited
    result = gan_zoo("check", "my_gan", "--plugin", path)
    assert "'my_gan'" in result.error
    assert why in result.error
    assert f"FAILED  {failed}" in result.out
    assert result.out.count("    ok  ") == others


def test_labels_of_an_unconditional_variant_are_not_checked(gan_zoo, monkeypatch):
    monkeypatch.setattr(validation, "CHECKS", {"label_changes_image": validation.label_changes_image})
    result = gan_zoo("check", "gan")
    assert (result.status, "not applicable" in result.out, "ok" in result.out) == (0, True, False)
