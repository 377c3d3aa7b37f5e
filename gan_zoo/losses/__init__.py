"""Adversarial losses: a pair of pure functions, one for each player."""

from gan_zoo.losses.adversarial import (
    cross_entropy,
    hinge,
    least_squares,
    minimax,
    noisy_cross_entropy,
    relativistic,
    wasserstein,
)
from gan_zoo.losses.auxiliary import mutual_information, with_classes
from gan_zoo.losses.base import (
    DiscriminatorFunction,
    DiscriminatorOutput,
    Loss,
    Objective,
    ObjectiveState,
    Result,
    Step,
)
from gan_zoo.losses.energy import boundary_equilibrium, energy_based

__all__ = [
    "DiscriminatorFunction",
    "DiscriminatorOutput",
    "Loss",
    "Objective",
    "ObjectiveState",
    "Result",
    "Step",
    "boundary_equilibrium",
    "cross_entropy",
    "energy_based",
    "hinge",
    "least_squares",
    "minimax",
    "mutual_information",
    "noisy_cross_entropy",
    "relativistic",
    "wasserstein",
    "with_classes",
]
