"""Optimizers as records, schedules of their settings, and the Adam of Keras, which torch does not have."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_zoo.errors import GanZooError, check_known, shown

_IMPLEMENTATIONS = frozenset({"fused", "foreach", "capturable", "differentiable"})


class KerasAdam(torch.optim.Optimizer):
    """Adam in the form of Keras 2 (Kingma and Ba 2015, arXiv 1412.6980, end of section 2).

    Step t (from 1) moves the parameters by -lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps): the bias
    correction leaves epsilon alone, while torch's Adam adds it to a corrected sqrt(v). The count belongs to the
    optimizer: it advances for parameters without a gradient too. The state exists before the first step.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
    ) -> None:
        if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"lr {lr} and eps {eps} must be at least 0, betas {betas} in [0, 1)")
        # With "capturable", torch's load_state_dict moves the counts to the device of their parameters.
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "capturable": True})
        for parameter in (parameter for group in self.param_groups for parameter in group["params"]):
            moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            self.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        torch._foreach_add_([moments["step"] for moments in self.state.values()], 1)
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [parameter.grad for parameter in parameters]
            first = [self.state[parameter]["exp_avg"] for parameter in parameters]
            second = [self.state[parameter]["exp_avg_sq"] for parameter in parameters]
            beta1, beta2 = group["betas"]
            torch._foreach_lerp_(first, gradients, 1 - beta1)
            torch._foreach_mul_(second, beta2)
            torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
            count = self.state[parameters[0]]["step"].double()
            rate = group["lr"] * (1 - beta2**count).sqrt() / (1 - beta1**count)
            divisors = torch._foreach_sqrt(second)
            torch._foreach_add_(divisors, group["eps"])
            moves = torch._foreach_div(first, divisors)
            torch._foreach_mul_(moves, rate.to(parameters[0].dtype))
            torch._foreach_sub_(parameters, moves)


_SHAPES = {"constant": (), "linear": ("end", "length"), "cosine": ("end", "length"), "inverse": ("decay",)}
"""The fields that each shape of a schedule uses."""
_UNITS = ("images", "updates")


@dataclass(frozen=True)
class Schedule:
    """A setting that changes during training: a learning rate, a beta, the weight of a penalty, a moving average.

    Attributes:
        start: the value at t = 0.
        shape: ``constant``; ``linear`` or ``cosine``, from ``start`` to ``end`` over ``length``, then ``end``;
            ``inverse``, start / (1 + decay t) as in Keras; or a function (start, t) -> value of float64 tensors.
        over: the unit of t and ``length``: ``updates`` (earlier steps of the player's optimizer, of both players where
            they share a step count) or ``images`` (real images seen by the discriminator so far).
    """

    start: float
    shape: str | Callable[[float, Tensor], Tensor] = "constant"
    end: float = 0.0
    length: float = 1.0
    decay: float = 0.0
    over: str = "updates"

    def __post_init__(self) -> None:
        if not callable(self.shape):
            check_known("shape of a schedule:", self.shape, _SHAPES)
        check_known("unit of a schedule:", self.over, _UNITS)
        for name, least in (("start", -math.inf), ("end", -math.inf), ("length", 1), ("decay", 0)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not least <= value < math.inf:
                raise GanZooError(
                    f"{name} of a schedule is {shown(value)}; it must be a finite number of at least {least}"
                )
        for name in ("end", "length", "decay"):
            unused = not callable(self.shape) and name not in _SHAPES[self.shape]
            if unused and getattr(self, name) != getattr(Schedule, name):
                shapes = " or ".join(repr(shape) for shape, used in _SHAPES.items() if name in used)
                raise GanZooError(
                    f"{name} of a schedule has no effect with shape {self.shape!r}; set shape to {shapes}"
                )

    def at(self, t: Tensor) -> Tensor:
        """The value at t, both float64."""
        if callable(self.shape):
            return self.shape(self.start, t)
        if self.shape == "inverse":
            return self.start / (1 + self.decay * t)
        share = (t / self.length).clamp(max=1) if self.shape != "constant" else torch.zeros_like(t)
        if self.shape == "cosine":
            share = (1 - torch.cos(math.pi * share)) / 2
        return self.start + (self.end - self.start) * share

    def identity(self) -> dict[str, Any]:
        """The values that differ from the default, by name."""
        values = {each: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {each.name: value for each, value in values.items() if value != each.default}

    def __format__(self, spec: str) -> str:
        start, end, length = (format(value, spec) for value in (self.start, self.end, self.length))
        if self.shape == "inverse":
            return f"{start} / (1 + {format(self.decay, spec)} {self.over})"
        if self.shape in ("linear", "cosine"):
            return f"{start} to {end} ({self.shape}, {length} {self.over})"
        return start if self.shape == "constant" else f"from {start}"

    def __str__(self) -> str:
        return format(self, "")


def parse_schedules(value: Any) -> Any:
    """``value`` with each table that has a key ``start`` as a ``Schedule``, also within tables and lists.

    Raises:
        GanZooError: a table with an unknown key, or a value that does not fit.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(parse_schedules, value))
    if not isinstance(value, Mapping):
        return value
    if "start" not in value:
        return {key: parse_schedules(inner) for key, inner in value.items()}
    known = [each.name for each in dataclasses.fields(Schedule)]
    for key in value:
        check_known("key of a schedule:", key, known)
    return Schedule(**value)


def format_schedules(value: Any) -> Any:
    """The inverse of ``parse_schedules``, with tuples as lists.

    Raises:
        GanZooError: the shape of a schedule is a function, which plain values cannot express.
    """
    if isinstance(value, (list, tuple)):
        return [format_schedules(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: format_schedules(inner) for key, inner in value.items()}
    if not isinstance(value, Schedule):
        return value
    if callable(value.shape):
        raise GanZooError(f"a schedule of shape {value.shape!r} is a function: make a registered variant of it")
    return value.identity()


@dataclass(frozen=True)
class Optimizer:
    """An optimizer by its name in ``torch.optim``, or ``KerasAdam``, with its settings.

    A setting, or one of a tuple such as ``betas``, may be a ``Schedule``.
    """

    name: str = "Adam"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"lr": 2e-4, "betas": (0.5, 0.999)})

    def identity(self) -> dict[str, Any]:
        """Its part of a run's identity, in which an inverse schedule of the learning rate is ``lr`` and ``decay``."""
        settings = dict(self.settings)
        rate = settings.get("lr")
        decay = 0.0
        if isinstance(rate, Schedule) and rate == Schedule(rate.start, "inverse", decay=rate.decay):
            settings["lr"] = rate.start
            decay = rate.decay
        return {"name": self.name, "settings": settings, "decay": decay}

    @property
    def scheduled(self) -> bool:
        """Whether a setting follows a schedule."""
        return self._starts != dict(self.settings)

    @property
    def _starts(self) -> dict[str, Any]:
        """The settings of the first step."""
        return {key: _evaluate(value, lambda schedule: schedule.start) for key, value in self.settings.items()}

    def build(self, parameters: Iterable[nn.Parameter], **preferred: Any) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``.

        ``preferred`` are settings of its implementation (``fused``, ``capturable``), given where it knows them, torch
        has such an implementation for the device, and its own settings choose none.

        Raises:
            GanZooError: torch has no optimizer of that name, or it does not take these settings.
        """
        known = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
        known["KerasAdam"] = KerasAdam
        check_known("optimizer", self.name, known)
        kind = known[self.name]
        trained = list(parameters)
        if not _IMPLEMENTATIONS.isdisjoint(self.settings):
            preferred = {}
        if preferred.get("fused") and not _has_fused(self.name, trained[0].device):
            preferred = {key: value for key, value in preferred.items() if key != "fused"}
        understood = inspect.signature(kind).parameters
        settings = {key: value for key, value in preferred.items() if key in understood} | self._starts
        if isinstance(self.settings.get("lr"), Schedule):
            # A tensor that is changed in place: a CUDA graph would keep a number.
            settings["lr"] = torch.tensor(settings["lr"], dtype=trained[0].dtype, device=trained[0].device)
        try:
            return _uncompiled(kind)(trained, **settings)
        except (TypeError, ValueError) as error:
            raise GanZooError(
                f"optimizer {self.name} cannot be made with {shown(dict(self.settings))}: {error}"
            ) from None

    def follow_schedules(self, optimizer: torch.optim.Optimizer, progress: Mapping[str, Tensor]) -> None:
        """Set the scheduled settings for the step to come. Those other than ``lr`` are numbers on the host."""
        starts = self._starts
        for key, setting in self.settings.items():
            if isinstance(setting, Schedule) and key == "lr":
                for group in optimizer.param_groups:
                    group["lr"].copy_(setting.at(progress[setting.over]))
            elif setting != starts[key]:
                value = _evaluate(setting, lambda schedule: schedule.at(progress[schedule.over]).item())
                for group in optimizer.param_groups:
                    group[key] = value


def _evaluate(setting: Any, value: Callable[[Schedule], float]) -> Any:
    """A setting with the values of its schedules."""
    if isinstance(setting, tuple):
        return tuple(_evaluate(inner, value) for inner in setting)
    return value(setting) if isinstance(setting, Schedule) else setting


def _uncompiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The class of optimizers with methods that do not import torch's compiler, which takes longer than torch itself.

    torch imports it to exclude these methods from compilation; nothing is compiled here.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def _has_fused(name: str, device: torch.device) -> bool:
    """Whether torch has a fused optimizer of that name on a device; of Adagrad not on CUDA up to torch 2.11."""
    operator = f"aten::_fused_{name.lower()}_"
    try:
        return torch._C._dispatch_has_kernel_for_dispatch_key(operator, device.type.upper())
    except RuntimeError:
        return False
