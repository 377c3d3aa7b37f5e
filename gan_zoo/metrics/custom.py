"""Metrics of plugins: a function of fake and real features, logits or images becomes a metric like any other."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError, check_known, one_line, shown
from gan_zoo.metrics.features import MetricError
from gan_zoo.metrics.reference import Comparison
from gan_zoo.metrics.registry import register

INPUTS = ("features", "logits", "images")
"""What a metric can be a function of."""
_NOT_THE_FUNCTION = (KeyboardInterrupt, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors of the machine."""

Function = Callable[[Tensor, Tensor], Any]


def register_metric(name: str, *, better: str, on: str = "features", **record: Any) -> Callable[[Function], Function]:
    """Register a function ``function(fake, real)``, which returns a number, as a metric.

    It reaches all tables, the ranking and the report. Its code is part of what identifies a measurement: after an edit,
    finished runs are measured again, and not trained again.

    Args:
        name: the name in tables.
        better: ``lower``, ``higher``, or ``half`` if the best value is one half.
        on: what the function gets: ``features`` float32 (N, D), ``logits`` float32 (N, K), or ``images`` uint8
            (N, C, H, W), as many fake as real ones, on the extractor's device.
        record: other fields of ``gan_zoo.metrics.registry.Metric``, e.g. ``title``, ``range``, ``bounds=(0, 1)``,
            ``meaning``, ``limitations``, ``source``, ``order``, ``in_ranking``, ``extractors``. By default the title is
            the name, and the meaning the first paragraph of the function's docstring.

    The function gets copies, without gradients. torch's random numbers on the CPU have the same seed at each call.

    Raises:
        GanZooError: an unknown input or field, a field that does not fit, or a name that is taken.
    """
    check_known("input of a metric", on, INPUTS)

    def decorate(function: Function) -> Function:
        if not inspect.isfunction(function):
            raise GanZooError(f"metric {name!r} is a {type(function).__name__}; decorate a function(fake, real)")
        paragraph = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        facts = {
            "title": str(name),
            "range": _range(record.get("bounds")),
            "meaning": paragraph or "Not described.",
            "limitations": "Not described.",
            "source": Path(inspect.getfile(function)).name,
            "needs": () if on == "features" else (on,),
        }
        register(**{**facts, **record, "name": name, "better": better})(_compare(name, function, on))
        return function

    return decorate


def _range(bounds: Any) -> str:
    """The range of a metric in words: ``0 to infinity``."""
    low, high = bounds if isinstance(bounds, (tuple, list)) and len(bounds) == 2 else (None, None)
    return f"{'-infinity' if low is None else low} to {'infinity' if high is None else high}"


def _compare(name: str, function: Function, on: str) -> Callable[[Comparison], float]:
    """The function as one of a `Comparison`; its errors are one line."""

    @functools.wraps(function)
    def metric(compared: Comparison) -> float:
        # Copies: the real ones serve all evaluations.
        fake, real = (side.clone() for side in compared.pair(on))
        file = inspect.getfile(function)
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.default_generator.manual_seed(0)
                value = function(fake, real)
        except _NOT_THE_FUNCTION:
            raise
        except BaseException as error:
            raise MetricError(f"metric {name!r} failed: {one_line(error)}; fix it in {file}") from error
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise MetricError(f"metric {name!r} returned {shown(value)}; return one number in {file}") from None

    return metric
