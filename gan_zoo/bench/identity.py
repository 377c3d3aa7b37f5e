"""The identities of a run: all that decides the numbers of its training, and all that decides its measured values.

Budget and evaluations are part of neither: a run can be extended.
"""

import hashlib
import importlib.metadata
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gan_zoo import METRICS_VERSION, NUMERICS_VERSION, registry
from gan_zoo import data as data_sets
from gan_zoo.bench.protocol import less_prose
from gan_zoo.data import Dataset
from gan_zoo.device import describe as describe_device
from gan_zoo.io import git_commit
from gan_zoo.metrics.custom import CustomExtractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.registry import PRIMARY, code_of
from gan_zoo.registry import describe
from gan_zoo.variant import Variant

_MEASURING = ("torch", "torch-fidelity", "numpy", "scikit-learn", "scipy")
_PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "scikit-learn")
"""Packages whose versions a manifest names."""
_DIGITS = 8


def provenance(device: torch.device) -> dict[str, Any]:
    """How results are made, for a manifest: device, command line, versions and commit.

    The command is empty if the command line is another program's.
    """
    return {
        "device": describe_device(device),
        "command": shlex.join(["gan-zoo", *sys.argv[1:]]) if _is_own(Path(sys.argv[0])) else "",
        "versions": {"python": sys.version.split()[0]} | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "git_commit": git_commit(),
    }


def _is_own(program: Path) -> bool:
    """Whether a program is ``gan-zoo``, or ``python -m gan_zoo``."""
    return program.stem == "gan-zoo" or program.parts[-2:] == ("gan_zoo", "__main__.py")


def trajectory(
    variant: Variant, data: Dataset, seed: int, precision: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The identity of a training run, as JSON, on a data set at the variant's image side.

    The variant is the resolved one, so that an option at its default value is the same variant.
    """
    own = {key: value for key, value in variant.options.items() if key in registry.hyperparameters(variant.name)}
    return {
        "variant": less_prose(describe(variant)),
        "hyperparameters": describe({**registry.hyperparameters(variant.name), **own}),
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "shape": list(data.shape),
            "revision": data_sets.revision(data.requested),
        },
        "seed": seed,
        "precision": precision,
        "numerics": NUMERICS_VERSION,
        "code": registry.code_identity(variant.name, **variant.options),
        "torch": importlib.metadata.version("torch"),
        **machine,
    }


def measurement(
    extractor: Extractor, data: Dataset, num_samples: int, primary: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The identity of what measures samples, as JSON.

    Raises:
        GanZooError: the source of a plugin's metric or extractor cannot be read.
    """
    functions = {name: code_of(name) for name in extractor.metrics}
    plugins = {name: registry.code_digest(function) for name, function in functions.items() if function is not None}
    if isinstance(extractor, CustomExtractor):
        plugins[extractor.name] = registry.code_digest(extractor.make)
    return {
        **({"plugins": plugins} if plugins else {}),
        "extractor": extractor.name,
        "digest": extractor.digest,
        "num_samples": num_samples,
        "reference": data.reference if data.density is None else "truth",
        "data": data.fingerprint,
        "metrics": METRICS_VERSION,
        "versions": {package: importlib.metadata.version(package) for package in _MEASURING},
        **({} if primary == PRIMARY[data.kind] else {"primary": primary}),
        **machine,
    }


def machine(device: torch.device, threads: int) -> dict[str, Any]:
    """What of the machine decides the last digits of a number."""
    return {
        "device": device.type,
        "matmul": torch.get_float32_matmul_precision(),
        "threads": threads if device.type == "cpu" else None,
    }


def decisive(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity without what changes no number: how a variant was made and is called, and where its functions are.

    A function of this package counts by its name alone, so that it may move to another module.
    """
    apart = ("options", "group", "label")
    variant = {key: value for key, value in identity.get("variant", {}).items() if key not in apart}
    found: dict[str, Any] = _unqualified({**identity, "variant": variant})
    return found


def _unqualified(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unqualified(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unqualified(inner) for inner in value]
    if isinstance(value, str) and value.startswith("gan_zoo."):
        module = value.rpartition(".")[0]
        while module and module not in sys.modules:
            module = module.rpartition(".")[0]
        return value.removeprefix(f"{module}.")
    return value


def digest(identity: Any) -> str:
    """The first 8 hex digits of SHA-256 over an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:_DIGITS]
