"""An optimizer as a record: its name and its settings; and the Adam of Keras, which torch does not have."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_zoo.errors import GanZooError, unknown

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


@dataclass(frozen=True)
class Optimizer:
    """An optimizer by its name in ``torch.optim``, or ``KerasAdam``, with its settings.

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

        ``preferred`` are settings of its implementation (``fused``, ``capturable``), given where it knows them, torch
        has such an implementation for the device, and its own settings choose none.

        Raises:
            GanZooError: torch has no optimizer of that name, or it does not take these settings.
        """
        known = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
        known["KerasAdam"] = KerasAdam
        if self.name not in known:
            raise unknown("optimizer", self.name, known)
        kind, trained = known[self.name], list(parameters)
        if not _IMPLEMENTATIONS.isdisjoint(self.settings):
            preferred = {}
        if preferred.get("fused") and not _has_fused(self.name, trained[0].device):
            preferred = {key: value for key, value in preferred.items() if key != "fused"}
        understood = inspect.signature(kind).parameters
        settings = {key: value for key, value in preferred.items() if key in understood} | dict(self.settings)
        if self.decay and not _counts_steps(kind):
            raise GanZooError(f"optimizer {self.name} cannot decay: it does not count its steps, as Adam does")
        if self.decay:
            # A tensor, that the engine changes in place: a recorded graph would keep a number.
            settings["lr"] = torch.tensor(self.rate, dtype=trained[0].dtype, device=trained[0].device)
        try:
            return _uncompiled(kind)(trained, **settings)
        except (TypeError, ValueError) as error:
            raise GanZooError(f"optimizer {self.name} cannot be made with {dict(self.settings)}: {error}") from None


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


def _counts_steps(kind: type[torch.optim.Optimizer]) -> bool:
    trial = nn.Parameter(torch.zeros(1))
    trial.grad = torch.zeros(1)
    optimizer = _uncompiled(kind)([trial])
    optimizer.step()
    return isinstance(optimizer.state[trial].get("step"), torch.Tensor)
