"""An optimizer as a record: its name in ``torch.optim`` and its settings."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from gan_zoo.errors import GanZooError, unknown

_IMPLEMENTATIONS = frozenset({"fused", "foreach", "capturable", "differentiable"})


@dataclass(frozen=True)
class Optimizer:
    """An optimizer by its name in ``torch.optim``, with its settings.

    With ``decay`` the learning rate of step t (from 0) is lr / (1 + decay t), as Keras has it.
    """

    name: str = "Adam"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"lr": 2e-4, "betas": (0.5, 0.999)})
    decay: float = 0.0

    def __post_init__(self) -> None:
        if type(self.decay) not in (int, float) or self.decay < 0:
            raise GanZooError(f"decay of optimizer {self.name} is {self.decay!r}; it must be a number of at least 0")

    @property
    def rate(self) -> float:
        """The learning rate of the first step."""
        return self.settings["lr"]

    def build(self, parameters: Iterable[nn.Parameter], **preferred: Any) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``.

        ``preferred`` are settings of its implementation (``fused``, ``capturable``), given where it knows them and its
        own settings choose no implementation.

        Raises:
            GanZooError: torch has no optimizer of that name, or it does not take these settings.
        """
        known = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
        if self.name not in known:
            raise unknown("optimizer", self.name, known)
        kind, trained = known[self.name], list(parameters)
        if not _IMPLEMENTATIONS.isdisjoint(self.settings):
            preferred = {}
        understood = inspect.signature(kind).parameters
        settings = {key: value for key, value in preferred.items() if key in understood} | dict(self.settings)
        if self.decay and not _counts_steps(kind):
            raise GanZooError(f"optimizer {self.name} cannot decay: it does not count its steps, as Adam does")
        if self.decay:
            # A tensor, that the engine changes in place: a recorded graph would keep a number.
            settings["lr"] = torch.tensor(self.rate, dtype=trained[0].dtype, device=trained[0].device)
        try:
            return kind(trained, **settings)
        except (TypeError, ValueError) as error:
            raise GanZooError(f"optimizer {self.name} cannot be made with {dict(self.settings)}: {error}") from None


def _counts_steps(kind: Callable[..., torch.optim.Optimizer]) -> bool:
    trial = nn.Parameter(torch.zeros(1))
    trial.grad = torch.zeros(1)
    optimizer = kind([trial])
    optimizer.step()
    return isinstance(optimizer.state[trial].get("step"), torch.Tensor)
