"""Losses of autoencoding discriminators, whose score is the reconstruction error (an energy)."""

from torch import Tensor
from torch.nn.functional import normalize, relu

from gan_zoo.losses.base import Objective, ObjectiveState, Result, Step


def energy_based(*, margin: float, pull_away: float) -> Objective:
    """Energy-based GAN (Zhao et al. 2017, arXiv 1609.03126, eq. 1 and 2; pulling-away term: section 2.4, eq. 4).

    With the energy D(x), D minimizes E[D(x)] + E[max(0, margin - D(G(z)))], and G minimizes
    E[D(G(z))] + pull_away x PT, where PT is the mean squared cosine between the codes of two different fakes.
    """

    def discriminator(step: Step, _state: ObjectiveState) -> Result:
        return Result({"real": step.on_real.score.mean(), "fake": relu(margin - step.on_fake.score).mean()})

    def generator(step: Step, _state: ObjectiveState) -> Result:
        return Result(
            {
                "adversarial": step.on_fake.score.mean(),
                "pull_away": pull_away * _mean_squared_cosine(step.on_fake.extra["code"]),
            }
        )

    return Objective(
        title=f"energy with margin {margin:g}", discriminator=discriminator, generator=generator, probability=False
    )


def _mean_squared_cosine(codes: Tensor) -> Tensor:
    """Mean squared cosine between different rows of codes (B, D), B at least 2."""
    n = len(codes)
    cosines = normalize(codes, dim=1) @ normalize(codes, dim=1).T
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (n * (n - 1))


def boundary_equilibrium(*, diversity: float, gain: float) -> Objective:
    """Boundary equilibrium GAN (Berthelot et al. 2017, arXiv 1703.10717, section 3.4 and 3.5.1).

    With the energy L(x), D minimizes E[L(x)] - k E[L(G(z))] and G minimizes E[L(G(z))]; after G's step
    k moves by gain x (diversity x E[L(x)] - E[L(G(z))]), clipped to [0, 1]. Logs the convergence measure
    E[L(x)] + |diversity x E[L(x)] - E[L(G(z))]|, with E[L(x)] from D's last step.
    """

    def discriminator(step: Step, state: ObjectiveState) -> Result:
        real = step.on_real.score.mean()
        return Result({"real": real, "fake": -state["k"] * step.on_fake.score.mean()}, state={"real": real})

    def generator(step: Step, state: ObjectiveState) -> Result:
        fake = step.on_fake.score.mean()
        balance = diversity * state["real"] - fake.detach()
        return Result(
            {"adversarial": fake},
            {"convergence": state["real"] + balance.abs()},
            {"k": (state["k"] + gain * balance).clamp(0, 1)},
        )

    return Objective(
        title=f"boundary equilibrium, diversity {diversity:g}",
        discriminator=discriminator,
        generator=generator,
        probability=False,
        state={"k": 0.0, "real": 0.0},
    )
