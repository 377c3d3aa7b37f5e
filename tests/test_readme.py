"""What the README says is so: its plugin works, its tables are those of the code, its results are those on disk."""

import json
import re
from pathlib import Path

import pytest

from gan_zoo import contract, registry
from gan_zoo.metric_catalogue import METRICS
from gan_zoo.precision import PRECISIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_variant_in_ten_lines_holds_to_the_contract(tmp_path, monkeypatch):
    registry.names()
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    code = re.search(r"```python\n(.*?@register.*?)```", README, re.DOTALL).group(1)
    assert len(code.strip().splitlines()) <= 10
    (tmp_path / "my_gan.py").write_text(code, encoding="utf-8")
    assert registry.load_plugin(tmp_path / "my_gan.py") == ["my_gan"]
    for check in contract.CHECKS.values():
        check(registry.get("my_gan"))


def test_the_variants_are_all_listed():
    listed = re.findall(r"^\| `(\w+)` \|", README.partition("## The variants")[2].partition("\n## ")[0], re.MULTILINE)
    own = [name for name in registry.names() if registry._factories[name].__module__.startswith("gan_zoo.variants.")]
    assert sorted(listed) == own


@pytest.mark.parametrize("name", METRICS)
def test_each_measure_is_explained(name):
    assert f"(`{name}`)" in README
    assert METRICS[name].meaning in README
    assert METRICS[name].misleads in README


@pytest.mark.parametrize("name", PRECISIONS)
def test_each_precision_is_explained(name):
    assert f"| `{name}` | {PRECISIONS[name]}" in README


@pytest.mark.parametrize("card", sorted((ROOT / "gan_zoo/metrics/weights").glob("*.json")), ids=lambda card: card.stem)
def test_the_extractors_accuracies_are_their_cards(card):
    facts = json.loads(card.read_text())
    assert f"| `{facts['name']}` | {facts['dataset']} | {facts['test_accuracy']:.2%} |" in README


def test_pictures_and_folders_are_there():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []
