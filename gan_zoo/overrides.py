"""Options of a variant as plain values, from a command line or a suite, and the fields that they set."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import torch

from gan_zoo import latent
from gan_zoo.errors import GanZooError
from gan_zoo.networks import backbone
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.variant import Variant

_OPTIMIZERS = ("generator_optimizer", "discriminator_optimizer")


def known() -> list[str]:
    """The options that every variant takes: the fields of ``Variant``, ``backbone`` and ``lr``."""
    fixed = ("name", "options", "label")
    return [*(field.name for field in dataclasses.fields(Variant) if field.name not in fixed), "backbone", "lr"]


def nested(options: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """Options with dotted keys as tables, and ``lr`` as the learning rate of both optimizers.

    Example: ``{"lr": 1e-4, "generator_optimizer.lr": 1e-5}`` is ``{"generator_optimizer": {"lr": 1e-5},
    "discriminator_optimizer": {"lr": 1e-4}}``.

    Args:
        options: as they are given.
        own: parameters of the variant's function; an ``lr`` among them stays as it is.
    """
    found = {option: value for option, value in options.items() if "." not in option}
    for option, value in options.items():
        table, dot, key = option.partition(".")
        if dot:
            found[table] = {**_table(found.get(table)), key: value}
    if "lr" in found and "lr" not in own:
        rate = found.pop("lr")
        for optimizer in _OPTIMIZERS:
            if not isinstance(found.get(optimizer), Optimizer):
                found[optimizer] = {"lr": rate, **_table(found.get(optimizer))}
    return found


def _table(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": value}
    return dict(value) if isinstance(value, Mapping) else {}


def combined(own: Collection[str], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of several layers, each overriding those before it; optimizers without a name setting by setting."""
    found: dict[str, Any] = {}
    for layer in layers:
        for option, value in nested(layer, own).items():
            before = found.get(option)
            partial = option in _OPTIMIZERS and isinstance(value, Mapping) and "name" not in value
            found[option] = {**before, **value} if partial and isinstance(before, Mapping) else value
    return found


def replaced(variant: Variant, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``variant`` that options set, which are not parameters of its function.

    Raises:
        GanZooError: a text that is no latent, an unknown backbone or optimizer, or settings that they do not take.
    """
    fields: dict[str, Any] = {}
    for option, value in options.items():
        if option == "latent" and isinstance(value, str):
            fields[option] = latent.parse(value)
        elif option == "latent" and type(value) is int:
            fields[option] = variant.latent.resized(value)
        elif option in _OPTIMIZERS and isinstance(value, Mapping):
            fields[option] = _optimizer(getattr(variant, option), value)
        elif option == "backbone":
            sizes = {"name": value} if isinstance(value, str) else dict(value)
            fields |= {"norm": sizes.pop("norm")} if "norm" in sizes else {}
            fields["networks"] = backbone(sizes)
        else:
            fields[option] = value
    return fields


def _optimizer(before: Optimizer, table: Mapping[str, Any]) -> Optimizer:
    """The optimizer of a table; without a name, ``before`` with the table's settings in place of its own.

    A number in place of a schedule is its start.
    """
    settings: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if "decay" in settings:
        raise GanZooError("'decay' of an optimizer is now lr = { start = ..., shape = 'inverse', decay = ... }")
    if "name" not in settings:
        for key, value in before.settings.items():
            if isinstance(value, Schedule) and type(settings.get(key)) in (int, float):
                settings[key] = dataclasses.replace(value, start=settings[key])
        settings = {"name": before.name, **before.settings, **settings}
    made = Optimizer(settings.pop("name"), settings)
    made.build([torch.nn.Parameter(torch.zeros(1))])
    return made
