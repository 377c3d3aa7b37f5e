"""Metrics of plugins: what their functions get, what they may return, and how far they reach."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vectors import features

import gan_zoo
from gan_zoo import registry
from gan_zoo.bench.compare import SAME, compare
from gan_zoo.bench.identity import measurement
from gan_zoo.data import Split
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import registry as metric_registry
from gan_zoo.metrics.custom import register_metric
from gan_zoo.metrics.evaluator import Evaluator, measure
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.registry import METRICS

PLUGIN = '''
import gan_zoo

@gan_zoo.register_metric("mean_gap", better="lower", bounds=(0, None))
def mean_gap(fake, real):
    """Distance of the means.

    More.
    """
    return (fake.mean(0) - real.mean(0)).norm(){more}
'''


@pytest.fixture(autouse=True)
def _own(own_registry: None) -> None:
    """What a test registers is gone after it."""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., Path]:
    def write(more: str = "", text: str = PLUGIN) -> Path:
        path = tmp_path / "my_metric.py"
        path.write_text(text.replace("{more}", more))
        return path

    return write


def test_a_plugin_file_adds_a_record_like_those_of_the_package(plugin: Callable[..., Path]) -> None:
    assert registry.load_plugin(plugin()) == []
    metric = METRICS["mean_gap"]
    assert list(METRICS)[-1] == "mean_gap"
    assert (metric.title, metric.better, metric.bounds, metric.in_ranking) == ("mean_gap", "lower", (0, None), True)
    assert (metric.meaning, metric.range, metric.source) == ("Distance of the means.", "0 to infinity", "my_metric.py")
    fake, real = features(seed=1), features(seed=2)
    expected = float((fake.vectors.mean(0) - real.vectors.mean(0)).norm())
    assert measure(fake, real, names=["mean_gap"]) == {"mean_gap": expected}
    assert "mean_gap" in load_extractor("digits-cnn").metrics


def test_an_edit_is_another_measurement_and_a_comment_is_none(plugin: Callable[..., Path]) -> None:
    from gan_zoo import data

    digits = data.load("digits")

    def identity() -> dict[str, Any]:
        registry.load_plugin(plugin_path)
        return measurement(load_extractor("digits-cnn"), digits, 140, "fid", {})

    without = measurement(load_extractor("digits-cnn"), digits, 140, "fid", {})
    plugin_path = plugin()
    first = identity()
    plugin("  # a comment")
    assert identity() == first
    plugin(" * 2")
    assert identity() != first
    assert without == {key: value for key, value in first.items() if key != "plugins"}


def test_an_edit_of_a_metric_beside_a_variant_trains_nothing_again(plugin: Callable[..., Path]) -> None:
    text = PLUGIN + '\n@gan_zoo.register("mine")\ndef mine():\n    return gan_zoo.get("gan", batch_size=4)\n'
    assert registry.load_plugin(plugin(text=text)) == ["mine"]
    before = registry.code_identity("mine")
    registry.load_plugin(plugin(" * 2", text=text))
    assert registry.code_identity("mine") == before
    registry.load_plugin(plugin(text=text.replace("batch_size=4", "batch_size=5")))
    assert registry.code_identity("mine") != before


def test_an_edit_of_a_metric_that_a_variant_uses_trains_again(plugin: Callable[..., Path]) -> None:
    text = PLUGIN + '\n@gan_zoo.register("mine")\ndef mine():\n    mean_gap\n    return gan_zoo.get("gan")\n'
    registry.load_plugin(plugin(text=text))
    before = registry.code_identity("mine")
    registry.load_plugin(plugin(" * 2", text=text))
    assert registry.code_identity("mine") != before


def test_a_file_that_is_loaded_again_replaces_its_metrics_and_a_broken_one_leaves_them(
    plugin: Callable[..., Path],
) -> None:
    registry.load_plugin(plugin())
    before = dict(METRICS)
    plugin(text=PLUGIN.replace('"mean_gap"', '"renamed"'))
    registry.load_plugin(plugin(text=PLUGIN.replace('"mean_gap"', '"renamed"')))
    assert "mean_gap" not in METRICS
    with pytest.raises(GanZooError, match="ZeroDivisionError"):
        registry.load_plugin(plugin(text=PLUGIN + "\n1 / 0\n"))
    assert set(METRICS) == {*before, "renamed"} - {"mean_gap"}
    assert "mean_gap" not in metric_registry._FUNCTIONS


@pytest.fixture
def sets() -> tuple[Split, Split]:
    images = torch.randint(256, (300, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.zeros(300, dtype=torch.int64)
    return Split(images, labels), Split(images.flip(0), labels)


@pytest.mark.parametrize(
    ("on", "shape"), [("features", (140, 128)), ("logits", (140, 10)), ("images", (140, 1, 32, 32))]
)
def test_a_function_gets_features_logits_or_images(sets: tuple[Split, Split], on: str, shape: tuple[int, ...]) -> None:
    seen = []

    @register_metric("spy", better="higher", on=on)
    def spy(fake: Tensor, real: Tensor) -> Tensor:
        seen.append((tuple(fake.shape), tuple(real.shape), fake.dtype))
        real.zero_()  # a copy
        return torch.randn(())

    evaluator = Evaluator(*sets, (load_extractor("digits-cnn"),), 140)
    (first,), (second,) = evaluator.floor(0), evaluator.floor(0)
    assert seen == [(shape, shape, torch.uint8 if on == "images" else torch.float32)] * 2
    assert first["values"] == second["values"]
    del METRICS["spy"]
    (plain,) = Evaluator(*sets, (load_extractor("digits-cnn"),), 140).floor(0)
    assert plain["values"] == {name: value for name, value in first["values"].items() if name != "spy"}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda fake, real: 1 / 0, "metric 'bad' failed: ZeroDivisionError"),
        (lambda fake, real: exit("gone"), "metric 'bad' failed: SystemExit: gone"),
        (lambda fake, real: fake, r"metric 'bad' returned a tensor of shape \(.*\), not one number"),
        (lambda fake, real: None, "metric 'bad' returned None, not one number; fix it in .*test_custom.py"),
        (lambda fake, real: [0] * 10**14, "metric 'bad' failed: MemoryError"),
    ],
)
def test_what_a_function_does_wrong_is_one_line(function: Callable[..., Any], words: str) -> None:
    register_metric("bad", better="lower")(function)
    with pytest.raises(GanZooError, match=words) as caught:
        measure(features(seed=1), features(seed=2), names=["bad"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "fid"}, "'fid' is registered"),
        ({"name": "../x"}, "key 'name'"),
        ({"better": "sideways"}, "sideways"),
        ({"on": "pixels"}, "unknown input of a metric 'pixels'"),
        ({"bounds": (0,)}, "key 'bounds.1' is missing"),
        ({"title": 3}, "key 'title'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(given: dict[str, Any], words: str) -> None:
    before = dict(METRICS)
    with pytest.raises(GanZooError, match=words):
        register_metric(**{"name": "mine", "better": "lower"} | given)(lambda fake, real: 0.0)
    assert before == METRICS


def test_it_reaches_csv_ranking_and_report_and_an_edit_measures_again_alone(
    bench: Callable[..., Any], toys: Path, plugin: Callable[..., Path], tmp_path: Path
) -> None:
    from gan_zoo.bench.tables import read_results
    from gan_zoo.report.tables import ranking_table

    outcome = bench(plugins=[toys, plugin()])
    runs = outcome.results.runs
    assert {"final_mean_gap_digits-cnn", "best_mean_gap_digits-cnn"} <= set(runs.columns)
    assert set(outcome.results.metrics.query("metric == 'mean_gap'")["variant"]) == {"real", "by_heart", "sibling"}
    assert "mean_gap" in ranking_table(read_results(tmp_path / "out")).columns
    again = bench(plugins=[toys, plugin(" * 2")]).results
    column = "final_mean_gap_digits-cnn"
    trained = runs["variant"] != "real"
    assert again.runs.loc[trained, column].tolist() == pytest.approx((2 * runs.loc[trained, column]).tolist())
    assert again.runs["seconds"].tolist() == runs["seconds"].tolist()
    # Without the plugin, its record in the manifest describes it.
    del METRICS["mean_gap"]
    assert "mean_gap" in gan_zoo.read_results(tmp_path / "out").summary["metric"].tolist()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["metrics"]["mean_gap"]["better"] == "lower"


def test_a_metric_that_fails_ends_the_run_and_its_repair_trains_nothing_again(
    bench: Callable[..., Any], toys: Path, plugin: Callable[..., Path], tmp_path: Path
) -> None:
    failed = bench(plugins=[toys, plugin(" / 'text'")], seeds=[0])
    assert all("metric 'mean_gap' failed: TypeError" in line for line in failed.errors)
    assert set(failed.results.runs["status"]) == {"error"}
    fixed = bench(plugins=[toys, plugin()], seeds=[0]).results
    assert set(fixed.runs["status"]) == {"ok"}
    resumed = [path for path in (tmp_path / "out" / "records").glob("*.jsonl") if '"resume"' in path.read_text()]
    assert len(resumed) == 2


def test_a_run_is_the_same_run_after_a_metric_was_added(
    bench: Callable[..., Any], toys: Path, plugin: Callable[..., Path], tmp_path: Path
) -> None:
    bench("one", seeds=[0])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    bench("two", seeds=[0], plugins=[toys, plugin()])
    assert compare([tmp_path / "one", tmp_path / "two"]).contrasts["verdict"].tolist() == [SAME] * 2
