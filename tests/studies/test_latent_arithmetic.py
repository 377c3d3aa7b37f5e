"""The study of arithmetic: planted classes and brightness, whose results are known."""

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.latent import normal
from gan_zoo.studies import arithmetic
from gan_zoo.studies.trained import NotApplicable

CLASSES = 3


class Planted(nn.Module):
    """The largest of the first three latent values is the class, whose row of the image is lit; the fourth the light.

    With labels the class is the label.
    """

    def forward(self, latent, labels=None):
        label = latent[:, :CLASSES].argmax(dim=1) if labels is None else labels
        images = torch.full((len(latent), 1, 8, 8), -1.0)
        images[torch.arange(len(latent)), 0, label] = (latent[:, 3] / 4).clamp(-0.9, 0.9)[:, None].expand(-1, 8)
        return images


def _head():
    """Class of the brightest row of 8x8 pixels."""
    head = torch.zeros(64, CLASSES)
    for label in range(CLASSES):
        head[label * 8 : label * 8 + 8, label] = 1.0
    return head


@pytest.fixture
def planted(make_trained, make_dataset, pixel_extractor):
    def make(generator=None, **settings):
        images = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)
        return make_trained(
            generator or Planted(),
            latent=normal(4),
            classes=CLASSES,
            dataset=make_dataset(images, images, classes=CLASSES),
            extractor=pixel_extractor(_head()),
            settings=settings,
        )

    return make


def _means(result, measure):
    return result.summary.query("measure == @measure").set_index("condition")["mean"]


def test_planted_concepts_are_found_with_many_exemplars(planted):
    # Means of many exemplars have no noise left: the class is C's, and the light that of bright A - dim A + dim C.
    result = arithmetic([planted()], exemplars=200, triples=100, num_samples=3_000)
    assert _means(result, "classified")["analogies"] > 0.95
    assert _means(result, "bright")["analogies"] > 0.95
    assert _means(result, "as_expected")["analogies"] > 0.95
    assert _means(result, "classified")["random triples"] < 0.6
    assert len(result.images) == 2


def test_random_triples_are_at_chance(planted):
    result = arithmetic([planted()], triples=1_000, num_samples=3_000)
    assert _means(result, "classified")["random triples"] == pytest.approx(1 / 3, abs=0.06)
    assert _means(result, "bright")["random triples"] == pytest.approx(0.5, abs=0.06)
    assert _means(result, "as_expected")["random triples"] == pytest.approx(1 / 6, abs=0.05)
    assert _means(result, "bright")["A and B of two classes"] == pytest.approx(0.5, abs=0.06)


def test_exchange_of_classes_keeps_the_light(planted):
    result = arithmetic([planted()], triples=500, num_samples=3_000)
    kept = _means(result, "brightness_kept")
    # The light is a latent value of its own, equally distributed in each class.
    assert kept["means of the classes"] > 0.95
    assert abs(kept["shuffled"]) < 0.15
    moved = _means(result, "exchanged")
    assert moved["means of the classes"] > moved["means of random classes"] + 0.3


def test_label_is_the_class_of_a_conditional_generator(planted):
    result = arithmetic([planted(conditioning="both")], triples=300, num_samples=2_000)
    for condition in ("analogies", "random triples"):
        assert _means(result, "classified")[condition] > 0.99
    assert _means(result, "bright")["analogies"] > _means(result, "bright")["random triples"] + 0.2
    assert _means(result, "exchanged")["label of the class"] > 0.99
    assert _means(result, "exchanged")["label of a random class"] == pytest.approx(1 / 3, abs=0.1)


def test_chosen_classes(planted):
    result = arithmetic([planted()], classes="2, 0", exemplars=100, triples=100, num_samples=2_000)
    assert _means(result, "classified")["analogies"] > 0.9
    assert result.record.settings["classes"] == "2, 0"


def test_collapse_to_one_class_is_not_applicable(planted):
    class One(Planted):
        def forward(self, latent, labels=None):
            return super().forward(latent, torch.ones(len(latent), dtype=torch.int64))

    with pytest.raises(NotApplicable, match="two classes"):
        arithmetic([planted(One())], num_samples=500)


def test_class_without_samples_is_noted(planted):
    class Two(Planted):
        def forward(self, latent, labels=None):
            return super().forward(latent, (latent[:, 0] > 0).long())

    result = arithmetic([planted(Two())], triples=20, num_samples=500)
    assert len(result.record.notes) == 1
    assert set(_means(result, "classified").index) == {"analogies", "random triples"}
    with pytest.raises(NotApplicable, match="class '2'"):
        arithmetic([planted(Two())], classes="0,2", num_samples=500)


@pytest.mark.parametrize("classes", ["0", "1,1", "0,7", "0,1,2"])
def test_wrong_classes_are_refused(planted, classes):
    with pytest.raises(GanZooError, match="class"):
        arithmetic([planted()], classes=classes, num_samples=500)


def test_extractor_without_classes_and_points_are_not_applicable(make_trained, make_dataset, pixel_extractor):
    images = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)
    unlabeled = make_trained(Planted(), dataset=make_dataset(images, images), extractor=pixel_extractor())
    with pytest.raises(NotApplicable, match="classifier"):
        arithmetic([unlabeled], num_samples=500)
    with pytest.raises(NotApplicable, match="points"):
        arithmetic([make_trained(nn.Linear(4, 2), shape=(2,))])
