from collections import Counter
from itertools import chain

import pytest
import torch

from benchmarks.speed import baseline_loop
from gan_zoo import data, registry


@pytest.mark.parametrize("name", baseline_loop.VARIANTS)
def test_its_networks_are_the_variants(name):
    ours, theirs = registry.get(name).build((1, 32, 32), 10), baseline_loop.networks(name)
    for mine, other in zip(ours, theirs, strict=True):
        assert Counter(p.shape for p in mine.parameters()) == Counter(p.shape for p in other.parameters())


@pytest.mark.parametrize("name", baseline_loop.VARIANTS)
def test_it_trains_both_networks_on_every_batch(name):
    torch.manual_seed(0)
    training = baseline_loop.Training(name, torch.device("cpu"))
    before = [p.clone() for p in chain(training.generator.parameters(), training.discriminator.parameters())]
    batches = [(torch.rand(4, 1, 32, 32) * 2 - 1, torch.arange(4)), (torch.rand(2, 1, 32, 32), torch.arange(2))]
    assert list(training.epoch(batches)) == [4, 2]
    after = chain(training.generator.parameters(), training.discriminator.parameters())
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert all(isinstance(loss, float) and loss == loss for loss in training.losses)


def test_an_epoch_in_memory_has_every_image_once():
    images = torch.arange(1030.0).view(-1, 1, 1, 1)
    batches = list(baseline_loop.InMemory(images, torch.arange(1030)))
    assert [len(labels) for _, labels in batches] == [512, 512, 6]
    assert torch.cat([labels for _, labels in batches]).sort().values.tolist() == list(range(1030))
    assert all(torch.equal(one.flatten().long(), labels) for one, labels in batches)


def test_its_data_are_the_engines():
    data.load("mnist")
    theirs = baseline_loop.loader(data.default_root(), 0).dataset
    ours, labels = data.load("mnist").train.take(torch.arange(20))
    torch.testing.assert_close(torch.stack([theirs[i][0] for i in range(20)]), ours, atol=1e-6, rtol=0)
    assert [theirs[i][1] for i in range(20)] == labels.tolist()
