"""gan-zoo: GAN variants compared on the same data, engine and measures, over many seeds."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_zoo.api import evaluate, load, run_suite, train
    from gan_zoo.bench.results import Results
    from gan_zoo.bench.tables import read_results
    from gan_zoo.callbacks import Callback
    from gan_zoo.data import register_dataset
    from gan_zoo.errors import GanZooError
    from gan_zoo.metrics.custom import register_extractor, register_metric
    from gan_zoo.registry import get, load_plugin, names, register
    from gan_zoo.variant import Variant

__version__ = "0.1.0"

NUMERICS_VERSION = 1
"""Raised when a change of the engine, networks, losses or data pipeline changes the numbers of a training run."""
METRICS_VERSION = 1
"""Raised when a change of the metrics, extractors or evaluation changes a measured value."""

__all__ = [
    "Callback",
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
    "register_dataset",
    "register_extractor",
    "register_metric",
    "run_suite",
    "train",
]

_MODULES = {
    "gan_zoo.api": ("evaluate", "load", "run_suite", "train"),
    "gan_zoo.bench.results": ("Results",),
    "gan_zoo.bench.tables": ("read_results",),
    "gan_zoo.callbacks": ("Callback",),
    "gan_zoo.data": ("register_dataset",),
    "gan_zoo.errors": ("GanZooError",),
    "gan_zoo.metrics.custom": ("register_extractor", "register_metric"),
    "gan_zoo.registry": ("get", "load_plugin", "names", "register"),
    "gan_zoo.variant": ("Variant",),
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: a name is fetched when it is first used.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'gan_zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
