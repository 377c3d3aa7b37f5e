"""With a generator that stands still, a discriminator trained to the end is D* = p_data / (p_data + p_g)."""

import numpy as np
import torch
from scipy import stats
from torch import nn

from gan_zoo import data
from gan_zoo.engine import advance, init
from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy
from gan_zoo.optimizer import Optimizer
from gan_zoo.variant import Variant

MEAN, DEVIATION = 0.05, 0.4


class Still(nn.Module):
    """Points of N(0.05, 0.4^2), whatever it is taught: its one parameter has no say."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Parameter(torch.zeros(()))

    def forward(self, latent):
        return MEAN + DEVIATION * latent + 0 * self.idle


def test_cross_entropy_reaches_the_closed_form():
    mixture = data.load("mixture1d")
    variant = Variant(
        title="Still",
        paper="none",
        networks=lambda _spec: (
            Still(),
            nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1), nn.Flatten(0)),
        ),
        objective=cross_entropy(),
        latent=normal(1),
        batch_size=500,
        discriminator_optimizer=Optimizer("Adam", {"lr": 5e-3}),
    )
    state = init(variant, mixture, seed=0)
    advance(state, 450)
    for group in state.optimizers.discriminator.param_groups:
        group["lr"] = 5e-4
    advance(state, 200)
    at = mixture.density.centers
    real, fake = mixture.density.density(at), stats.norm(MEAN, DEVIATION).pdf(at[:, 0])
    with torch.no_grad():
        learned = state.networks.discriminator(torch.from_numpy(at).float()).sigmoid().numpy()
    # The mean difference where points are, real and fake alike; a D that knows nothing would be 0.3 off.
    gap = np.average(np.abs(learned - real / (real + fake)), weights=real + fake)
    blind = np.average(np.abs(0.5 - real / (real + fake)), weights=real + fake)
    assert gap < 0.03
    assert blind > 0.25
