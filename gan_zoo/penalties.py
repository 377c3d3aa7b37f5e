"""Terms added to the discriminator's loss, for samples of any shape."""

from dataclasses import dataclass

import torch

from gan_zoo.objectives import Loss, ObjectiveState, Result, Step


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """A term for the discriminator.

    ``per_sample`` says that it needs the score of a sample to depend on that sample alone, which batch norm in the
    discriminator breaks: such a pair is refused.
    """

    title: str
    loss: Loss
    per_sample: bool = False


def gradient_penalty(weight: float = 10.0, target: float = 1.0) -> Penalty:
    """``weight`` x E[(||grad D(x')||_2 - target)^2] between real and fake (Gulrajani et al. 2017, 1704.00028, eq. 3).

    x' lies at a uniformly random point of the line between a real sample and a fake, one draw a sample; the norm runs
    over all values of a sample (channels, height and width).
    """

    def loss(step: Step, _state: ObjectiveState) -> Result:
        n = min(len(step.real), len(step.fake))
        real, fake = step.real[:n], step.fake[:n]
        share = torch.rand(n, *[1] * (real.dim() - 1), generator=step.random, device=real.device, dtype=real.dtype)
        points = torch.lerp(fake, real, share).detach().requires_grad_()
        score = step.critic(points, None if step.labels is None else step.labels[:n]).score
        (gradient,) = torch.autograd.grad(score.sum(), points, create_graph=True)
        length = gradient.flatten(1).norm(dim=1)
        return Result(
            {"gradient_penalty": weight * (length - target).square().mean()}, {"gradient_length": length.mean()}
        )

    return Penalty(title=f"gradient penalty, weight {weight:g}", loss=loss, per_sample=True)
