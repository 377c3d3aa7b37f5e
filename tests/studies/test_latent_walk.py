"""The study of walks: linear generators, whose path length is known, and one that jumps."""

import math

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.latent import categorical, normal, uniform
from gan_zoo.studies import walk
from gan_zoo.studies.latent_walk import latent_paths, measure_walk, walk_images
from gan_zoo.studies.trained import NotApplicable


class Linear(nn.Module):
    """The first latent values are the pixels of 8x8 images, times a scale."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, latent, labels=None):
        return (latent[:, :64] * self.scale).reshape(-1, 1, 8, 8)


class Jump(nn.Module):
    """One of two images, by the sign of the first latent value: all that it has memorized."""

    def forward(self, latent, labels=None):
        return latent[:, :1].sign().mul(0.5)[:, :, None, None].expand(-1, 1, 8, 8)


def _orthogonal(length=2.0):
    """Latents (2, 1, 64) of equal length at a right angle."""
    columns, _ = torch.linalg.qr(torch.randn(64, 2, generator=torch.Generator().manual_seed(0)))
    return columns.T[:, None] * length


def test_linear_generator_has_the_least_path_length_on_a_line_and_the_arc_on_a_sphere(make_trained, pixel_extractor):
    # Steps far above one pixel level, so that rounding to 8 bits does not show.
    trained = make_trained(Linear(1.0), latent=normal(64))
    steps = 10
    line, arc, fade = (
        measure_walk(pixel_extractor(), walk_images(trained, [_orthogonal()], steps + 1, kind))
        for kind in ("linear", "spherical", "cross-fade")
    )
    assert line.energy == pytest.approx(line.chord, rel=0.01)
    assert fade.energy == pytest.approx(fade.chord, rel=0.01)
    # Ten chords of a quarter circle of radius r, whose ends are r * sqrt(2) apart.
    expected = (2 * steps * math.sin(math.pi / (4 * steps))) ** 2 / 2
    assert arc.energy / arc.chord == pytest.approx(expected, rel=0.01)
    for found in (line, arc, fade):
        assert found.largest_step == pytest.approx(1, abs=0.05)
        assert found.recognized is None


def test_generator_that_memorized_two_images_jumps_once(make_trained, pixel_extractor):
    trained = make_trained(Jump(), latent=normal(4))
    ends = torch.tensor([[[1.0, 2, 0, 0]], [[-1.5, 0, 2, 0]]])
    found = measure_walk(pixel_extractor(), walk_images(trained, [ends], 9, "linear"))
    assert found.largest_step == pytest.approx(8)
    assert found.energy == pytest.approx(8 * found.chord)


def test_recognized_counts_the_images_between_the_ends(pixel_extractor):
    # Class 0 is certain for a white image, and both classes are as likely for a black one.
    head = torch.zeros(64, 2)
    head[:, 0] = 1.0
    images = torch.zeros(1, 4, 1, 8, 8, dtype=torch.uint8)
    images[0, :2] = 255
    found = measure_walk(pixel_extractor(head), images)
    assert (found.recognized, found.recognized_ends) == (0.5, 0.5)


def test_images_that_do_not_change_walk_evenly(pixel_extractor):
    found = measure_walk(pixel_extractor(), torch.full((2, 5, 1, 8, 8), 7, dtype=torch.uint8))
    assert (found.energy, found.chord, found.largest_step) == (0, 0, 1)


def test_spherical_paths_keep_the_distance_from_the_center_and_linear_ones_the_direction():
    latent = uniform(50, 0.0, 1.0)
    ends = torch.full((2, 1, 50), 0.5)
    ends[0, 0, :25] += 0.2
    ends[1, 0, 25:] -= 0.2
    sphere = latent_paths(latent, ends, 7, spherical=True)[0]
    assert torch.allclose((sphere - 0.5).norm(dim=1), torch.tensor(0.2 * 5.0), atol=1e-5)
    line = latent_paths(latent, ends, 7, spherical=False)[0]
    assert torch.allclose(line[3], ends.mean(dim=0)[0])
    for path in (sphere, line):
        assert torch.allclose(path[[0, -1]], ends[:, 0], atol=1e-6)


def test_one_hot_codes_move_on_a_line():
    ends = torch.tensor([[[1.0, 0, 1, 0, 0]], [[0.0, 1, 0, 0, 1]]])
    middle = latent_paths(normal(2) + categorical(3), ends, 3, spherical=True)[0, 1]
    assert torch.allclose(middle, torch.tensor([math.sqrt(0.5), math.sqrt(0.5), 0.5, 0, 0.5]))


def test_study_of_a_linear_generator(make_trained, make_dataset, pixel_extractor):
    images = torch.randint(256, (200, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    trained = make_trained(
        Linear(0.2), latent=normal(64), dataset=make_dataset(images, images), extractor=pixel_extractor()
    )
    result = walk([trained], pairs=40, steps=6)
    found = result.summary.query("measure == 'path_length'").set_index("condition")["mean"]
    assert found["linear"] == pytest.approx(found["random pairs"], rel=0.01)
    assert found["spherical"] > found["linear"] * 1.1
    # Pixels are uniform on 0..255 in the data, and of deviation 0.2 * 127.5 in the samples.
    assert found["random pairs"] == pytest.approx((0.2 * 127.5) ** 2 / (256**2 / 12), rel=0.15)
    assert result.record.values == walk([trained], pairs=40, steps=6).record.values
    assert len(result.images) == 4


def test_conditional_walks_stay_in_a_class(make_trained, make_dataset, pixel_extractor):
    class OfLabel(nn.Module):
        def forward(self, latent, labels):
            return (labels / 10).view(-1, 1, 1, 1).expand(-1, 1, 8, 8) + 0 * latent.sum()

    images = torch.randint(256, (200, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    trained = make_trained(
        OfLabel(), settings={"conditioning": "both"}, dataset=make_dataset(images, images), extractor=pixel_extractor()
    )
    found = walk([trained], pairs=20, steps=3).summary.query("measure == 'path_length'")
    assert (found["mean"] == 0).all()


def test_points_and_wrong_options_are_refused(make_trained):
    points = make_trained(nn.Linear(4, 2), shape=(2,))
    with pytest.raises(NotApplicable, match="points"):
        walk([points])
    images = make_trained(Linear(1.0), latent=normal(64))
    with pytest.raises(GanZooError, match="steps"):
        walk([images], steps=0)
