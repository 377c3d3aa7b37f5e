"""Points of known density on the command line: trained, and drawn as numbers."""

import numpy as np


def test_points_are_written_as_numbers(gan_zoo, tmp_path):
    settings = ["--set", "backbone=points", "--set", "latent=2 normal", "--set", "batch_size=32"]
    said = gan_zoo("train", "nsgan", "--data", "grid25", "--steps", "2", *settings, "--out", tmp_path / "run")
    assert said.status == 0, said.err
    assert "JSD" in said.out
    (points,) = (tmp_path / "run" / "records").rglob("points-*.npz")
    assert np.load(points)["points"].shape == (2500, 2)
    (saved,) = (tmp_path / "run" / "checkpoints").glob("nsgan-*.safetensors")
    drawn = gan_zoo("sample", saved, "--num-samples", "7", "--out", tmp_path / "few.png")
    assert drawn.status == 0, drawn.err
    assert np.loadtxt(tmp_path / "few.csv", delimiter=",").shape == (7, 2)
