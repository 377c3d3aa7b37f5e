"""What a search varies: the ranges that a suite declares, those that apply to each variant, and draws from them.

The default ranges are the wide ones of the published code of Lucic et al. 2018, arXiv 1711.10337.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from gan_zoo import registry
from gan_zoo.bench.suite import Suite, Table
from gan_zoo.data import Dataset
from gan_zoo.errors import GanZooError, validation_lines
from gan_zoo.optimizer import Optimizer, Schedule, format_schedules
from gan_zoo.variant import Variant

_SIDES = ("generator_optimizer", "discriminator_optimizer")
_Norm = Literal["batch", "layer", "spectral", "none"]
_DEFAULT_NORMS: list[_Norm] = ["batch", "layer", "none"]
_WITHIN = {"lr": (0.0, math.inf), "beta1": (0.0, 1.0), "weight": (0.0, math.inf), "clip": (0.0, math.inf)}


class Range(Table):
    """Numbers drawn uniformly from [low, high); with ``log``, uniformly on the logarithm."""

    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> "Range":
        if self.low >= self.high:
            raise ValueError("low must lie below high")
        if self.log and self.low <= 0:
            raise ValueError("low has no logarithm: raise it above 0, or leave log out")
        return self

    def draw(self, random: np.random.RandomState) -> float:
        """One number; rounding never makes it ``high``."""
        scale, inverse = (math.log, math.exp) if self.log else (float, float)
        value = inverse(random.uniform(scale(self.low), scale(self.high)))
        return float(min(value, np.nextafter(self.high, self.low)))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


Varied = Range | tuple[Any, ...]
"""A range, or equally likely values."""


class Ranges(Table):
    """The table ``[search]`` of a suite; a key that is ``false`` is not varied.

    Attributes:
        lr: learning rate of both optimizers.
        beta1: first beta of both optimizers, where they have betas.
        discriminator_steps: steps of the discriminator an iteration.
        weight: weight of a penalty.
        clip: bound of weight clipping.
        norm: normalization of the discriminator.
    """

    lr: Range | None = Range(low=1e-5, high=1e-2, log=True)
    beta1: Range | None = Range(low=0.0, high=1.0)
    discriminator_steps: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = Field([1, 5])
    weight: Range | None = Range(low=0.1, high=100.0, log=True)
    clip: Range | None = Range(low=1e-3, high=1.0, log=True)
    norm: Annotated[list[_Norm], Field(min_length=1)] | None = Field(_DEFAULT_NORMS)

    @field_validator("*", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        return None if value is False else value

    @field_validator("discriminator_steps", "norm")
    @classmethod
    def _different(cls, choices: list[Any] | None) -> list[Any] | None:
        if choices is not None and len(set(choices)) != len(choices):
            raise ValueError("names a value twice")
        return choices

    @field_validator(*_WITHIN)
    @classmethod
    def _possible(cls, given: Range | None, field: ValidationInfo) -> Range | None:
        least, most = _WITHIN[str(field.field_name)]
        if given is not None and (given.low < least or given.high > most):
            raise ValueError(f"{field.field_name} from {given} is outside {least:g} to {most:g}")
        return given


class _SearchTable(Table):
    """The part of a suite that is checked here, so that an error names a key with its table."""

    search: Ranges


@dataclasses.dataclass(frozen=True)
class Space:
    """The search space of one variant, in the order of drawing, and the reason for each setting that is not varied."""

    varied: Mapping[str, Varied]
    fixed: Mapping[str, str]

    def summary(self) -> str:
        """What is varied: ``lr 1e-05 to 0.01 (log); norm batch, layer or none``."""
        found = []
        for name, values in self.varied.items():
            *others, last = [values] if isinstance(values, Range) else values
            found.append(f"{name} {', '.join(map(str, others))}{' or ' if others else ''}{last}")
        return "; ".join(found)

    def reasons(self) -> str:
        """What is not varied, and why."""
        return "; ".join(f"{name}: {why}" for name, why in self.fixed.items())


def read_ranges(suite: Suite) -> Ranges:
    """The ranges that a suite declares, else the default ones.

    Raises:
        GanZooError: an unknown name or an invalid range; one line each.
    """
    try:
        return _SearchTable.model_validate({"search": suite.search}).search
    except ValidationError as errors:
        lines = validation_lines(errors, lambda key: list((Ranges if len(key) == 2 else Range).model_fields))
        raise GanZooError("\n".join(f"{suite.file}: {line}" for line in lines)) from None


def space_of(variant: Variant, base: str, ranges: Ranges, data: Dataset) -> Space:
    """The search space of a variant; ``base`` is the registered variant that it is made from."""
    optimizers = [_defaults(getattr(variant, side)) for side in _SIDES]
    own = registry.hyperparameters(base)
    lacks = {
        "lr": "" if any("lr" in settings for settings in optimizers) else "its optimizers have none",
        "beta1": "" if any("betas" in settings for settings in optimizers) else "its optimizers have none",
        "weight": "" if variant.penalties and "weight" in own else "it has no penalty with a weight",
        "clip": "" if "clip" in own else "it does not clip",
    }
    varied: dict[str, Varied] = {}
    fixed: dict[str, str] = {}
    for name in Ranges.model_fields:
        given = getattr(ranges, name)
        why = lacks.get(name, "")
        if given is not None and name == "norm":
            given, why = _norms(variant, given, data)
        if given is None or why:
            fixed[name] = why or "turned off by the suite"
        else:
            varied[name] = given if isinstance(given, Range) else tuple(given)
    return Space(varied, fixed)


def draw(varied: Mapping[str, Varied], seed: int) -> dict[str, Any]:
    """The settings of one trial: a value of each range, and one of the values to choose from."""
    random = np.random.RandomState(seed)
    drawn: dict[str, Any] = {}
    for name, values in varied.items():
        if isinstance(values, Range):
            drawn[name] = values.draw(random)
        else:
            drawn[name] = values[int(random.uniform(size=len(values)).argmax()) if len(values) > 1 else 0]
    return drawn


def trial_seed(seed: int, variant: str, number: int) -> int:
    """The seed of a trial's settings, 32 bits, from the seed of the search, the variant's name and the trial's number.

    Independent of how many trials are drawn, so that a search can be extended.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{variant}/{number}".encode()).digest()[:4], "big")


def options_of(params: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """The options of ``registry.get`` that give a variant the parameters of a trial."""
    options = {name: value for name, value in params.items() if name not in ("lr", "beta1")}
    if not {"lr", "beta1"}.isdisjoint(params):
        options |= {side: _optimizer(getattr(variant, side), params) for side in _SIDES}
    return options


def _optimizer(optimizer: Optimizer, params: Mapping[str, Any]) -> dict[str, Any]:
    """The option for an optimizer with the rate and beta1 of a trial, where it has them; a schedule's start is set."""
    settings = dict(optimizer.settings)
    defaults = _defaults(optimizer)
    if "lr" in params and "lr" in defaults:
        rate = settings.get("lr")
        settings["lr"] = dataclasses.replace(rate, start=params["lr"]) if isinstance(rate, Schedule) else params["lr"]
    if "beta1" in params and "betas" in defaults:
        settings["betas"] = [params["beta1"], settings.get("betas", defaults["betas"])[1]]
    return {"name": optimizer.name, **format_schedules(settings)}


def _defaults(optimizer: Optimizer) -> dict[str, Any]:
    """All settings of an optimizer, with torch's default values."""
    return optimizer.build([torch.nn.Parameter(torch.zeros(1))]).defaults


def _norms(variant: Variant, norms: list[str], data: Dataset) -> tuple[list[str], str]:
    """The norms under which a variant's discriminator can be built and differs; or the reason why none is varied."""
    if variant.norm == "spectral" and "spectral" not in norms:
        return [], "spectral norm defines it"
    allowed: dict[str, str] = {}
    for norm in norms:
        try:
            networks = dataclasses.replace(variant, norm=norm).build(data.shape, data.classes)
        except GanZooError:
            continue
        allowed[norm] = repr(networks.discriminator)
    different = {text: norm for norm, text in reversed(allowed.items())}
    if not allowed:
        return [], f"it can have none of {', '.join(norms)}"
    if len(allowed) > 1 and len(different) == 1:
        return [], "its discriminator is the same under each"
    return [norm for norm in allowed if norm in different.values()], ""
