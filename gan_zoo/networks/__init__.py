"""Generator and discriminator families by name, built from a `gan_zoo.variant.Spec`: backbones of any variant."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from gan_zoo.errors import unknown
from gan_zoo.networks.dcgan import all_convolutional, linear_stem, tutorial
from gan_zoo.networks.dcgan_keras import keras
from gan_zoo.networks.dcgan_paper import projected
from gan_zoo.networks.mlp import mlp, points
from gan_zoo.networks.resnet import residual
from gan_zoo.variant import Spec

Family = Callable[..., tuple[nn.Module, nn.Module]]

BACKBONES: dict[str, Family] = {
    "mlp": mlp,
    "dcgan": linear_stem,
    "dcgan28": all_convolutional,
    "dcgan_conv": tutorial,
    "dcgan_paper": projected,
    "dcgan_keras": keras,
    "resnet": residual,
    "points": points,
}


def describe(networks: Callable[[Spec], tuple[nn.Module, nn.Module]]) -> str:
    """The backbone of a variant, with the sizes that differ from the default: ``dcgan, width 16``.

    For a function that is no backbone, its name.
    """
    function, sizes = (networks.func, networks.keywords) if isinstance(networks, partial) else (networks, {})
    named = {family: name for name, family in BACKBONES.items()}
    name = named.get(function, getattr(function, "__name__", type(function).__name__).strip("<>"))
    own = inspect.signature(function).parameters
    changed = {key: value for key, value in sizes.items() if key not in own or own[key].default != value}
    return ", ".join([name, *(f"{key} {value}" for key, value in changed.items())])


def backbone(setting: str | Mapping[str, Any]) -> Callable[[Spec], tuple[nn.Module, nn.Module]]:
    """The family that a setting names: ``"dcgan"``, or ``{"name": "dcgan", "width": 16}`` with its sizes.

    Raises:
        GanZooError: no such family, or a size that it does not take.
    """
    sizes = {"name": setting} if isinstance(setting, str) else dict(setting)
    name = sizes.pop("name", "")
    if name not in BACKBONES:
        raise unknown("backbone", str(name), BACKBONES)
    family = BACKBONES[name]
    known = list(inspect.signature(family).parameters)[1:]
    if wrong := [size for size in sizes if size not in known]:
        raise unknown(f"setting of backbone {name!r}:", wrong[0], [*known, "norm"])
    return partial(family, **sizes) if sizes else family
