"""The records of metrics: complete, readable without torch, and one file for a new metric."""

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vectors import features

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import registry
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.registry import METRICS, Metric, add_records, names_for, records_of, register

FACTS = {
    "name": "distance",
    "title": "Distance",
    "better": "lower",
    "range": "0 to infinity",
    "bounds": (0, None),
    "meaning": "Distance of the first features.",
    "limitations": "Only two images.",
    "source": "none",
}
MODULE = f"""
from gan_zoo.metrics.registry import register

@register(**{FACTS!r}, extractors=("classifier",))
def distance(compared):
    return (compared.fake.vectors[0] - compared.real.features.vectors[0]).norm()
"""


@pytest.fixture(autouse=True)
def own_metrics() -> Iterator[None]:
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)
    registry._FUNCTIONS.pop("distance", None)
    sys.modules.pop("distance_metric", None)


def test_every_metric_is_described_and_has_a_function() -> None:
    orders = [metric.order for metric in METRICS.values()]
    assert orders == sorted(orders)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert all((metric.title, metric.range, metric.meaning, metric.limitations, metric.source, metric.arrow))
        importlib.import_module(metric.module)
        assert callable(registry._FUNCTIONS[name])
        assert METRICS[name] == metric


def test_limits_are_those_of_the_range() -> None:
    assert METRICS["fid"].limits() == (-math.inf, math.inf)
    assert METRICS["is"].limits() == (1.0, math.inf)
    assert METRICS["jsd"].limits() == (0.0, math.log(2))
    assert METRICS["modes_found"].limits(8) == (0.0, 8.0)
    assert METRICS["modes_found"].limits(None) == (0.0, math.inf)


def test_records_are_read_without_torch() -> None:
    code = "import sys, gan_zoo.metrics.registry as r; assert len(r.METRICS) > 15 and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_with_a_function_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "distance_metric.py").write_text(MODULE)
    importlib.import_module("distance_metric")
    assert list(METRICS)[-1] == names_for("classifier")[-1] == "distance"
    assert "distance" not in names_for("stacked")
    fake, real = features(seed=1), features(seed=2)
    expected = float((fake.vectors[0] - real.vectors[0]).norm())
    assert measure(fake, real, names=["distance"]) == {"distance": expected}


def test_a_decorator_in_the_package_is_found_in_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keywords = ", ".join(f"{key}={value!r}" for key, value in FACTS.items())
    (tmp_path / "new.py").write_text(f"import torch\n\n@register({keywords})\ndef distance(compared): ...\n")
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    (metric,) = registry._shipped()
    assert (metric.name, metric.module, metric.bounds) == ("distance", "gan_zoo.metrics.new", (0, None))


def test_a_manifest_describes_metrics_that_are_not_registered() -> None:
    METRICS["distance"] = Metric(**FACTS, module="somewhere")
    manifest = json.loads(json.dumps(records_of(["distance", "fid"])))
    del METRICS["distance"]
    fid = METRICS["fid"]
    add_records({**manifest, "distance": manifest["distance"] | {"of a later version": 1}})
    assert METRICS["fid"] is fid
    assert METRICS["distance"] == Metric(**FACTS)
    assert "distance" not in names_for("classifier")
    with pytest.raises(GanZooError, match="title"):
        add_records({"other": {"name": "other"}})


def test_bad_registrations_are_refused() -> None:
    with pytest.raises(GanZooError, match="'fid' is registered"):
        register(**FACTS | {"name": "fid"})(lambda compared: 0.0)
    with pytest.raises(GanZooError, match="sideways"):
        register(**FACTS | {"better": "sideways"})(lambda compared: 0.0)
    with pytest.raises(GanZooError, match="colour"):
        register(**FACTS, colour="red")(lambda compared: 0.0)
