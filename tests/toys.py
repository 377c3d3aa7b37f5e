"""Variants that train in a moment: two that draw real digits, and one for each way to fail."""

from functools import cache

import torch
from torch import nn

from gan_zoo import data
from gan_zoo.latent import normal
from gan_zoo.losses import Objective, Result, cross_entropy
from gan_zoo.registry import register
from gan_zoo.variant import Variant


@cache
def digits():
    return data.load("digits").train.take(torch.arange(200))[0]


class ByHeart(nn.Module):
    def __init__(self, known):
        super().__init__()
        self.known = known
        self.register_buffer("images", digits())
        self.contrast = nn.Parameter(torch.full((32, 32), 3.0))

    def forward(self, latent):
        return self.images[(latent[:, 0].abs() * 1e4).long() % self.known] * self.contrast.sigmoid()


def toy(objective, known=200):
    return Variant(
        title="Toy",
        paper="none",
        networks=lambda _spec: (ByHeart(known), nn.Sequential(nn.Flatten(), nn.Linear(1024, 1), nn.Flatten(0))),
        objective=objective,
        latent=normal(4),
        batch_size=32,
    )


def failing(fail):
    """A game in which ``fail`` changes the discriminator's loss from its third step on."""

    def loss(step, state):
        score = step.on_real.score.mean()
        return Result({"real": fail(score) if state["calls"] >= 2 else score}, state={"calls": state["calls"] + 1})

    def generator(step, _state):
        return Result({"adversarial": step.on_fake.score.mean()})

    return Objective(title="failing", discriminator=loss, generator=generator, probability=False, state={"calls": 0.0})


def not_finite(value):
    return value * float("nan")


def broken(_value):
    raise RuntimeError("a planned\nfailure")


@register("by_heart")
def by_heart():
    return toy(cross_entropy())


@register("sibling")
def sibling():
    return toy(cross_entropy())


@register("collapses")
def collapses():
    return toy(cross_entropy(), known=1)


@register("raises")
def raises():
    return toy(failing(broken))


@register("diverges")
def diverges():
    return toy(failing(not_finite))
