"""Adversarial losses: a pair of pure functions each, one for each player.

A loss gets a step (what the engine drew and the critic that judges it) and the objective's running state, and gives
back named terms to sum, named values to record, and the new state. It never steps an optimizer, never moves a device.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor


class Critique(NamedTuple):
    """What a discriminator says of a batch: one score a sample (B,), and any auxiliary outputs by name."""

    score: Tensor
    extra: Mapping[str, Tensor] = {}


Critic = Callable[[Tensor, Tensor | None], Critique]
"""(samples, labels) -> critique; labels are ignored where the discriminator is not conditioned."""


@dataclass(frozen=True)
class Step:
    """All that a loss may look at in one optimizer step.

    ``real`` and ``fake`` are samples (B, ...) (in the discriminator's step the fakes are detached; with packing, packs
    of samples stacked along the channels); ``labels`` and ``fake_labels`` are classes (B,) or None; ``latent`` holds
    the fakes' latent parts by name; ``random`` is the generator for noise. Critiques are made when first asked for,
    each once: real and fake in two passes, or in one joint pass (batch norm then sees one batch) where ``joint``.
    """

    critic: Critic
    real: Tensor
    fake: Tensor
    labels: Tensor | None
    fake_labels: Tensor | None
    latent: Mapping[str, Tensor]
    random: torch.Generator
    joint: bool = False

    @cached_property
    def _together(self) -> tuple[Critique, Critique]:
        labels = None if self.labels is None or self.fake_labels is None else torch.cat([self.labels, self.fake_labels])
        both = self.critic(torch.cat([self.real, self.fake]), labels)
        n = len(self.real)
        return (
            Critique(both.score[:n], {name: value[:n] for name, value in both.extra.items()}),
            Critique(both.score[n:], {name: value[n:] for name, value in both.extra.items()}),
        )

    @cached_property
    def on_real(self) -> Critique:
        """The critique of the real samples."""
        return self._together[0] if self.joint else self.critic(self.real, self.labels)

    @cached_property
    def on_fake(self) -> Critique:
        """The critique of the fakes."""
        return self._together[1] if self.joint else self.critic(self.fake, self.fake_labels)


ObjectiveState = Mapping[str, Tensor]


class Result(NamedTuple):
    """What a loss gives back: terms to sum, values to record beside them, and the new state (None: unchanged)."""

    terms: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = {}
    state: ObjectiveState | None = None


Loss = Callable[[Step, ObjectiveState], Result]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A game: the discriminator's loss and the generator's.

    ``probability`` says that the score is a logit, so that D(x) is recorded as its sigmoid; else the raw score is
    recorded. ``estimates_ratio`` says that the best discriminator for a fixed generator is
    D*(x) = p_data / (p_data + p_g) by cross-entropy, so that its loss tells the Jensen-Shannon divergence (least
    squares have that D* too, but not the loss). ``differences_only`` says that a constant added to all scores leaves
    the discriminator's loss as it is, so that a bias of the score is never trained. ``state`` holds the initial running
    values, kept as 0-d tensors by the engine.
    """

    title: str
    discriminator: Loss
    generator: Loss
    probability: bool
    estimates_ratio: bool = False
    differences_only: bool = False
    state: Mapping[str, float] = field(default_factory=dict)

    def read(self, score: Tensor) -> Tensor:
        """Scores as they are recorded: probabilities in [0, 1], or raw scores."""
        return score.sigmoid() if self.probability else score
