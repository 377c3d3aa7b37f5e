"""Feature-map dropout of generators whose maps are planted."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from gan_zoo import train
from gan_zoo.engine import Sampler
from gan_zoo.errors import GanZooError
from gan_zoo.registry import get
from gan_zoo.studies import dropout
from gan_zoo.studies.feature_dropout import Ablation, Generated, Thing, find_maps, stays
from gan_zoo.studies.trained import NotApplicable, find_trained


@pytest.fixture(scope="module")
def base():
    return find_trained(train("gan", "digits", steps=1, device="cpu"))[0]


def with_generator(base, generator):
    sampler = Sampler(base.variant, generator.eval().requires_grad_(False), base.classes)
    return dataclasses.replace(base, sampler=sampler)


class DigitPerUnit(nn.Module):
    """Hidden unit k draws a real digit k, and ten more units draw nothing; a latent chooses the digit."""

    def __init__(self, base):
        super().__init__()
        test = base.load_data().test
        predicted = base.load_extractor().encode(test.images).predicted
        right = [int((test.labels.eq(digit) & predicted.eq(digit)).nonzero()[0]) for digit in range(10)]
        self.image = nn.Linear(20, 1024)
        with torch.no_grad():
            self.image.weight[:, :10] = test.images[right].flatten(1).T / 127.5
            self.image.weight[:, 10:] = 0
            self.image.bias.fill_(-1)

    def forward(self, latent):
        chosen = nn.functional.one_hot((latent[:, 0] * 10).long(), 10).float()
        return self.image(torch.cat([chosen, latent[:, 1:11]], dim=1)).unflatten(1, (1, 32, 32))


class TopMap(nn.Module):
    """Of eight maps the fourth draws in the top half, all others in the bottom half."""

    def __init__(self):
        super().__init__()
        self.image = nn.ConvTranspose2d(8, 1, 2, stride=2)
        with torch.no_grad():
            self.image.weight.fill_(0.5)
            self.image.bias.fill_(-1)

    def forward(self, latent):
        values = latent[:, :96].unflatten(1, (6, 16))
        maps = torch.zeros(len(latent), 8, 16, 16)
        maps[:, 3, :8] = 4 * values[:, :1]
        for place in (0, 1, 2, 4, 5, 6, 7):
            maps[:, place, 8:] = values[:, place % 6, None]
        return self.image(maps)


@pytest.fixture(scope="module")
def planted(base):
    return with_generator(base, DigitPerUnit(base))


def values(result):
    return {(each.measure, each.condition): each.value for each in result.record.values}


def test_the_planted_unit_of_a_class_is_found_and_dropped(planted):
    ablation = Ablation(planted, planted.load_extractor())
    generated = ablation.generate(200, "find")
    assert generated.maps.shape == (200, 20)
    assert find_maps(Thing(label=3), generated, 0.05, np.random.default_rng(0)).tolist() == [3]
    found = values(dropout([planted], thing="3", share=0.05, num_samples=200, draws=20))
    assert found["thing", "found maps"] == 0
    assert found["rest", "found maps"] == 1
    assert found["selectivity", "found maps"] == 1
    # One of 20 units, ten of which draw nothing: nine in ten classes stay as they are nearly always.
    assert found["thing", "random maps"] >= 0.75
    assert found["selectivity", "random maps"] < 0.3


def test_every_class_in_turn(planted):
    result = dropout([planted], share=0.05, num_samples=200, draws=2)
    found = values(result)
    # Without its unit an image is blank, which the classifier takes for one of the classes.
    assert found["thing", "found maps"] <= 0.1
    assert found["rest", "found maps"] == 1
    assert list(result.images) == ["dropout/gan-seed0-pairs.png"]
    # Columns of ten classes and five rows of 32 pixels and gaps.
    assert result.show().size == (331, 166)


def test_the_planted_map_of_a_region_is_found_and_dropped(base):
    trained = with_generator(base, TopMap())
    for thing in ("top", "0,0,1,0.5"):
        result = dropout([trained], thing=thing, share=0.1, num_samples=50, draws=2)
        found = values(result)
        assert found["thing", "found maps"] == 0
        assert found["rest", "found maps"] == pytest.approx(1)
    assert result.show().size == (331, 100)
    ablation = Ablation(trained, None)
    assert find_maps(Thing(edges=(0, 0, 1, 0.5)), ablation.generate(50, "find"), 0.1, np.random.default_rng(0)) == [3]


def test_only_maps_of_positive_weight_are_dropped(base):
    trained = with_generator(base, TopMap())
    generated = Ablation(trained, None).generate(50, "find")
    assert find_maps(Thing(edges=(0, 0, 1, 0.5)), generated, 1.0, np.random.default_rng(0)).tolist() == [3]


def test_a_brighter_background_does_not_change_what_stays():
    images = torch.randint(0, 100, (4, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before = Generated((), images, torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64))
    top = Thing(edges=(0, 0, 1, 0.5))
    assert stays(top, before, images + 50, before.classes) == pytest.approx((1, 1))
    changed = images.clone()
    changed[:, :, :4] = 255 - changed[:, :, :4]
    assert stays(top, before, changed, before.classes) == pytest.approx((0, 1))


def test_the_generator_is_left_as_it_was(planted):
    before = planted.sampler(20)
    dropout([planted], thing="3", num_samples=100, draws=1)
    assert torch.equal(planted.sampler(20), before)


def test_the_layer_that_makes_the_image_is_the_last_that_is_called():
    trained = find_trained(train(get("dcgan", width=8, batch_size=16), "digits", steps=1, device="cpu"))[0]
    maps = Ablation(trained, None).generate(2, "find").maps
    assert maps.shape == (2, 8, 16, 16)
    assert (maps >= 0).all()


def test_bad_options_are_one_line(planted):
    for options in (
        {"thing": "elephant"},
        {"thing": "0,0,1"},
        {"thing": "0.5,0,0.5,1"},
        {"share": 0},
        {"share": "half"},
        {"draws": 0},
    ):
        with pytest.raises(GanZooError):
            dropout([planted], **options)


def test_points_have_no_answer(base):
    with pytest.raises(NotApplicable):
        dropout([dataclasses.replace(base, shape=(2,))])


def test_a_region_without_ink_has_no_answer(base):
    with pytest.raises(NotApplicable, match="ink"):
        dropout([with_generator(base, TopMap())], thing="0,0,1,1", num_samples=50)


def test_a_class_that_is_not_drawn_has_no_answer(base):
    class Blank(DigitPerUnit):
        def forward(self, latent):
            return super().forward(0 * latent)

    with pytest.raises(NotApplicable, match="fewer"):
        dropout([with_generator(base, Blank(base))], num_samples=50)
