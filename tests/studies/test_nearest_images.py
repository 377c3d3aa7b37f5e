"""The study of memorization: a generator of training images, one of unseen ones, and one of noise."""

import pytest
import torch
from torch import nn

from gan_zoo.studies import memorization
from gan_zoo.studies.trained import NotApplicable


class Album(nn.Module):
    """Images (N, 1, 8, 8), chosen by the latent, as samples in [-1, 1]."""

    def __init__(self, images):
        super().__init__()
        self.images = images.float() / 127.5 - 1

    def forward(self, latent, labels=None):
        place = (latent[:, 0].abs() * 1e5).long() % len(self.images)
        return self.images[place]


def _images(count, seed):
    """Random images of one distribution: smooth, so that some are near to each other."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 2, 2, generator=random)
    return (nn.functional.interpolate(coarse, size=8, mode="bilinear") * 255).to(torch.uint8)


@pytest.fixture
def album(make_trained, make_dataset, pixel_extractor):
    """Makes a trained generator of these images; the data set of all such generators."""
    data = make_dataset(_images(400, 0), _images(400, 1))

    def make(images):
        return make_trained(Album(images), dataset=data, extractor=pixel_extractor())

    return make, data


def _values(trained):
    """Values by measure and condition; nothing is drawn."""
    return {
        (measure, condition): value
        for measure, condition, value in memorization.function(trained, num_samples=200).values
    }


def test_copies_of_training_images(album):
    make, data = album
    means = _values(make(data.train.images))
    for space in ("features", "pixels"):
        assert means[f"memorization_{space}", "samples"] > 0.99
        assert means[f"suspicious_{space}", "samples"] == 1
        assert means[f"memorization_{space}", "held-out images"] == pytest.approx(0.5, abs=0.08)
        assert means[f"suspicious_{space}", "held-out images"] == pytest.approx(0.05, abs=0.06)
    # The extractor's features are the pixels.
    assert means["memorization_features", "samples"] == means["memorization_pixels", "samples"]


def test_unseen_images_of_the_same_distribution(album):
    make, _data = album
    means = _values(make(_images(1_000, 2)))
    assert means["memorization_pixels", "samples"] == pytest.approx(0.5, abs=0.08)
    assert means["suspicious_pixels", "samples"] == pytest.approx(0.05, abs=0.06)


def test_noise_is_far_from_all_images(album):
    make, _data = album
    means = _values(make(torch.randint(256, (300, 1, 8, 8), generator=torch.Generator().manual_seed(3))))
    assert means["memorization_pixels", "samples"] < 0.05
    assert means["suspicious_pixels", "samples"] < 0.02


def test_a_few_copies_among_noise_are_suspicious(album):
    make, data = album
    noise = torch.randint(256, (90, 1, 8, 8), generator=torch.Generator().manual_seed(3))
    means = _values(make(torch.cat([noise, data.train.images[:10]])))
    # A tenth of the samples: too few for a memorization of 0.5.
    assert means["memorization_pixels", "samples"] < 0.2
    assert means["suspicious_pixels", "samples"] == pytest.approx(0.1, abs=0.06)


def test_small_test_split_reduces_num_samples(make_trained, make_dataset, pixel_extractor):
    data = make_dataset(_images(100, 0), _images(40, 1))
    trained = make_trained(Album(_images(100, 2)), dataset=data, extractor=pixel_extractor())
    result = memorization([trained], num_samples=50)
    assert "20" in result.record.notes[0]
    assert len(result.images) == 2


def test_extractor_that_encodes_no_training_images_leaves_pixels(make_trained, make_dataset, pixel_extractor):
    data = make_dataset(_images(100, 0), _images(40, 1))
    extractor = pixel_extractor(metrics=())
    result = memorization([make_trained(Album(_images(100, 2)), dataset=data, extractor=extractor)], num_samples=20)
    assert {value.measure for value in result.record.values} == {"memorization_pixels", "suspicious_pixels"}
    assert len(result.record.notes) == 1


def test_not_applicable_without_held_out_images_or_to_points(make_trained, make_dataset):
    data = make_dataset(_images(50, 0), _images(50, 0), reference="whole set")
    with pytest.raises(NotApplicable, match="held-out"):
        memorization([make_trained(Album(_images(50, 0)), dataset=data)])
    with pytest.raises(NotApplicable, match="points"):
        memorization([make_trained(nn.Linear(4, 2), shape=(2,))])
