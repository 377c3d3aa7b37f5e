"""The expected best of k trials against enumeration of all sets and of all samples of a known population; commands."""

import importlib.util
import math
from itertools import combinations, product
from types import SimpleNamespace

import numpy as np
import pytest

from gan_zoo.options import RunOptions
from gan_zoo.search.report import bench_command, expected_best

TRIALS = [41.0, 17.5, 17.5, 230.0, 55.0, 19.25, 90.0]


def test_the_mean_is_that_over_all_sets_of_k_trials():
    curve = expected_best(TRIALS).set_index("k")["expected"]
    assert list(curve.index) == list(range(1, 8))
    for k, found in curve.items():
        assert found == pytest.approx(np.mean([min(some) for some in combinations(TRIALS, k)]), rel=1e-12)


def test_the_mean_is_unbiased():
    """Over all samples of 5 trials of a known population the estimates average to its own expected best."""
    values, shares, n = (10.0, 20.0, 70.0), (0.2, 0.5, 0.3), 5
    population = dict(zip(values, shares, strict=True))
    found = np.zeros(n)
    for sample in product(values, repeat=n):
        found += math.prod(population[value] for value in sample) * expected_best(sample)["expected"].to_numpy()
    for k in range(1, n + 1):
        above = [sum(share for other, share in population.items() if other >= value) for value in values]
        true = values[0] + sum((values[i] - values[i - 1]) * above[i] ** k for i in (1, 2))
        assert found[k - 1] == pytest.approx(true, rel=1e-12)


@pytest.mark.parametrize("level", [0.05, 0.25, 0.5, 0.95])
def test_the_band_holds_the_quantiles_of_the_best_of_k_independent_trials(level):
    trials = TRIALS[:5]
    curve = expected_best(trials, band=(level, level)).set_index("k")
    for k in (1, 2, 3, 5):
        best = sorted(min(some) for some in product(trials, repeat=k))
        true = best[math.ceil(level * len(best) - 1e-9) - 1]
        assert curve.loc[k, "low"] == curve.loc[k, "high"] == true


def test_it_falls_from_the_mean_to_the_best():
    curve = expected_best(TRIALS)
    assert curve["expected"].iloc[0] == pytest.approx(np.mean(TRIALS))
    assert curve["expected"].iloc[-1] == min(TRIALS)
    for column in ("expected", "low", "high"):
        assert curve[column].is_monotonic_decreasing
    assert (curve["low"] <= curve["high"]).all()


def test_many_trials():
    """For trials of 1 to n the mean of the best of k is (n + 1) / (k + 1)."""
    n = 2500
    curve = expected_best(np.arange(1.0, n + 1)[::-1])
    np.testing.assert_allclose(curve["expected"], (n + 1) / (curve["k"] + 1), rtol=1e-9)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_is_no_value_is_refused(values):
    with pytest.raises(ValueError, match="finite values"):
        expected_best(values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"jobs": 2, "device": "cpu"}, " --device cpu --jobs 2"),
        ({"executor": "ray"}, " --executor ray"),
        (
            {"executor": "ray", "address": "auto", "storage": "s3://bucket/search", "num_gpus": 0.25},
            " --executor ray --address auto --storage s3://bucket/search --num-gpus 0.25",
        ),
    ],
)
@pytest.mark.parametrize("paths", [True, False])
def test_the_command_has_the_options_of_the_search(monkeypatch, given, expected, paths):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "ray" or find_spec(name))
    plan = SimpleNamespace(preset_name="quick", options=RunOptions(**given))
    assert bench_command("winners.toml", plan, paths=paths) == f"gan-zoo bench winners.toml --preset quick{expected}"


def test_folders_are_left_out_of_a_command_for_other_machines(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: True)
    options = RunOptions(executor="ray", storage="/shared/search", data_root="/data")
    plan = SimpleNamespace(preset_name="quick", options=options)
    command = bench_command("winners.toml", plan, paths=False)
    assert command == "gan-zoo bench winners.toml --preset quick --executor ray"
    assert "--storage /shared/search" in bench_command("winners.toml", plan, paths=True)
