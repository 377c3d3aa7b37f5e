"""The commands that draw and make variants: sample, new, check."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image


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


def test_check_lists_what_is_broken(gan_zoo, tmp_path):
    gan_zoo("new", "my_gan")
    path = tmp_path / "my_gan.py"
    path.write_text(path.read_text(encoding="utf-8").replace("nn.Tanh()", "nn.Softplus()"), encoding="utf-8")
    edited = path.read_bytes()
    assert "exists already" in gan_zoo("new", "my_gan").error
    assert path.read_bytes() == edited
    result = gan_zoo("check", "my_gan", "--plugin", path)
    assert "'my_gan'" in result.error
    assert "outside [-1, 1]" in result.error
    assert "FAILED  shapes" in result.out
    assert "    ok  repeats" in result.out
