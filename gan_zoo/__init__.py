"""gan-zoo: GAN variants compared on the same data, engine and measures, over many seeds."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_zoo.api import evaluate, load, run_suite, train
    from gan_zoo.bench.results import Results
    from gan_zoo.bench.tables import read_results
    from gan_zoo.errors import GanZooError
    from gan_zoo.registry import get, load_plugin, names, register
    from gan_zoo.variant import Variant

__version__ = "0.1.0"

NUMERICS_VERSION = 1
"""Raised when a change of the engine, networks, losses or data pipeline changes the numbers of a training run."""
METRICS_VERSION = 1
"""Raised when a change of the metrics, extractors or evaluation changes a measured value."""

__all__ = [
    "GanZooError",
    "Results",
    "Variant",
    "evaluate",
    "get",
    "load",
    "load_plugin",
    "names",
    "read_results",
    "register",
    "run_suite",
    "train",
]

_HOMES = {
    "GanZooError": "gan_zoo.errors",
    "Results": "gan_zoo.bench.results",
    "Variant": "gan_zoo.variant",
    "evaluate": "gan_zoo.api",
    "get": "gan_zoo.registry",
    "load": "gan_zoo.api",
    "load_plugin": "gan_zoo.registry",
    "names": "gan_zoo.registry",
    "read_results": "gan_zoo.bench.tables",
    "register": "gan_zoo.registry",
    "run_suite": "gan_zoo.api",
    "train": "gan_zoo.api",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: a name is fetched when it is first used.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gan_zoo' has no attribute {name!r}")
