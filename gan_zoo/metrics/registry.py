"""The metrics by name, one record each: what tables and the report say of it, and the function that computes it.

A metric is a function with the decorator `register` in a module of this package, or with `register_metric` in a plugin.
The records of this package are read from the source text of the decorators, because the modules import torch and the
report does not.
"""

import ast
import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, field_validator

from gan_zoo import plugins
from gan_zoo.checked import Checked, Finite, Name, Text, fault
from gan_zoo.errors import GanZooError, shown

PRIMARY = {"images": "fid", "points": "jsd"}
"""The metric by which variants are ranked and the best evaluation is chosen, by the kind of samples."""

FEW_IMAGES = 2_000
"""With fewer images in the reference of a data set without a shipped extractor, KID ranks: FID is mostly bias."""
MOST_CLASS_COUNTS = 100
"""The most classes whose counts of images are recorded at each evaluation."""
_ARROWS = {"lower": "↓", "higher": "↑", "half": "½"}
Function = TypeVar("Function", bound=Callable[..., float])


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The record of a metric.

    Attributes:
        name: the name in records, tables and suites.
        title: the name in text.
        better: which values are better; ``half``: those near one half.
        range: the possible values, as text.
        meaning, limitations, source: sentences for the report, and the paper.
        bounds: the least and the largest value, at which intervals are cut: None if unbounded, ``classes`` for the
            number of classes.
        log: whether the mean over seeds is geometric and its interval is taken on the logarithm.
        needs: inputs beside the features: ``logits``, ``images``, ``labels`` (the requested classes), ``training`` (the
            features of the training images); of points ``discriminator`` (its output, if it can be compared with D*).
        extractors: the kinds of extractors whose features it is computed from; ``density`` for points.
        kind: the kind of samples.
        order: its position in tables; metrics of one position are sorted by name.
        in_ranking: whether the table of the ranking has it; the table of all metrics always has.
        module: the module that registers it; empty if it is only known from the manifest of a results folder.
    """

    name: str
    title: str
    better: Literal["lower", "higher", "half"]
    range: str
    meaning: str
    limitations: str
    source: str
    bounds: tuple[float | None, float | Literal["classes"] | None] = (None, None)
    log: bool = False
    needs: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ("classifier", "stacked", "inception")
    kind: Literal["images", "points"] = "images"
    order: int = 100
    in_ranking: bool = True
    module: str = ""

    @property
    def arrow(self) -> str:
        """The direction that is better, as one character; ½ where one half is best."""
        return _ARROWS[self.better]

    def limits(self, classes: int | None = None) -> tuple[float, float]:
        """The least and the largest value for data of so many classes; infinite where it is unbounded."""
        low, high = self.bounds
        if high == "classes":
            high = classes
        return -math.inf if low is None else float(low), math.inf if high is None else float(high)

    def compute(self, inputs: Any) -> float:
        """The value for a `Comparison` of images, or for `Points`."""
        if self.name not in _FUNCTIONS:
            importlib.import_module(self.module)
        return float(_FUNCTIONS[self.name](inputs))


class MetricRecord(BaseModel):
    """The record of a metric in a manifest, which may come from anyone."""

    model_config = Checked.model_config

    name: Name
    title: Text
    better: Literal["lower", "higher", "half"]
    range: Text
    meaning: Text
    limitations: Text
    source: Text
    bounds: tuple[Finite | None, Finite | Literal["classes"] | None] = (None, None)
    log: bool = False
    needs: list[Text] = []
    extractors: list[Text] = []
    kind: Literal["images", "points"] = "images"
    order: Annotated[int, Field(ge=-1000, le=1000)] = 0
    in_ranking: bool = True

    @field_validator("bounds", mode="before")
    @classmethod
    def _as_tuple(cls, bounds: Any) -> Any:
        return tuple(bounds) if isinstance(bounds, list) else bounds


_FUNCTIONS: dict[str, Callable[..., float]] = {}
plugins.add_table("metrics", lambda: METRICS, lambda metric: _FUNCTIONS.get(metric.name))
plugins.add_table("functions of metrics", lambda: _FUNCTIONS)


def register(**record: Any) -> Callable[[Function], Function]:
    """Register a function of a `Comparison` (or of `Points`) as a metric; the keywords are the fields of `Metric`.

    In a module of this package they must be literals.

    Raises:
        GanZooError: an unknown or a missing keyword, or a name that another module has registered.
    """

    def decorate(function: Function) -> Function:
        metric = _metric({**record, "module": function.__module__})
        known = METRICS.get(metric.name)
        if known is not None and known.module not in ("", metric.module):
            raise GanZooError(f"metric {metric.name!r} is registered by {known.module} already; choose another name")
        _add(metric)
        _FUNCTIONS[metric.name] = function
        return function

    return decorate


def _add(metric: Metric) -> None:
    METRICS[metric.name] = metric
    ordered = sorted(METRICS.values(), key=_place)
    METRICS.clear()
    METRICS.update({each.name: each for each in ordered})


def _place(metric: Metric) -> tuple[int, str]:
    return metric.order, metric.name


def code_of(name: str) -> Callable[..., float] | None:
    """The function of a metric that is not of this package."""
    return None if is_own(name) else _FUNCTIONS.get(name)


def is_own(name: str) -> bool:
    """Whether a metric is part of this package."""
    return METRICS[name].module.startswith(f"{__package__}.")


def names_for(extractor: str) -> tuple[str, ...]:
    """The metrics that are computed from the features of a kind of extractor, in the order of tables."""
    return tuple(name for name, metric in METRICS.items() if extractor in metric.extractors and metric.module)


def records_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The records of metrics as JSON, for the manifest of a results folder."""
    chosen = set(names)
    return {name: asdict(metric) | {"module": ""} for name, metric in METRICS.items() if name in chosen}


def add_records(records: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the metrics of a manifest that are not registered here, so that tables and the report can name them.

    Raises:
        GanZooError: a record lacks a field.
    """
    # A metric of others has no module here that could be imported.
    known = {field.name for field in fields(Metric)} - {"module"}
    for name, record in records.items():
        if name not in METRICS:
            _add(_metric({key: value for key, value in record.items() if key in known}))


def _metric(record: Mapping[str, Any]) -> Metric:
    facts: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    try:
        metric = Metric(**facts)
    except TypeError as error:
        raise GanZooError(f"record of metric {record.get('name')!r}: {error}; see gan_zoo.metrics.registry") from error
    content = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(metric).items()}
    if wrong := fault(MetricRecord, content):
        raise GanZooError(f"record of metric {shown(metric.name)}: {wrong}")
    return metric


def _shipped() -> Iterable[Metric]:
    """The records of this package, without an import of its modules."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for statement in ast.parse(text).body if "@register(" in text else []:
            for decorator in getattr(statement, "decorator_list", []):
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "register":
                    record = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in decorator.keywords}
                    yield _metric({**record, "module": f"{__package__}.{path.stem}"})


METRICS: dict[str, Metric] = {metric.name: metric for metric in sorted(_shipped(), key=_place)}
"""The metrics by name, in the order of tables."""
