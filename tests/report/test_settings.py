"""Settings against the paper and against the default: two marks, from records of any version."""

import pandas as pd
import pytest

from gan_zoo import registry
from gan_zoo.bench import suite_variants
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.results import Results
from gan_zoo.bench.suite import SHIPPED, read_suite
from gan_zoo.registry import describe
from gan_zoo.report.settings import ALL, marks, notes, settings


def results_of(begins, suite):
    """Results whose records begin with these rows, by variant, at preset quick."""
    records = [RunRecord(name, begin={"variant": name, "seed": 0, **begin}) for name, begin in begins.items()]
    frames = dict.fromkeys(("runs", "history", "metrics", "summary", "contrasts"), pd.DataFrame())
    return Results(**frames, manifest={"preset": "quick", "suite": suite}, records=records)


def suite_results(name):
    """The results of a shipped suite at preset quick, with the rows that its runs begin with."""
    suite = read_suite(SHIPPED / f"{name}.toml")
    preset = suite.preset("quick")
    begins = {}
    for each in preset.variants or suite.variants:
        variant = suite_variants.make_variant(each, suite, preset)
        begins[each] = {
            "paper": variant.paper,
            "deviations": list(variant.deviations),
            "overrides": list(suite_variants.list_overrides(each, suite, preset, "fp32")),
            "identity": {"variant": describe(variant)},
        }
    return results_of(begins, suite.model_dump(mode="json"))


def rows(results, variant):
    return {each.name: each for each in settings(results) if variant in each.variants}


def test_marks_of_dcgan_in_the_mnist_suite():
    found = rows(suite_results("mnist"), "dcgan")
    expected = {
        "initialization": ("normal 0.02", "default", "normal 0.02", False, True),
        "batch_size": ("128", "512", "32", True, True),
        "width": ("128", "128", "16", True, True),
        "latent": ("100 uniform [-1, 1)", "100 uniform [0, 1)", "100 normal", True, True),
        "ema": ("", "none", "0.99", None, True),
        "budget": ("", "200 epochs", "64,000 images", None, True),
    }
    for name, values in expected.items():
        each = found[name]
        assert (each.paper, each.default, each.this_run, each.differs_from_paper, each.differs_from_default) == values
    assert (found["networks"].mark, found["initialization"].mark, found["width"].mark) == ("‡", "†", "†‡")
    assert found["budget"].variant == found["ema"].variant == ALL


def test_a_rule_switched_off_differs_from_the_paper_alone():
    results = suite_results("dcgan_rules")
    assert {name: each.mark for name, each in rows(results, "relu").items() if each.this_run == "relu"} == {
        "activation": "‡"
    }
    assert (rows(results, "normal_latents")["latent"].mark, rows(results, "relu")["latent"].mark) == ("‡", "")
    width = rows(results, "small_generator")["generator_width"]
    assert (width.default, width.this_run, width.variant, width.mark) == ("32", "4", "small_generator", "†‡")
    assert rows(results, "relu")["generator_width"].variant == "all but small_generator"


def test_networks_that_the_suite_replaced_are_not_described():
    results = suite_results("losses")
    found = settings(results)
    (backbone,) = [each for each in found if each.name == "backbone"]
    assert (backbone.variant, backbone.this_run, backbone.differs_from_paper) == (
        ALL,
        "dcgan, norm layer, width 16",
        None,
    )
    assert not [each for each in found if each.name in ("networks", "width")]
    assert (rows(results, "began")["batch_size"].mark, rows(results, "wgan")["discriminator_steps"].mark) == ("†‡", "")
    assert "gradient vanishes" in notes(results)["mmgan"]
    assert not [each for each in found if "vanishes" in each.this_run]


OLD = {
    "paper": "arXiv 1511.06434",
    "overrides": ["batch_size 32, not 512", "initialization normal 0.02, not default", "a note, not a setting's"],
    "deviations": [
        "batch 512 (paper: 128)",
        "PyTorch's default weights (paper: N(0, 0.02))",
        "something <b>else</b> (paper: not (this))",
    ],
}


def test_old_records():
    results = results_of({"dcgan": OLD}, {"presets": {"quick": {"notes": {"dcgan": OLD["overrides"][2]}}}})
    found = rows(results, "dcgan")
    assert {name: each.mark for name, each in found.items()} == {
        "batch_size": "†‡",
        "initialization": "†",
        "other": "‡",
    }
    assert (found["other"].this_run, found["other"].paper) == ("something <b>else</b>", "not (this)")
    assert marks(results) == {"dcgan": "†‡"}


@pytest.mark.parametrize("identity", [{}, {"variant": 5}, {"variant": {"latent": ["<b>"], "ema": {"a": [None]}}}])
def test_an_identity_of_any_shape(identity):
    results = results_of({"gan": {"identity": identity, "overrides": ["free text"]}}, {"presets": [], "named": 5})
    assert rows(results, "gan")["other"].this_run == "free text"
    assert marks(results) == {"gan": "†"}


@pytest.mark.parametrize("name", registry.names())
def test_deviations_name_their_setting(name):
    if not registry.is_own(name):
        pytest.skip("a plugin's")
    for line in registry.get(name).deviations:
        setting, colon, value = line.partition(": ")
        assert colon
        assert len(setting) <= 40
        if setting in ("batch_size", "latent", "initialization", "ema"):
            ours = getattr(registry.get(name), setting)
            assert value.partition(" (paper")[0].partition(" (authors")[0] == ("none" if ours is None else str(ours))
