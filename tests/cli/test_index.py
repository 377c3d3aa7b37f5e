"""The index of variants and data sets is that of the registry, and is merged with what plugins add."""

import importlib.metadata
import inspect
import json
import re

import pytest

from gan_zoo import losses, registry
from gan_zoo.cli import facts, index
from gan_zoo.errors import GanZooError
from gan_zoo.networks import BACKBONES
from gan_zoo.variants import INDEX, read_index


def test_the_index_is_that_of_the_registry():
    assert json.loads(INDEX.read_text(encoding="utf-8")) == json.loads(json.dumps(facts.index())), "`make index`"


def test_the_table_of_the_readme_is_that_of_the_index():
    readme = facts.README.read_text(encoding="utf-8")
    assert facts.with_table(readme, "variants", facts.readme_table(read_index()["variants"])) == readme, "`make index`"
    metrics = facts.METRICS_PAGE.read_text(encoding="utf-8")
    assert facts.with_table(metrics, "metrics", facts.metrics_table()) == metrics, "`make index`"
    variants = facts.VARIANTS_PAGE.read_text(encoding="utf-8")
    for name, table in (("backbones", facts.backbones_table()), ("building_blocks", facts.building_blocks())):
        assert facts.with_table(variants, name, table) == variants, "`make index`"
    findings = facts.FINDINGS_PAGE.read_text(encoding="utf-8")
    assert facts.with_table(findings, "findings", facts.findings_table()) == findings, "`make results`"
    begin, end = "<!-- x:begin -->", "<!-- x:end -->"
    assert facts.with_table(f"a\n{begin}\nold\n{end}\nb\n", "x", "| new |") == (f"a\n{begin}\n| new |\n{end}\nb\n")


def test_every_loss_penalty_and_latent_is_listed_by_its_import_name():
    table = facts.building_blocks()
    assert "| `gan_zoo.losses` | `least_squares(*, probability)` | Least squares" in table
    assert "| `gan_zoo.losses.penalties` | `zero_centered(on, weight=10.0)` |" in table
    assert "| `gan_zoo.latent` | `normal(size, name='noise')` | Standard normal values. |" in table
    assert "parse" not in table
    listed = set(re.findall(r"\| `(\w+)\(", table))
    functions = {name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
    assert functions <= listed
    assert {"gradient_penalty", "noise_penalty", "uniform", "truncated_normal", "categorical"} <= listed
    assert all(f"| `{name}` |" in facts.backbones_table() for name in BACKBONES)


def test_a_plugin_is_listed_in_its_group(toys):
    found = [record["name"] for record in index.records([toys])]
    assert sorted(found) == registry.names()
    assert found[:3] == ["gan", "cgan", "dcgan"]
    assert index.record("by_heart", [toys])["title"] == registry.get("by_heart").title


def test_an_installed_plugin_is_found(own_registry, monkeypatch):
    """The registry knows what the packages of the entry point registered."""
    registry.register("installed")(lambda: registry.get("gan"))
    with pytest.raises(GanZooError, match="unknown variant 'installed'"):
        index.check_variants(["installed"], None)
    point = importlib.metadata.EntryPoint("x", "json", "gan_zoo.variants")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group else [])
    index.check_variants(["installed"], None)
    assert "installed" in [record["name"] for record in index.records(None)]


def test_variants_and_data_sets_that_are_newer_than_the_index_are_known(monkeypatch):
    variants = [each for each in read_index()["variants"] if each["name"] != "cgan"]
    data = {name: text for name, text in read_index()["data"].items() if name != "mnist"}
    older = {**read_index(), "variants": variants, "data": data}
    monkeypatch.setattr(index, "read_index", lambda: older)
    assert index.names(None) == set(registry.names())
    assert index.record("cgan", None)["title"] == "CGAN"
    assert [record["name"] for record in index.records(None)][:2] == ["gan", "cgan"]
    index.check_data("mnist")


@pytest.mark.parametrize("name", ["mnits", "foldr:x"])
def test_an_unknown_data_set(name):
    index.check_data("folder:/somewhere")
    with pytest.raises(GanZooError, match="unknown data set"):
        index.check_data(name)
