"""Adversarial losses: cross-entropy, least squares, Wasserstein, hinge, and relativistic pairs."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, relu, softplus

from gan_zoo.latent import truncated_normal
from gan_zoo.losses.base import Objective, ObjectiveState, Result, Step

_REAL_TARGETS = truncated_normal(1, 0.7, 1.2)
_FAKE_TARGETS = truncated_normal(1, 0.0, 0.3)
_CLIP = 1e-7


def cross_entropy() -> Objective:
    """The non-saturating loss (Goodfellow et al. 2014, arXiv 1406.2661, section 3), on logits.

    D minimizes -E[log D(x)] - E[log(1 - D(G(z)))], G minimizes -E[log D(G(z))]; each mean is over its own batch.
    """

    def generator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"adversarial": _bce(step.on_fake.score, 1.0)})

    return Objective(
        title="non-saturating cross-entropy",
        discriminator=discriminator_bce,
        generator=generator,
        probability=True,
        estimates_ratio=True,
    )


def minimax() -> Objective:
    """The minimax loss (Goodfellow et al. 2014, arXiv 1406.2661, eq. 1), on logits.

    D minimizes -E[log D(x)] - E[log(1 - D(G(z)))], G minimizes E[log(1 - D(G(z)))], whose gradient vanishes as
    D(G(z)) goes to 0.
    """

    def generator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"adversarial": -softplus(step.on_fake.score).mean()})

    return replace(cross_entropy(), title="minimax cross-entropy", generator=generator)


def discriminator_bce(step: Step, _state: ObjectiveState) -> Result:
    """Binary cross-entropy with targets 1 for real and 0 for fake samples."""
    return Result({"real": _bce(step.on_real.score, 1.0), "fake": _bce(step.on_fake.score, 0.0)})


def _bce(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def noisy_cross_entropy() -> Objective:
    """Cross-entropy with soft, noisy targets (after Salimans et al. 2016, arXiv 1606.03498, section 3.4).

    The target t of each sample is drawn from a standard normal truncated to [0.7, 1.2] for real and to [0, 0.3] for
    fake samples; in the generator's loss, as for real ones. The loss of a sample is -t log p - (1 - t) log(1 - p) with
    p = sigmoid(score) clipped to [1e-7, 1 - 1e-7], which bounds it for t above 1; D's is one mean over real and fake
    samples. Logs the accuracy of D at p = 1/2.
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        real, fake = step.on_real.score, step.on_fake.score
        total = len(real) + len(fake)
        right = (real > 0).sum() + (fake <= 0).sum()
        return Result(
            {
                "real": _clipped_bce(real, _targets(step, real, real=True)).sum() / total,
                "fake": _clipped_bce(fake, _targets(step, fake, real=False)).sum() / total,
            },
            {"accuracy": right / total},
        )

    def generator(step: Step, _state: ObjectiveState) -> Result:
        score = step.on_fake.score
        return Result({"adversarial": _clipped_bce(score, _targets(step, score, real=True)).mean()})

    return Objective(
        title="cross-entropy with noisy targets", discriminator=discriminator, generator=generator, probability=True
    )


def _targets(step: Step, score: Tensor, *, real: bool) -> Tensor:
    targets = _REAL_TARGETS if real else _FAKE_TARGETS
    return targets.draw(len(score), random=step.random, dtype=score.dtype).squeeze(1)


def _clipped_bce(logits: Tensor, targets: Tensor) -> Tensor:
    # Written out: torch's own refuses targets above 1.
    p = logits.sigmoid().clamp(_CLIP, 1 - _CLIP)
    return -(targets * p.log() + (1 - targets) * (1 - p).log())


def least_squares(*, probability: bool) -> Objective:
    """Least squares with targets 1 and 0 (Mao et al. 2017, arXiv 1611.04076, eq. 9), without the factor 1/2.

    D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2], G minimizes E[(D(G(z)) - 1)^2]. The paper's D(x) is the raw score
    (``probability=False``); with ``probability=True`` it is the sigmoid of the score.
    """
    read = torch.sigmoid if probability else torch.clone

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": _square(read(step.on_real.score), 1.0), "fake": _square(read(step.on_fake.score), 0.0)})

    def generator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"adversarial": _square(read(step.on_fake.score), 1.0)})

    title = f"least squares on the {'probability' if probability else 'raw score'}"
    return Objective(title=title, discriminator=discriminator, generator=generator, probability=probability)


def _square(values: Tensor, target: float) -> Tensor:
    return mse_loss(values, torch.full_like(values, target))


def wasserstein() -> Objective:
    """The dual of the Wasserstein-1 distance (Arjovsky et al. 2017, arXiv 1701.07875, eq. 2 and algorithm 1).

    The critic f minimizes E[f(G(z))] - E[f(x)] and must be Lipschitz, by clipping or a penalty; G minimizes
    -E[f(G(z))].
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": -step.on_real.score.mean(), "fake": step.on_fake.score.mean()})

    return Objective(
        title="Wasserstein",
        discriminator=discriminator,
        generator=maximize_score,
        probability=False,
        differences_only=True,
    )


def hinge() -> Objective:
    """The hinge loss (Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957, eq. 16 and 17).

    D minimizes E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], G minimizes -E[D(G(z))].
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": relu(1 - step.on_real.score).mean(), "fake": relu(1 + step.on_fake.score).mean()})

    return Objective(title="hinge", discriminator=discriminator, generator=maximize_score, probability=False)


def maximize_score(step: Step, _state: ObjectiveState) -> Result:
    """The generator minimizes -E[D(G(z))]."""
    return Result({"adversarial": -step.on_fake.score.mean()})


def relativistic() -> Objective:
    """Relativistic pairs (Jolicoeur-Martineau 2018, arXiv 1807.00734, section 4.1: RpGAN with the standard loss).

    With d = D(x) - D(G(z)) over pairs of a real sample and a fake, in their order in the batch, D minimizes
    E[softplus(-d)] and G minimizes E[softplus(d)]. Of unequal batches, the samples without a partner are left out.
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"pairs": softplus(-_difference(step)).mean()})

    def generator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"adversarial": softplus(_difference(step)).mean()})

    return Objective(
        title="relativistic pairs",
        discriminator=discriminator,
        generator=generator,
        probability=False,
        differences_only=True,
    )


def _difference(step: Step) -> Tensor:
    real, fake = step.on_real.score, step.on_fake.score
    pairs = min(len(real), len(fake))
    return real[:pairs] - fake[:pairs]
