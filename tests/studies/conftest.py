"""Trained GANs made by hand, whose study has a known answer."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from gan_zoo.data import Dataset, Split
from gan_zoo.engine import Sampler
from gan_zoo.latent import normal
from gan_zoo.metrics.features import Extractor
from gan_zoo.options import DataOptions
from gan_zoo.registry import get
from gan_zoo.studies.trained import Trained

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class HandMade(Trained):
    """A `Trained` with this data set and extractor, if they are given."""

    dataset: Dataset | None = None
    extractor: Extractor | None = None

    def load_data(self, name=None, side=None):
        return self.dataset if self.dataset and not name else super().load_data(name, side)

    def load_extractor(self):
        return self.extractor or super().load_extractor()


@dataclass(frozen=True, kw_only=True)
class PixelExtractor(Extractor):
    """Features are the pixels over 255, logits are linear in them: ``head`` (pixels, classes)."""

    head: torch.Tensor | None = None

    def forward(self, images):
        pixels = images.flatten(1).float() / 255
        return pixels, None if self.head is None else pixels @ self.head


@pytest.fixture
def pixel_extractor():
    """Makes an extractor whose features are pixels: ``pixel_extractor(head)``."""

    def make(head=None):
        return PixelExtractor(name="pixels", digest="0" * 64, metrics=(), minimum_n=6, device=CPU, head=head)

    return make


@pytest.fixture
def make_dataset():
    """Makes a data set of uint8 images (N, C, H, W) and labels (N,) of each split."""

    def make(train, test, train_labels=None, test_labels=None, classes=10, **facts):
        splits = [
            Split(images, torch.zeros(len(images), dtype=torch.int64) if labels is None else labels)
            for images, labels in ((train, train_labels), (test, test_labels))
        ]
        names = tuple(map(str, range(classes)))
        fingerprint = facts.pop("fingerprint", None)
        return Dataset("made", "Made", *splits, classes, names, "digits-cnn", fingerprint, **facts)

    return make


@pytest.fixture
def make_trained():
    """Wraps networks made by hand, in evaluation mode.

    ``make_trained(generator, shape=(1, 8, 8), latent=normal(4))``; facts are attributes of `HandMade`, among them
    ``dataset`` and ``extractor``; ``settings`` replace attributes of the variant ``gan``.
    """

    def make(generator, discriminator=None, *, shape=(1, 8, 8), latent=None, classes=10, settings=None, **facts):
        variant = replace(get("gan"), latent=latent or normal(4), image_side=shape[-1], **(settings or {}))
        if not list(generator.parameters()):
            # The sampler takes the device from the parameters.
            generator.register_parameter("unused", nn.Parameter(torch.zeros(1)))
        networks = [each.eval().requires_grad_(False) for each in (generator, discriminator or nn.Identity())]
        default = {"name": "gan", "seed": 0, "data_name": "digits", "data_options": DataOptions()}
        return HandMade(
            **{**default, "precision": "fp32", "device": CPU, **facts},
            sampler=Sampler(variant, networks[0], classes),
            discriminator=networks[1],
            shape=shape,
        )

    return make
