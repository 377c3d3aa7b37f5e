"""The golden values: fresh numbers of every variant, metric and data set against the stored ones."""

import functools
from dataclasses import replace

import golden_metrics
import golden_variants
import pytest
import torch
from golden_store import Golden, Unavailable, advice, differences, read
from regenerate import KINDS, main

from gan_zoo import data, registry
from gan_zoo.data import mixtures
from gan_zoo.engine import step as engine_step
from gan_zoo.losses import adversarial
from gan_zoo.metrics import mixture
from gan_zoo.metrics.registry import METRICS

_GOLDENS = {kind: goldens() for kind, goldens in KINDS.items()}
_EVERY = [(kind, name) for kind, goldens in _GOLDENS.items() for name in goldens]


@pytest.mark.parametrize(
    ("kind", "names"),
    [("variants", golden_variants.own_variants()), ("metrics", METRICS), ("data", [*data.names(), "folder"])],
)
def test_whatever_is_registered_has_golden_values(kind, names):
    stored = read(kind)
    lacking = sorted({*names, *_GOLDENS[kind]} - set(stored))
    assert not lacking, f"{kind} without golden values: {', '.join(lacking)}; run `make golden`"
    assert not set(stored) - set(_GOLDENS[kind]), "golden values of what is no longer there; run `make golden`"


@pytest.mark.parametrize(("kind", "name"), _EVERY)
def test_numbers_are_those_that_were_stored(kind, name):
    golden, stored = _GOLDENS[kind][name], read(kind)
    if name not in stored:
        pytest.fail(f"{name} has no golden values; run `make golden`")
    try:
        fresh = golden.values()
    except Unavailable as why:
        pytest.skip(str(why))
    under, values = stored[name]["made_under"], stored[name]["values"]
    changed = differences(values, fresh)
    assert not changed, f"golden values of {name} changed: {'; '.join(changed)}; {advice(golden.made_under)}"
    assert set(fresh) == set(values), f"golden values of {name} are incomplete; run `make golden`"
    assert dict(golden.made_under) == under, f"golden values of {name} are of other versions; run `make golden`"


def _changes(name, kind="variants"):
    """How the values differ now from the stored ones."""
    return differences(read(kind)[name]["values"], KINDS[kind]()[name].values())


def test_a_changed_loss_is_reported(monkeypatch):
    entropy = adversarial._bce
    monkeypatch.setattr(adversarial, "_bce", lambda logits, target: entropy(logits, 0.9 * target))
    changed = _changes("gan, points")
    assert any(line.startswith("float64 discriminator_loss/real was ") for line in changed)
    assert any(line.startswith("float32 generator_loss ") for line in changed)


def test_a_changed_moving_average_is_reported(monkeypatch):
    average = engine_step._average
    monkeypatch.setattr(engine_step, "_average", lambda ema, network, decay: average(ema, network, decay + 1e-4))
    changed = _changes("gan, engine options")
    assert changed
    names = {line.partition(" was ")[0].partition(" ")[2] for line in changed}
    assert names <= {"ema moved", "ema buffers", "samples"}


@pytest.mark.usefixtures("own_registry")
def test_a_changed_hyperparameter_is_reported(monkeypatch):
    made = registry._factories["wgan"]

    @functools.wraps(made)
    def changed(*, width=64):
        return replace(made(width=width), discriminator_steps=4)

    monkeypatch.setitem(registry._factories, "wgan", changed)
    assert _changes("wgan")


def test_a_changed_metric_is_reported(monkeypatch):
    for computed in ("_direct", "_of_points"):
        monkeypatch.setattr(golden_metrics, computed, getattr(golden_metrics, computed).__wrapped__)
    assert not _changes("high_quality", "metrics")
    monkeypatch.setattr(mixture, "DEVIATIONS", 2.95)
    assert len(_changes("high_quality", "metrics")) == 2
    assert not _changes("jsd", "metrics")


def test_a_changed_data_set_is_reported(monkeypatch):
    monkeypatch.setattr(mixtures, "_SEED", 1)
    assert _changes("ring8", "data")


def _fake(value, revision=1, **versions):
    under = {"NUMERICS_VERSION": 1, "revision of gan": revision, **versions}
    return {"variants": {"gan": Golden(under, lambda: {"float64 loss": [value], "text": "a"})}}


def test_new_values_are_written_and_unchanged_ones_keep_their_numbers(tmp_path, capsys):
    assert main(_fake(0.5), tmp_path) == 0
    text = (tmp_path / "variants.json").read_text()
    assert torch.__version__ in text
    assert main(_fake(0.5 * (1 + 1e-7)), tmp_path) == 0
    assert "no golden value has changed" in capsys.readouterr().out
    assert (tmp_path / "variants.json").read_text() == text


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (_fake(0.6), 2),
        (_fake(float("nan")), 2),
        (_fake(0.6, revision=2), 0),
        (_fake(0.6, NUMERICS_VERSION=2), 0),
        (_fake(0.6, revision=2, NUMERICS_VERSION=0), 2),
        (_fake(0.6, **{"revision of a new base": 1}), 0),
    ],
)
def test_a_changed_value_is_written_only_under_a_raised_version(tmp_path, capsys, kinds, status):
    main(_fake(0.5), tmp_path)
    before = (tmp_path / "variants.json").read_text()
    capsys.readouterr()
    other = {"metrics": {"fid": Golden({"METRICS_VERSION": 1}, lambda: {"measured value": [1.0]})}}
    assert main({**other, **kinds}, tmp_path) == status
    error = capsys.readouterr().err
    if status:
        assert error.count("\n") == 1
        assert all(word in error for word in ("gan", "float64 loss", "NUMERICS_VERSION", "revision of gan"))
        assert (tmp_path / "variants.json").read_text() == before
        assert not (tmp_path / "metrics.json").exists()
    else:
        stored = read("variants", tmp_path)["gan"]
        assert stored["values"] == {"float64 loss": [0.6], "text": "a"}
        assert stored["made_under"] == dict(kinds["variants"]["gan"].made_under)


def test_a_raised_version_is_stored_even_if_no_value_changes(tmp_path):
    main(_fake(0.5), tmp_path)
    main(_fake(0.5, NUMERICS_VERSION=2), tmp_path)
    assert read("variants", tmp_path)["gan"]["made_under"]["NUMERICS_VERSION"] == 2
    assert main(_fake(0.6, NUMERICS_VERSION=2), tmp_path) == 2


def test_what_cannot_be_computed_here_keeps_its_values(tmp_path):
    def missing():
        raise Unavailable("no files")

    main(_fake(0.5), tmp_path)
    before = read("variants", tmp_path)
    under = {"NUMERICS_VERSION": 2, "revision of gan": 1}
    assert main({"variants": {"gan": Golden(under, missing)}}, tmp_path) == 0
    assert read("variants", tmp_path) == before


def test_a_changed_text_or_a_lost_value_is_a_difference():
    assert differences({"fingerprint": "a"}, {"fingerprint": "b"})
    assert differences({"float64 loss": [1.0]}, {})
    assert differences({"float64 loss": [1.0]}, {"float64 loss": [1.0, 2.0]})
    assert not differences({"float64 loss": [1.0]}, {"float64 loss": [1.0], "float64 another": [2.0]})


def test_a_variant_without_golden_values_is_named(own_registry, monkeypatch):
    made = lambda: registry.get("gan")  # noqa: E731
    made.__module__ = "gan_zoo.variants.unguarded"
    monkeypatch.setitem(registry._factories, "unguarded", made)
    with pytest.raises(AssertionError, match="without golden values: unguarded; run"):
        test_whatever_is_registered_has_golden_values("variants", golden_variants.own_variants())
