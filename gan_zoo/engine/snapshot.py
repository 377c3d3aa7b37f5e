"""Copies of the parts of a state that an iteration changes, to restore and to compare."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_zoo.engine.state import State, default_generator

ROWS = "recorded values"
SPREAD = 10.0
"""Allowed difference of a replay from eager steps, relative to that of two eager repetitions."""
ROUNDING = 1e-5
"""Allowed difference relative to a tensor's largest value, where eager steps are not deterministic."""


@dataclass(frozen=True)
class Snapshot:
    """A copy of a state, without its counts.

    Attributes:
        tensors: copies of the weights, buffers, moments, learning rates and the objective's state, by name.
        random: the states of the generators, torch's default one included, by purpose.
        numbers: settings and counts of the optimizers on the host.
        cursor: the position in the epoch.
    """

    tensors: dict[str, Tensor]
    random: dict[str, Tensor]
    numbers: list[dict[str, Any]]
    cursor: int

    @classmethod
    def of(cls, state: State, rows: Tensor | None = None) -> "Snapshot":
        """A copy of a state, and of the values (steps, values) that its last steps recorded."""
        live = _tensors(state) if rows is None else {**_tensors(state), ROWS: rows}
        return cls(
            tensors={name: value.detach().clone() for name, value in live.items()},
            random={purpose: generator.get_state() for purpose, generator in _generators(state).items()},
            numbers=[_numbers(settings) for settings in _of_optimizers(state)],
            cursor=state.cursor,
        )

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Restore a state in place, as a graph holds the addresses of its tensors."""
        for name, value in _tensors(state).items():
            value.copy_(self.tensors[name])
        for purpose, generator in _generators(state).items():
            generator.set_state(self.random[purpose])
        for settings, numbers in zip(_of_optimizers(state), self.numbers, strict=True):
            settings.update(numbers)
        state.cursor = self.cursor

    def differences(self, other: "Snapshot") -> dict[str, float]:
        """The largest absolute difference of each part that is not equal to the bit.

        It is infinite for generators, numbers on the host, and values of which one is not finite.
        """
        found = {name: _largest_difference(value, other.tensors[name]) for name, value in self.tensors.items()}
        for purpose, value in self.random.items():
            found[f"random state {purpose!r}"] = 0.0 if torch.equal(value, other.random[purpose]) else math.inf
        found["number that an optimizer keeps on the host"] = 0.0 if self.numbers == other.numbers else math.inf
        return {name: difference for name, difference in found.items() if difference}


def mismatch(replayed: Snapshot, eager: Snapshot, repeat: Callable[[], Snapshot]) -> str:
    """The largest difference of a replayed graph from eager steps as text; empty if they agree.

    They must agree to the bit if eager steps are deterministic. If ``repeat`` differs from ``eager`` (atomic adds have
    no fixed order, and Adam amplifies rounding of zero gradients), a tensor may differ by ``SPREAD`` times that and by
    ``ROUNDING``. Random states and counts must always agree.
    """
    found = replayed.differences(eager)
    if found and (spread := repeat().differences(eager)):
        found = {name: value for name, value in found.items() if value > _allowed(name, eager, spread)}
    if not found:
        return ""
    name = max(found, key=lambda name: found[name])
    return f"{name} by {found[name]:.2g}" if math.isfinite(found[name]) else name


def _allowed(name: str, eager: Snapshot, spread: Mapping[str, float]) -> float:
    value = eager.tensors.get(name)
    if value is None or not value.is_floating_point():
        return 0.0
    return SPREAD * spread.get(name, 0.0) + ROUNDING * value.abs().max().item()


def _largest_difference(first: Tensor, second: Tensor) -> float:
    same = (first == second) | (first.isnan() & second.isnan())
    if same.all():
        return 0.0
    difference = torch.where(same, 0.0, (first.double() - second.double()).abs()).max().item()
    return math.inf if math.isnan(difference) else difference


def _tensors(state: State) -> dict[str, Tensor]:
    """The tensors by name, not copied."""
    found: dict[str, Tensor] = {}
    for name, module in state.modules.items():
        found |= {f"{name}.{key}": value for key, value in [*module.named_parameters(), *module.named_buffers()]}
    for player, optimizer in state.optimizers._asdict().items():
        for index, settings in enumerate([*optimizer.state.values(), *optimizer.param_groups]):
            found |= {f"{player}_optimizer.{index}.{key}": v for key, v in settings.items() if isinstance(v, Tensor)}
    return found | {f"state/{name}": value for name, value in state.objective.items()}


def _generators(state: State) -> dict[str, torch.Generator]:
    return {**state.random, "default": default_generator(state.device)}


def _of_optimizers(state: State) -> list[dict[str, Any]]:
    """The state of each parameter and the settings of each group."""
    return [each for optimizer in state.optimizers for each in [*optimizer.state.values(), *optimizer.param_groups]]


def _numbers(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "params" and not isinstance(value, Tensor)}
