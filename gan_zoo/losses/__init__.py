"""Adversarial losses: a pair of pure functions each, one a player."""

from gan_zoo.losses.adversarial import cross_entropy, least_squares, minimax, noisy_cross_entropy
from gan_zoo.losses.auxiliary import mutual_information, with_classes
from gan_zoo.losses.base import Critic, Critique, Loss, Objective, ObjectiveState, Result, Step
from gan_zoo.losses.critics import hinge, relativistic, wasserstein
from gan_zoo.losses.energy import boundary_equilibrium, energy_based

__all__ = [
    "Critic",
    "Critique",
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
