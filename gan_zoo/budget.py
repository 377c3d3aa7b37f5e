"""The budget of a training run, without torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_zoo.errors import GanZooError, unknown

if TYPE_CHECKING:
    from gan_zoo.engine.state import State

UNITS = ("images", "epochs", "steps", "seconds")


@dataclass(frozen=True)
class Budget:
    """How long to train: real images, epochs of the training split, iterations (``steps``), or seconds.

    Raises:
        GanZooError: an unknown unit, an amount that is not above 0, or a fraction of a step.
    """

    unit: str
    amount: float

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise unknown("budget unit", self.unit, UNITS)
        if not self.amount > 0 or not math.isfinite(self.amount):
            raise GanZooError(f"budget of {self.amount} {self.unit} is no budget; it must be above 0")
        if self.unit == "steps" and self.amount != int(self.amount):
            raise GanZooError(f"budget of {self.amount} steps: steps are whole numbers; use {math.ceil(self.amount)}")

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    @classmethod
    def of(cls, setting: Mapping[str, float]) -> "Budget":
        """From a suite's ``{images = 256000}``."""
        if len(setting) != 1:
            raise GanZooError(f"budget {dict(setting)} must name exactly one of {', '.join(UNITS)}")
        ((unit, amount),) = setting.items()
        return cls(unit, amount)

    def spent(self, state: "State") -> float:
        """How much of it a state has used, in its unit."""
        used = {"images": state.images, "steps": state.iterations, "seconds": state.seconds}
        return state.images / len(state.data) if self.unit == "epochs" else used[self.unit]

    def steps_left(self, state: "State", fraction: float) -> int:
        """Steps to a fraction of it, never too many (an epoch's last batch is smaller); for seconds, a large bound."""
        left = self.amount * fraction - self.spent(state)
        images = state.variant.batch_size * state.variant.discriminator_steps
        per_step = {"images": images, "epochs": images / len(state.data), "steps": 1, "seconds": 1e-3}[self.unit]
        return max(0, math.ceil(left / per_step - 1e-9))
