"""Measures of any images: equal however they are given, and equal to those of pytorch-fid."""

import contextlib
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pytorch_fid import fid_score
from scipy import linalg

import gan_zoo
from gan_zoo import data
from gan_zoo.data import resize
from gan_zoo.metrics.extractors import load_extractor

N = 200


@pytest.fixture(scope="module")
def images():
    """Noisy digits of 28x28, uint8 (N, 1, 28, 28): the folder enlarges them as the array is enlarged."""
    real = data.load("digits", side=28).test.images[:N].float()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0)) * 20
    return (real + noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture
def folder(images, tmp_path):
    (tmp_path / "mine").mkdir()
    for number, image in enumerate(images[:, 0].numpy()):
        Image.fromarray(image).save(tmp_path / "mine" / f"{number:04d}.png")
    return tmp_path / "mine"


def test_a_folder_equals_its_images_as_an_array_and_pytorch_fid_on_the_same_features(images, folder, monkeypatch):
    measured = gan_zoo.evaluate(folder, "digits")
    assert list(measured.index) == ["mine", "real"]
    assert measured["num_samples"].tolist() == [N, N]
    assert measured["reference"].tolist() == ["test", "test"]
    for array in (images, images.numpy()[:, 0], images.permute(0, 2, 3, 1), images / 127.5 - 1):
        same = gan_zoo.evaluate(array, "digits").rename(index={"images": "mine"})
        pd.testing.assert_frame_equal(same, measured, rtol=1e-6)

    def sqrtm(matrix, disp=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = linalg.sqrtm(matrix)
        return root if disp else (root, None)

    # scipy's square root no longer has the argument that silences its warnings.
    monkeypatch.setattr(fid_score, "linalg", SimpleNamespace(sqrtm=sqrtm))
    digits, extractor = data.load("digits"), load_extractor("digits-cnn")
    from gan_zoo.metrics.evaluator import _choose

    real = digits.test.images[_choose(len(digits.test), N, 0, "reference")]
    features = [extractor.encode(side).vectors.double().numpy() for side in (resize(images, 32), real)]
    statistics = [part for side in features for part in (side.mean(0), np.cov(side.T))]
    expected = fid_score.calculate_frechet_distance(*statistics)
    assert measured.loc["mine", "fid"] == pytest.approx(expected, rel=1e-6)


def test_a_metric_of_images_sees_the_same_images(images, folder, own_registry):
    @gan_zoo.register_metric("brightness", better="half", on="images")
    def brightness(fake, real):
        return fake.double().mean()

    by_folder, by_array = (gan_zoo.evaluate(each, "digits")["brightness"].iloc[0] for each in (folder, images))
    assert by_folder == by_array == pytest.approx(float(resize(images, 32).double().mean()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_samples": 300}, "num_samples is 300; the array has 200 images"),
        ({"num_samples": 5}, "num_samples is 5; the array has 200 images"),
        ({"seed": -1}, "seed is -1"),
        ({"extractors": ["cnn"]}, "unknown extractor 'cnn'"),
        ({"n": 3}, "unknown option of evaluate: 'n'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(images, options, words):
    with pytest.raises(gan_zoo.GanZooError, match=words):
        gan_zoo.evaluate(images, "digits", **options)


def test_a_checkpoint_is_measured_against_the_reference_that_it_was_trained_with(folder, tmp_path):
    run = gan_zoo.train(gan_zoo.get("gan", batch_size=16), f"folder:{folder.parent}", steps=2, test_share=0)
    run.save(tmp_path / "run.safetensors")
    source = tmp_path / "run.safetensors"
    whole = gan_zoo.evaluate(source, f"folder:{folder.parent}", extractors=["digits-cnn"])
    assert whole["num_samples"].tolist() == [N, N]
    assert whole["reference"].tolist() == ["whole set", "whole set"]
    assert "memorization" not in whole
    part = gan_zoo.evaluate(source, f"folder:{folder.parent}", extractors=["digits-cnn"], test_share=0.25)
    assert part["num_samples"].tolist() == [N // 4, N // 4]
    assert part["reference"].tolist() == ["test", "test"]


@pytest.mark.parametrize("source", [[1, 2, 3], None, 4])
def test_what_cannot_be_a_source_is_one_line(source):
    with pytest.raises(gan_zoo.GanZooError, match="cannot be measured; give a sampler, a path"):
        gan_zoo.evaluate(source, "digits")


def test_few_images_are_measured_without_fid(images):
    with pytest.warns(UserWarning, match="FID is left out, as it needs num_samples of at least 129, not 20"):
        measured = gan_zoo.evaluate(images[:20], "digits")
    assert "fid" not in measured
    assert measured["kid"].notna().all()
    assert measured["num_samples"].tolist() == [20, 20]


def test_images_are_no_points(images):
    with pytest.raises(gan_zoo.GanZooError, match="'ring8' is a set of points"):
        gan_zoo.evaluate(images, "ring8")


def test_the_command(folder, tmp_path, monkeypatch, capsys):
    import sys

    from gan_zoo.cli import app

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gan-zoo", "evaluate", *map(str, words)])
        with contextlib.suppress(SystemExit):
            app.main()
        return capsys.readouterr().out

    csv = tmp_path / "mine.csv"
    found = json.loads(run(folder, "--data", "digits", "--json", "--csv", csv))
    expected = gan_zoo.evaluate(folder, "digits")
    assert found["data"] == "digits"
    assert [row["samples"] for row in found["rows"]] == ["mine", "real"]
    assert found["rows"][0]["fid"] == expected.loc["mine", "fid"]
    assert pd.read_csv(csv).set_index("samples")["fid"].tolist() == pytest.approx(expected["fid"].tolist())
    shown = run(folder, "--data", "digits")
    assert "num_samples 200, extractor digits-cnn, reference: test split of" in shown
    assert "real images" in shown
