import pytest
import torch

from gan_zoo.losses import DiscriminatorOutput, Step


@pytest.fixture
def make_step():
    """Makes a step whose samples are their own scores, with further outputs for every batch by name."""

    def make(real, fake, discriminator=None, extra=None, **settings):
        def identity(samples, _labels):
            return DiscriminatorOutput(samples.flatten(), extra or {})

        random = torch.Generator().manual_seed(0)
        given = {"labels": None, "fake_labels": None, "latent": {}, "random": random, **settings}
        return Step(discriminator=discriminator or identity, real=real, fake=fake, **given)

    return make
