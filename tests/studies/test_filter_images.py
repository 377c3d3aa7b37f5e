import io
import math

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cosine_similarity

import gan_zoo
from gan_zoo.errors import GanZooError
from gan_zoo.studies.activations import Probe
from gan_zoo.studies.filter_images import filters, first_weights, guided_gradients, maximize, selectivity, smoothness


def random_tensor(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_smoothness_of_known_filters():
    signs = (-1.0) ** (torch.arange(6).view(6, 1) + torch.arange(6))
    assert smoothness(torch.full((2, 3, 5, 5), -0.3)) == pytest.approx(1)
    assert smoothness(signs.expand(4, 1, 6, 6)) == pytest.approx(-1)
    assert smoothness(random_tensor(500, 1, 5, 5)) == pytest.approx(0, abs=4 / math.sqrt(500 * 40))
    assert math.isnan(smoothness(random_tensor(3, 1, 1, 1)))


def test_selectivity_of_known_responses():
    labels = torch.arange(1_000) % 10
    planted = labels.float().unsqueeze(1)
    unrelated = random_tensor(1_000, 200)
    assert selectivity(planted, labels) == pytest.approx(1)
    assert selectivity(torch.full((1_000, 1), 0.1), labels) == 0
    assert selectivity(unrelated, labels) == pytest.approx(9 / 999, abs=0.002)
    # Signal and noise of equal variance: half of it is between the classes.
    assert selectivity(planted / planted.std() + unrelated[:, :1], labels) == pytest.approx(0.5, abs=0.05)


def test_first_weights_are_those_on_the_image_alone():
    weights = random_tensor(5, 3, 4, 4)
    conv = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 4), nn.ReLU(), nn.Conv2d(5, 2, 1))
    linear = nn.Linear(26, 2)
    with torch.no_grad():
        conv[1].weight.copy_(weights)
    # A grey image and two channels of labels; 16 pixels and 10 values of labels.
    assert torch.equal(first_weights(Probe(conv, (), 1, True), (1, 4, 4)), weights[:, :1])
    expected = linear.weight[:, :16].view(2, 1, 4, 4)
    assert torch.equal(first_weights(Probe(linear, (), 1, True), (1, 4, 4)), expected)


def test_guided_backpropagation_equals_its_formula():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        for layer, seed in ((network[1], 1), (network[3], 3)):
            layer.weight.copy_(random_tensor(*layer.weight.shape, seed=seed))
            layer.bias.fill_(3)
    images = random_tensor(20, 1, 4, 4)
    maps = torch.arange(20) % 4
    found = guided_gradients(Probe(network, ("2", "4"), 1, False), images, maps)

    before_first = images.flatten(1) @ network[1].weight.T + network[1].bias
    before_second = before_first.relu() @ network[3].weight.T + network[3].bias
    top = torch.zeros(20, 4).scatter(1, maps.unsqueeze(1), 1.0) * (before_second > 0)
    middle = (top @ network[3].weight).clamp(min=0) * (before_first > 0)
    torch.testing.assert_close(found.flatten(1), (middle @ network[1].weight).detach())
    assert found.flatten(1).any(dim=1).sum() >= 10


def test_guided_backpropagation_finds_where_a_map_responds():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.ReLU())
    template = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])
    with torch.no_grad():
        network[0].weight.copy_(template)
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 5:8, 1:4] = template
    found = guided_gradients(Probe(network, ("1",), 1, False), images, torch.tensor([0]))
    assert torch.equal(found, images)


def test_the_image_of_a_linear_detector_is_its_template():
    template = random_tensor(2, 64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU())
    with torch.no_grad():
        network[1].weight.copy_(template)
        network[1].bias.fill_(1_000)  # never cut off
    detector = Probe(network, ("2",), 1, False)
    images = maximize(detector, 2, (1, 8, 8), steps=100, seed=0, jitter=0, blur=0)
    assert cosine_similarity(images.flatten(1), template).min() > 0.97  # pixels are cut at 1
    smooth = maximize(detector, 2, (1, 8, 8), steps=100, seed=0, jitter=0)
    assert smoothness(smooth) > smoothness(images) + 0.1


@pytest.mark.parametrize("variant", ["cgan", "dcgan28"])
def test_a_trained_run(variant):
    run = gan_zoo.train(gan_zoo.get(variant, batch_size=16), "digits", steps=2)
    result = filters(run, maps=3, images=100, steps=5)
    found = {(row.measure, row.condition): row.value for row in result.table.itertuples()}
    assert next(iter(found)) == ("smoothness", "trained")
    assert 0 <= found["selectivity", "trained, shuffled labels"] < found["selectivity", "trained"] <= 1
    # After two steps the filters are still the random ones of the start.
    assert found["smoothness", "trained"] == pytest.approx(found["smoothness", "untrained"], abs=0.01)
    sizes = [Image.open(io.BytesIO(content)).size for content in result.images.values()]
    side = run.state.data.shape[1]
    assert sizes[1] == (2 * (7 * (side + 1) + 1) + 12, 3 * (side + 1) + 1)
    assert all(len(content) < 300_000 for content in result.images.values())
    assert all(len(picture.caption.split()) <= 25 for picture in result.record.pictures)
    assert filters(run, maps=3, images=100, steps=5).images == result.images


def test_an_option_must_be_positive(make_trained):
    for option in ("maps", "images", "steps"):
        with pytest.raises(GanZooError, match=option):
            filters.function(make_trained(nn.Identity()), **{option: 0})
