"""Sets of points: their modes are those of the literature, scaled; their points are drawn around them."""

import numpy as np
import pytest
import torch

from gan_zoo import data

MODES = {"mixture1d": 3, "ring8": 8, "grid25": 25}


@pytest.mark.parametrize("name", MODES)
def test_points_lie_around_their_modes(name):
    loaded = data.load(name)
    mixture = loaded.density
    assert (loaded.kind, loaded.extractor, loaded.classes) == ("points", "density", MODES[name])
    assert (len(loaded.train), len(loaded.class_names)) == (100_000, MODES[name])
    assert len(loaded.test) >= 10_000
    points, labels = loaded.train.take(torch.arange(len(loaded.train)))
    assert points.dtype == torch.float32
    assert points.shape == (100_000, *loaded.shape)
    assert (np.abs(mixture.means) + 6 * mixture.deviation <= 1).all()
    for mode, mean in enumerate(mixture.means):
        mine = points[labels == mode].numpy()
        assert len(mine) / 100_000 == pytest.approx(mixture.weights[mode], abs=0.005)
        np.testing.assert_allclose(mine.mean(axis=0), mean, atol=5 * mixture.deviation / len(mine) ** 0.5)
        np.testing.assert_allclose(mine.std(axis=0), mixture.deviation, rtol=0.05)


def test_modes_are_those_of_the_literature():
    ring, grid = data.load("ring8").density, data.load("grid25").density
    np.testing.assert_allclose(np.linalg.norm(ring.means / ring.scale, axis=1), 2)
    assert ring.deviation / ring.scale == pytest.approx(0.02)
    assert {tuple(mean) for mean in np.round(grid.means / grid.scale, 9)} == {
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }
    assert grid.deviation / grid.scale == pytest.approx(0.05)


def test_the_set_is_the_same_whatever_images_are_requested():
    first, other = data.load("ring8"), data.load("ring8", side=28, channels=3)
    assert first.fingerprint == other.fingerprint
    assert first.fingerprint != data.load("grid25").fingerprint
    assert not data.needs_root("ring8")


def test_moved_points_are_still_points():
    train = data.load("mixture1d").train.to("cpu")
    points, _ = train.take(torch.tensor([5]))
    assert points.shape == (1, 1)
    assert points.item() == data.load("mixture1d").train.images[5].item()
