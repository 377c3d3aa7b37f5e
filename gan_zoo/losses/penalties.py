"""Terms added to the discriminator's loss, for samples of any shape."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from gan_zoo.errors import check_known
from gan_zoo.losses.base import Loss, ObjectiveState, Result, Step
from gan_zoo.optimizer import Schedule


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """A term of the discriminator's loss.

    Attributes:
        per_sample: the score of a sample must depend on that sample alone, so that batch norm is refused.
        scheduled: its loss reads a ``Schedule`` with ``Step.value``.
    """

    title: str
    loss: Loss
    per_sample: bool = False
    scheduled: bool = field(default=False, metadata={"omit_default": True})


def gradient_penalty(weight: float | Schedule = 10.0, target: float = 1.0) -> Penalty:
    """``weight`` x E[(||grad D(x')||_2 - target)^2] between real and fake (Gulrajani et al. 2017, 1704.00028, eq. 3).

    x' lies at a uniformly random point of the line between a real sample and a fake, one draw a sample; the norm runs
    over all values of a sample (channels, height and width).
    """

    def between(step: Step) -> Tensor:
        n = min(len(step.real), len(step.fake))
        real, fake = step.real[:n], step.fake[:n]
        share = torch.rand(n, *[1] * (real.dim() - 1), generator=step.random, device=real.device, dtype=real.dtype)
        return torch.lerp(fake, real, share)

    return _one_slope(f"gradient penalty, weight {weight:g}", between, weight, target)


def noise_penalty(weight: float | Schedule = 10.0, target: float = 1.0, spread: float = 0.5) -> Penalty:
    """``weight`` x E[(||grad D(x')||_2 - target)^2] around real samples (DRAGAN: Kodali et al. 2017, arXiv 1705.07215).

    x' = x + a x ``spread`` x std(x) x u, with the deviation over all values of the batch, a uniform on [0, 1), one draw
    a sample, and u likewise, one draw a value, as in the authors' code (the paper's eq. 4 has Gaussian noise).
    """

    def around(step: Step) -> Tensor:
        real = step.real
        where: dict[str, Any] = {"generator": step.random, "device": real.device, "dtype": real.dtype}
        share = torch.rand(len(real), *[1] * (real.dim() - 1), **where)
        return real + share * spread * real.std() * torch.rand(real.shape, **where)

    return _one_slope(f"DRAGAN penalty, weight {weight:g}", around, weight, target)


def zero_centered(on: Literal["real", "fake"], weight: float | Schedule = 10.0) -> Penalty:
    """``weight`` / 2 x E[||grad D(x)||_2^2] on ``"real"`` samples or on ``"fake"`` ones.

    R1 and R2 of Mescheder et al. 2018, arXiv 1801.04406, eq. 9 and 10, where the weight is called gamma.

    Raises:
        GanZooError: ``on`` is neither of the two.
    """
    check_known("samples of zero_centered, on =", on, ("real", "fake"))
    name = {"real": "r1", "fake": "r2"}[on]

    def loss(step: Step, _state: ObjectiveState) -> Result:
        points, labels = (step.real, step.labels) if on == "real" else (step.fake, step.fake_labels)
        squares = _slope(step, points, labels).square().sum(dim=1).mean()
        return Result({name: step.value(weight) / 2 * squares})

    return Penalty(
        title=f"{name.upper()} penalty, weight {weight:g}",
        loss=loss,
        per_sample=True,
        scheduled=isinstance(weight, Schedule),
    )


def _one_slope(title: str, points: Callable[[Step], Tensor], weight: float | Schedule, target: float) -> Penalty:
    """``weight`` x E[(||grad D(x')||_2 - target)^2] at points x', one for each real sample."""

    def loss(step: Step, _state: ObjectiveState) -> Result:
        at = points(step)
        length = _slope(step, at, None if step.labels is None else step.labels[: len(at)]).norm(dim=1)
        return Result(
            {"gradient_penalty": step.value(weight) * (length - target).square().mean()},
            {"gradient_length": length.mean()},
        )

    return Penalty(title=title, loss=loss, per_sample=True, scheduled=isinstance(weight, Schedule))


def _slope(step: Step, points: Tensor, labels: Tensor | None) -> Tensor:
    """Gradients (B, values of a sample) of the scores at ``points``; they can be differentiated again."""
    points = points.detach().requires_grad_()
    score = step.discriminator(points, labels).score
    (gradient,) = torch.autograd.grad(score.sum(), points, create_graph=True)
    return gradient.flatten(1)
