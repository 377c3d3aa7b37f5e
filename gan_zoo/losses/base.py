"""Adversarial losses: a pair of pure functions, one for each player.

A loss maps a step (the batch of the engine and the discriminator) and the objective's running state to named terms to
sum, named values to record, and the new state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from gan_zoo.optimizer import Schedule


class DiscriminatorOutput(NamedTuple):
    """One score a sample (B,), and any auxiliary outputs by name."""

    score: Tensor
    extra: Mapping[str, Tensor] = {}


DiscriminatorFunction = Callable[[Tensor, Tensor | None], DiscriminatorOutput]
"""(samples, labels) -> output; an unconditional discriminator ignores the labels."""


@dataclass(frozen=True)
class Step:
    """The inputs of a loss in one optimizer step.

    The discriminator is applied when ``on_real`` or ``on_fake`` is first read.

    Attributes:
        discriminator: the discriminator, for further samples.
        real, fake: samples (B, ...); with packing, packs of samples stacked along the channels. The fakes are detached
            in the discriminator's step.
        labels, fake_labels: classes (B,), or None.
        latent: the parts of the fakes' latent vectors by name.
        random: the generator for noise.
        concat_real_fake: whether real and fake samples are one batch of the discriminator (and of its batch norm).
        progress: t of a schedule by its unit; empty for a variant without schedules.
    """

    discriminator: DiscriminatorFunction
    real: Tensor
    fake: Tensor
    labels: Tensor | None
    fake_labels: Tensor | None
    latent: Mapping[str, Tensor]
    random: torch.Generator
    concat_real_fake: bool = False
    progress: Mapping[str, Tensor] = field(default_factory=dict)

    def value(self, setting: float | Schedule) -> float | Tensor:
        """A setting in this step: a schedule's value is a 0-d tensor of the samples' type and device."""
        if not isinstance(setting, Schedule):
            return setting
        return setting.at(self.progress[setting.over]).to(self.real)

    @cached_property
    def _concatenated(self) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        labels = None if self.labels is None or self.fake_labels is None else torch.cat([self.labels, self.fake_labels])
        both = self.discriminator(torch.cat([self.real, self.fake]), labels)
        n = len(self.real)
        return (
            DiscriminatorOutput(both.score[:n], {name: value[:n] for name, value in both.extra.items()}),
            DiscriminatorOutput(both.score[n:], {name: value[n:] for name, value in both.extra.items()}),
        )

    @cached_property
    def on_real(self) -> DiscriminatorOutput:
        """The discriminator's output for the real samples."""
        return self._concatenated[0] if self.concat_real_fake else self.discriminator(self.real, self.labels)

    @cached_property
    def on_fake(self) -> DiscriminatorOutput:
        """The discriminator's output for the fakes."""
        return self._concatenated[1] if self.concat_real_fake else self.discriminator(self.fake, self.fake_labels)


ObjectiveState = Mapping[str, Tensor]


class Result(NamedTuple):
    """The result of a loss: terms to sum, values to record, and the new state (None: unchanged)."""

    terms: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = {}
    state: ObjectiveState | None = None


Loss = Callable[[Step, ObjectiveState], Result]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The losses of the discriminator and the generator.

    Attributes:
        probability: the score is a logit, and D(x), its sigmoid, is recorded; otherwise the score itself.
        estimates_ratio: the optimal discriminator for a fixed generator is D*(x) = p_data / (p_data + p_g) by
            cross-entropy, so that the loss estimates the Jensen-Shannon divergence.
        differences_only: a constant added to all scores does not change the discriminator's loss.
        state: initial running values; the engine keeps them as 0-d tensors.
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
