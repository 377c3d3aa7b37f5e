from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.data import Dataset, Split
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import get
from gan_zoo.validation import random_data


@pytest.fixture
def tiny():
    """Makes a variant that trains in milliseconds: an MLP with one hidden layer a side, batches of 8."""

    def make(name="gan", **changes):
        networks = partial(mlp, generator=(8,), discriminator=(8,))
        return replace(get(name), **{"networks": networks, "batch_size": 8, **changes})

    return make


@pytest.fixture
def with_discriminator():
    """A variant with another discriminator, made from a spec, and a generator of one layer."""

    def generator(spec):
        return nn.Sequential(nn.Linear(spec.latent, 16 * spec.shape[0]), nn.Tanh(), nn.Unflatten(1, spec.shape))

    def change(variant, discriminator):
        return replace(variant, networks=lambda spec: (generator(spec), discriminator(spec)))

    return change


@pytest.fixture
def pixels():
    """Makes random images of 4x4."""
    return lambda n=40, channels=1: random_data(4, channels, n)


@pytest.fixture
def numbered():
    """Makes a set whose image k is all k, with the label k % classes: its pixels identify a sample."""

    def make(n, classes=10, labels=None):
        images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 4, 4).contiguous()
        split = Split(images, torch.arange(n) % classes if labels is None else torch.tensor(labels))
        names = tuple(map(str, range(classes)))
        return Dataset("numbered", "Numbered", split, split, classes, names, extractor="", fingerprint="")

    return make
