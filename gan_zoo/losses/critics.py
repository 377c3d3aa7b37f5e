"""Losses on a raw score: Wasserstein, hinge, and relativistic pairs."""

from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_zoo.losses.base import Objective, ObjectiveState, Result, Step


def wasserstein() -> Objective:
    """The dual of the Wasserstein-1 distance (Arjovsky et al. 2017, arXiv 1701.07875, eq. 2 and algorithm 1).

    The critic f minimizes E[f(G(z))] - E[f(x)] and must be held Lipschitz by clipping or a penalty; G minimizes
    -E[f(G(z))].
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": -step.on_real.score.mean(), "fake": step.on_fake.score.mean()})

    return Objective(
        title="Wasserstein",
        discriminator=discriminator,
        generator=_raise_score,
        probability=False,
        differences_only=True,
    )


def hinge() -> Objective:
    """The hinge loss (Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957, eq. 16 and 17).

    D minimizes E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], G minimizes -E[D(G(z))].
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": relu(1 - step.on_real.score).mean(), "fake": relu(1 + step.on_fake.score).mean()})

    return Objective(title="hinge", discriminator=discriminator, generator=_raise_score, probability=False)


def _raise_score(step: Step, _state: ObjectiveState) -> Result:
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
