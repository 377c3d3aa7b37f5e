"""Variants of points that train in a moment: one that is the truth, one that has collapsed, one that gives no D*."""

import dataclasses

import torch
from torch import nn

from gan_zoo import data
from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy, least_squares
from gan_zoo.registry import register
from gan_zoo.variant import Variant

RING = data.load("ring8").density


class Ring(nn.Module):
    """The mixture itself, its first modes alone: one latent value chooses the mode, two are the deviation."""

    def __init__(self, modes):
        super().__init__()
        self.modes = modes
        self.register_buffer("means", torch.from_numpy(RING.means).float())
        self.scale = nn.Parameter(torch.tensor(RING.deviation))

    def forward(self, latent):
        chosen = (torch.special.ndtr(latent[:, 0]) * self.modes).long().clamp(max=self.modes - 1)
        # A parameter must train: its gradient is nothing.
        return self.means[chosen] + latent[:, 1:] * (self.scale.detach() + 0 * self.scale)


def of_points(modes, objective):
    return Variant(
        title="Points",
        paper="none",
        networks=lambda spec: (Ring(modes), nn.Sequential(nn.Linear(2 * spec.packing, 1), nn.Flatten(0))),
        objective=objective,
        latent=normal(3),
        batch_size=64,
    )


@register("true_ring")
def true_ring():
    return of_points(8, cross_entropy())


@register("one_mode")
def one_mode():
    return of_points(1, least_squares(probability=False))


@register("packed_ring")
def packed_ring():
    return dataclasses.replace(of_points(8, cross_entropy()), packing=2)
