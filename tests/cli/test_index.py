"""The index of variants and data sets is that of the registry, and is merged with what plugins add."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from gan_zoo import registry
from gan_zoo.cli import facts, index
from gan_zoo.errors import GanZooError

RENEW = "run `make index`"


def test_the_index_is_that_of_the_registry():
    assert json.loads(index.FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(facts.index())), RENEW


def test_the_table_of_the_readme_is_that_of_the_index():
    readme = facts.README.read_text(encoding="utf-8")
    if facts.BEGIN not in readme:
        pytest.skip("the README has no markers")
    assert facts.with_table(readme, facts.readme_table(index.read()["variants"])) == readme, RENEW


def test_only_what_stands_between_the_markers_is_replaced():
    readme = f"a\n{facts.BEGIN}\nold\n{facts.END}\nb\n"
    assert facts.with_table(readme, "| new |") == f"a\n{facts.BEGIN}\n| new |\n{facts.END}\nb\n"
    for text in ("a\n", f"a\n{facts.BEGIN}\nb\n"):
        assert facts.with_table(text, "| new |") == text


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


def test_a_variant_that_is_newer_than_the_index_is_known(monkeypatch):
    fewer = {**index.read(), "variants": [each for each in index.read()["variants"] if each["name"] != "cgan"]}
    monkeypatch.setattr(index, "read", lambda: fewer)
    index.check_variants(["cgan"], None)
    assert index.record("cgan", None)["title"] == "CGAN"
    assert [record["name"] for record in index.records(None)][:2] == ["gan", "cgan"]


def test_every_variant_of_the_sources_is_found():
    """`names` looks for a decorator at the beginning of a line."""
    sources = (file.read_text(encoding="utf-8") for file in Path(index.FILE.parent).glob("*.py"))
    found = {name for source in sources for name in re.findall(r'@register\(\s*"([^"]+)"', source)}
    assert found == index.names(None)


@pytest.mark.parametrize("name", ["mnist", "folder:/somewhere", "folder:"])
def test_data_sets_that_are_known(name):
    index.check_data(name)


@pytest.mark.parametrize("name", ["mnits", "foldr:x"])
def test_data_sets_that_are_not(name):
    with pytest.raises(GanZooError, match="unknown data set"):
        index.check_data(name)
