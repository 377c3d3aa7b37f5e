import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, leaky_relu

import gan_zoo
from gan_zoo.networks.blocks import LabelConcat
from gan_zoo.studies.activations import probe
from gan_zoo.studies.trained import NotApplicable, find_trained


def noise(count, channels=1, side=8, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, side), generator=random).to(torch.uint8)


@pytest.fixture
def dataset(make_dataset):
    return make_dataset(noise(300), noise(40, seed=1))


class Conditional(nn.Module):
    """A hidden layer of a sample and the embedding of its label."""

    def __init__(self):
        super().__init__()
        self.label = LabelConcat(10, 64)
        self.hidden = nn.Sequential(nn.Linear(74, 3), nn.ReLU())

    def forward(self, samples, labels):
        return self.hidden(self.label(samples, labels)).sum(dim=1)


def test_activations_are_those_of_maps_after_norms_with_the_statistics_of_real_images(make_trained, dataset):
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(4, 2, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(8, 5),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(5, 1),
    )
    trained = make_trained(nn.Identity(), network, dataset=dataset)
    images = dataset.test.take(torch.arange(40))[0]
    found = probe(trained, trained.discriminator).activations(images)

    real = conv2d(dataset.train.take(torch.arange(300))[0], network[0].weight, stride=2, padding=1)
    mean, variance = (each.view(1, 4, 1, 1) for each in (real.mean((0, 2, 3)), real.var((0, 2, 3))))
    first = leaky_relu((conv2d(images, network[0].weight, stride=2, padding=1) - mean) / (variance + 1e-5).sqrt(), 0.2)
    second = conv2d(first, network[3].weight, network[3].bias).tanh()
    assert list(found) == ["2", "4"]  # not the dense layer after them
    torch.testing.assert_close(found["2"], first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["4"], second, rtol=1e-4, atol=1e-5)


def test_the_discriminator_itself_is_not_changed(make_trained, dataset):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Flatten())
    trained = make_trained(nn.Identity(), network, dataset=dataset)
    probe(trained, network).activations(dataset.test.take(torch.arange(4))[0])
    assert network[2].inplace
    assert network[1].running_mean.eq(0).all()
    assert not any(module._forward_hooks for module in network.modules())


def test_an_mlp_has_the_units_of_all_hidden_layers(make_trained, dataset):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1))
    trained = make_trained(nn.Identity(), network, dataset=dataset)
    found = probe(trained, network).activations(dataset.test.take(torch.arange(7))[0])
    assert [tuple(each.shape) for each in found.values()] == [(7, 5), (7, 3)]


def test_a_conditional_discriminator_sees_the_mean_embedding_of_all_classes(make_trained, dataset):
    network = Conditional()
    trained = make_trained(nn.Identity(), network, dataset=dataset, settings={"conditioning": "both"})
    images = dataset.test.take(torch.arange(7))[0]
    (found,) = probe(trained, network).activations(images).values()
    mean = network.label.embedding.weight.mean(dim=0).expand(7, -1)
    torch.testing.assert_close(found, network.hidden(torch.cat([images.flatten(1), mean], dim=1)))


def test_a_pack_is_an_image_repeated(make_trained, dataset):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten())
    trained = make_trained(nn.Identity(), network, dataset=dataset, settings={"packing": 3})
    images = dataset.test.take(torch.arange(7))[0]
    (found,) = probe(trained, network).activations(images).values()
    expected = conv2d(images, network[0].weight.sum(dim=1, keepdim=True), network[0].bias).relu()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_autoencoder_has_the_maps_of_its_encoder():
    (trained,) = find_trained(gan_zoo.train(gan_zoo.get("began", batch_size=16), "digits", steps=1))
    names = probe(trained, trained.discriminator).layers
    assert names
    assert all(name.startswith("encoder.") for name in names)


def test_points_and_linear_discriminators_have_no_activations(make_trained, dataset):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    with pytest.raises(NotApplicable, match="nonlinearity"):
        probe(make_trained(nn.Identity(), linear, dataset=dataset), linear)
    with pytest.raises(NotApplicable, match="points"):
        probe(make_trained(nn.Identity(), linear, shape=(2,)), linear)


def test_untrained_networks_are_those_that_the_run_began_with():
    # Adam at its rate of 0.0002 moves a weight by at most that in its first step.
    run = gan_zoo.train(gan_zoo.get("dcgan28", batch_size=16), "digits", steps=1, seed=3)
    (trained,) = find_trained(run)
    begun = trained.untrained()
    for network, first in zip((run.state.networks.generator, trained.discriminator), begun, strict=True):
        for weights, others in zip(network.parameters(), first.parameters(), strict=True):
            torch.testing.assert_close(weights, others, rtol=0, atol=2.1e-4)
