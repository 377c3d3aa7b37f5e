"""Metrics and extractors of plugins: functions that join those of this package."""

import contextlib
import functools
import hashlib
import inspect
import linecache
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_zoo import plugins
from gan_zoo.data import match_channels, resize
from gan_zoo.device import seeded
from gan_zoo.errors import GanZooError, check_known, one_line, shown
from gan_zoo.metrics.classifier import SIDE
from gan_zoo.metrics.features import EXTRACTORS, Extractor, MetricError
from gan_zoo.metrics.reference import Comparison
from gan_zoo.metrics.registry import METRICS, names_for, register

INPUTS = ("features", "logits", "images")
"""What a metric can be a function of."""
_RESERVED = frozenset({"own", "trained", "density", "real"})
"""Names that suites give a meaning of their own."""
_NOT_THE_FUNCTION = (KeyboardInterrupt, torch.AcceleratorError)
"""Errors that end the process. Lack of memory is the function's: it says nothing about the variant."""

Function = Callable[[Tensor, Tensor], Any]
Encode = Callable[[Tensor], Any]


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
            with _repeatable():
                value = function(fake, real)
        except _NOT_THE_FUNCTION:
            raise
        except BaseException as error:
            raise MetricError(f"metric {name!r} failed: {one_line(error)}; fix it in {file}") from error
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
            raise MetricError(f"metric {name!r} returned {what}, not one number; fix it in {file}") from None

    return metric


@contextlib.contextmanager
def _repeatable() -> Iterator[None]:
    """torch's random numbers on the CPU with the same seed, and no gradients."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        yield


@dataclass(frozen=True)
class _Registered:
    make: Callable[[torch.device], Encode]
    metrics: tuple[str, ...] | None


_registered: dict[str, _Registered] = {}
plugins.add_table("extractors", lambda: _registered, lambda entry: entry.make)


def extractor_names() -> list[str]:
    """The names of the extractors of plugins."""
    return sorted(_registered)


def register_extractor(
    name: str, *, metrics: Sequence[str] | None = None
) -> Callable[[Callable[[torch.device], Encode]], Callable[[torch.device], Encode]]:
    """Register a function ``make(device)``, which returns a network or another function, as an extractor.

    What it returns gets images, uint8 (B, 3, 32, 32) on the device, and returns features (B, D), or features and logits
    (B, K). Suites name it in ``extractors``, ``gan-zoo evaluate`` in ``--extractors``. The source file and, of a
    ``torch.nn.Module``, the weights are part of what identifies a measurement.

    Args:
        name: the name in suites and tables.
        metrics: the metrics that are computed from it; by default those of Inception, the Inception Score with logits
            alone, and those of plugins.

    torch's random numbers on the CPU have the same seed at each call.

    Raises:
        GanZooError: a name that is taken, or that cannot be one, or an unknown metric.
    """
    if not re.fullmatch(r"[\w][\w.-]{0,79}", name, re.ASCII) or name in _RESERVED:
        raise GanZooError(
            f"{shown(name)} cannot name an extractor: use up to 80 letters, digits, '_', '-' and '.', and none of "
            f"{', '.join(sorted(_RESERVED))}"
        )
    for metric in metrics or ():
        check_known("metric", metric, [name for name, each in METRICS.items() if each.kind == "images"])

    def decorate(make: Callable[[torch.device], Encode]) -> Callable[[torch.device], Encode]:
        if not inspect.isfunction(make):
            raise GanZooError(f"extractor {name!r} is a {type(make).__name__}; decorate a function make(device)")
        taken = _registered.get(name)
        if name in EXTRACTORS or (taken is not None and not plugins.is_same(taken.make, make)):
            raise GanZooError(f"extractor {name!r} is registered already; choose another name")
        _registered[name] = _Registered(make, None if metrics is None else tuple(metrics))
        return make

    return decorate


@dataclass(frozen=True, kw_only=True)
class CustomExtractor(Extractor):
    """An `Extractor` around what the function of a plugin returns.

    Attributes:
        make: the function of the plugin, whose source is part of what identifies a measurement.
        function: what it returned.
        file: the plugin.
    """

    make: Callable[..., Any]
    function: Encode
    file: str

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (B, D), and logits (B, K) or None, of images resized to 32x32, with 3 channels."""
        try:
            with _repeatable():
                found = self.function(match_channels(resize(images, SIDE), 3).to(self.device))
        except _NOT_THE_FUNCTION:
            raise
        except BaseException as error:
            raise self._error(f"failed: {one_line(error)}") from error
        vectors, logits = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        for part in (vectors, logits):
            if part is not None and not (isinstance(part, Tensor) and part.dim() == 2 and len(part) == len(images)):
                what = f"a tensor {tuple(part.shape)}" if isinstance(part, Tensor) else shown(part)
                raise self._error(f"returned {what} for {len(images)} images, not features (B, D)")
        if not isinstance(vectors, Tensor):
            raise self._error("returned None, not features (B, D)")
        return vectors, logits

    def _error(self, problem: str) -> MetricError:
        return MetricError(f"extractor {self.name!r} {problem}; fix it in {self.file}")


def load_custom(name: str, device: torch.device) -> CustomExtractor:
    """The extractor of a plugin.

    Raises:
        MetricError: its function fails, or returns no features.
    """
    entry = _registered[name]
    file = inspect.getfile(entry.make)
    try:
        with _repeatable():
            function = entry.make(device)
    except _NOT_THE_FUNCTION:
        raise
    except BaseException as error:
        raise MetricError(f"extractor {name!r} failed: {one_line(error)}; fix it in {file}") from error
    # linecache has the source of a notebook's cells.
    source = Path(file).read_bytes() if Path(file).is_file() else "".join(linecache.getlines(file)).encode()
    digest = hashlib.sha256(source)
    if isinstance(function, nn.Module):
        function.to(device).eval().requires_grad_(False)
        for key, tensor in sorted(function.state_dict().items()):
            digest.update(key.encode() + tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    if not callable(function):
        raise MetricError(f"extractor {name!r} is {shown(function)}; return a function of images in {file}")
    bare = CustomExtractor(
        name=name,
        digest=digest.hexdigest(),
        metrics=(),
        minimum_n=1,
        device=device,
        make=entry.make,
        function=function,
        file=file,
    )
    noise = torch.randint(256, (4, 3, SIDE, SIDE), generator=seeded(0, "probe"))
    features = bare.encode(noise.to(torch.uint8))
    metrics = names_for("inception") if entry.metrics is None else entry.metrics
    if features.logits is None:
        metrics = tuple(each for each in metrics if "logits" not in METRICS[each].needs)
    # Whatever the features depend on, cached ones of real images are of the same function.
    probe = hashlib.sha256(features.vectors.cpu().numpy().tobytes()).hexdigest()
    return replace(bare, metrics=metrics, minimum_n=features.vectors.shape[1] + 1, probe=probe)
