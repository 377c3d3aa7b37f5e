"""The three losses of the claim: the generator's derivative by the score, by autograd and in closed form.

Scores of different losses are compared by their margin, the distance to the boundary between real and fake: a logit's
boundary lies at 0, a raw score's halfway between its targets 0 and 1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from gan_zoo import registry
from gan_zoo.losses import DiscriminatorOutput, Objective, Step

VARIANTS = ("cgan", "lsgan", "lsgan_linear")
TITLES = {
    "cgan": "cross-entropy",
    "lsgan": "least squares on the sigmoid",
    "lsgan_linear": "least squares on the raw score",
}
FORMULAS = {"cgan": "sigmoid(-s)", "lsgan": "2 (1 - p)^2 p, p = sigmoid(s)", "lsgan_linear": "2 |s - 1|"}
Array = np.ndarray[Any, np.dtype[np.float64]]


def objective_of(name: str) -> Objective:
    """The objective that the variant is trained with."""
    return registry.get(name).objective


def boundary(objective: Objective) -> float:
    """The score that is taken neither for real nor for fake."""
    return 0.0 if objective.probability else 0.5


def derivatives(objective: Objective, scores: Tensor) -> Tensor:
    """dl/ds of the generator's loss by each fake's score (B,), without the mean's 1/B: float64 (B,), by autograd."""
    asked = scores.detach().double().requires_grad_()

    def discriminator(_samples: Tensor, _labels: Tensor | None) -> DiscriminatorOutput:
        return DiscriminatorOutput(asked)

    random = torch.Generator(asked.device)
    step = Step(
        discriminator=discriminator, real=asked, fake=asked, labels=None, fake_labels=None, latent={}, random=random
    )
    loss = torch.stack(list(objective.generator(step, {}).terms.values())).sum()
    return torch.autograd.grad(loss, asked)[0] * len(asked)


def _sigmoid(scores: Array) -> Array:
    return 0.5 * (1 + np.tanh(scores / 2))


def _cross_entropy(scores: Array) -> Array:
    """-log sigmoid(s) has the derivative -sigmoid(-s)."""
    return np.exp(-np.logaddexp(0, scores))


def _least_squares_sigmoid(scores: Array) -> Array:
    """(p - 1)^2 with p = sigmoid(s) has the derivative 2 (p - 1) dp/ds, where dp/ds = p (1 - p)."""
    return 2 * _cross_entropy(scores) ** 2 * _sigmoid(scores)


def _least_squares_raw(scores: Array) -> Array:
    """(s - 1)^2 has the derivative 2 (s - 1): it changes its sign at the target, and pulls back from beyond it."""
    return 2 * np.abs(scores - 1)


CLOSED_FORMS: dict[str, Callable[[Array], Array]] = {
    "cgan": _cross_entropy,
    "lsgan": _least_squares_sigmoid,
    "lsgan_linear": _least_squares_raw,
}
"""|dl/ds| of one fake's loss as a function of its score."""


def crossing() -> float:
    """The margin beyond which least squares on the raw score pulls harder than cross-entropy, by |dl/ds|: 0.67."""

    def ahead(margin: float) -> float:
        raw, entropy = (
            CLOSED_FORMS[name](np.array(margin + at)) for name, at in (("lsgan_linear", 0.5), ("cgan", 0.0))
        )
        return float(raw - entropy)

    # It pulls not at all at its target, a margin of 1/2.
    return float(brentq(ahead, 0.5, 2.0))
