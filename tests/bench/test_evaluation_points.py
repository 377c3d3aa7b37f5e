"""Evaluation points: a preset's grid, the step at which a point is reached, and what shipped presets share."""

import itertools
import math
from types import SimpleNamespace

import pytest

from gan_zoo.bench.folder import read_manifest
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import SHIPPED, Preset, Suite, read_suite
from gan_zoo.bench.suite_variants import make_variant
from gan_zoo.engine import Budget
from gan_zoo.options import RunOptions
from gan_zoo.registry import describe

SUITES = sorted(SHIPPED.glob("*.toml"))
IMAGES = 12_800
STEPS = {"losses": 200, "ring8": 1_750, "grid25": 1_750, "mixture1d": 1_750}
EPOCH = {"digits": 1_297}


def preset(**settings):
    return Preset(seeds=1, num_samples=10, **settings)


def amounts(settings, epoch=60_000):
    """The unit of a preset's points, and the points in it."""
    ((unit, amount),) = settings.budget.items()
    unit, end = ("images", amount * epoch) if unit == "epochs" else (unit, amount)
    return unit, [round(fraction * end, 6) for fraction in settings.evaluation_points(epoch)]


@pytest.mark.parametrize(
    ("budget", "first", "expected"),
    [
        ({"images": 51_200}, 12_800, ("images", [12_800, 25_600, 51_200])),
        ({"images": 51_201}, 12_800, ("images", [12_800, 25_600, 51_200, 51_201])),
        ({"images": 12_800}, 12_800, ("images", [12_800])),
        ({"images": 6_400}, 12_800, ("images", [6_400])),
        ({"epochs": 1.5}, 12_800, ("images", [12_800, 25_600, 51_200, 90_000])),
        ({"steps": 1_200}, 200, ("steps", [200, 400, 800, 1_200])),
        ({"seconds": 1.0}, 0.3, ("seconds", [0.3, 0.6, 1.0])),
        ({"images": 51_200}, None, ("images", [51_200])),
    ],
)
def test_evaluations_double_from_the_first_one_and_the_last_is_the_end(budget, first, expected):
    settings = preset(budget=budget, evaluate_from=first)
    assert amounts(settings) == expected
    assert settings.evaluation_points(60_000)[-1] == 1
    assert preset(budget=budget, evaluate_at=[0.1, 0.7, 1.0]).evaluation_points(21) == (0.1, 0.7, 1.0)


def images_after(steps, epoch, batch):
    """Real images of so many steps; the last batch of an epoch is smaller."""
    epochs, rest = divmod(steps, math.ceil(epoch / batch))
    return epochs * epoch + min(rest * batch, epoch)


def step_at(fraction, budget, epoch, batch):
    """The step at which the engine has reached a fraction of a budget."""
    variant = SimpleNamespace(batch_size=batch, discriminator_steps=1)
    state = SimpleNamespace(iterations=0, images=0, seconds=0.0, data=range(epoch), variant=variant)
    while left := budget.steps_left(state, fraction):
        state.iterations += left
        state.images = images_after(state.iterations, epoch, batch)
    return state.iterations


@pytest.mark.parametrize(("epoch", "batch"), [(60_000, 64), (60_000, 512), (1_297, 64), (21, 8)])
def test_a_point_is_reached_at_the_same_step_under_every_budget(epoch, batch):
    budgets = [{"images": 51_200}, {"images": 240_000}, {"images": 999_983}, {"epochs": 7}, {"epochs": 200 / 3}]
    for budget in budgets:
        fractions = preset(budget=budget, evaluate_from=batch).evaluation_points(epoch)[:-1]
        for doublings, fraction in enumerate(fractions):
            point = batch * 2**doublings
            step = step_at(fraction, Budget.of(budget), epoch, batch)
            assert images_after(step - 1, epoch, batch) < point <= images_after(step, epoch, batch), (budget, point)


def test_a_plan_counts_the_epochs_of_its_training_split(suite, toys):
    def planned(budget, first):
        path = suite(("images = 160", budget), ("evaluate_at = [0.4, 1.0]", f"evaluate_from = {first}"))
        return make_plan(RunOptions(suite=read_suite(path), preset="smoke", plugins=[toys], device="cpu"))

    assert planned("images = 160", 40).evaluate_at == (0.25, 0.5, 1.0)
    assert planned("epochs = 2", 1_297).evaluate_at == (0.5, 1.0)
    assert planned("steps = 10", 4).evaluate_at == (0.4, 0.8, 1.0)


def test_a_bench_measures_at_the_points_and_its_manifest_has_their_fractions(bench, tmp_path):
    metrics = bench("out", ("evaluate_at = [0.4, 1.0]", "evaluate_from = 40"), seeds=[0]).results.metrics
    trained = metrics[metrics["variant"] == "sibling"]
    assert sorted(set(zip(trained["images"], trained["fraction"], strict=True))) == [(48, 0.25), (80, 0.5), (160, 1.0)]
    assert read_manifest(tmp_path / "out")["evaluate_at"] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_shipped_presets_are_measured_on_one_grid_and_at_their_ends(path):
    suite = read_suite(path)
    assert Suite.model_validate(suite.model_dump()).presets == suite.presets
    for name, settings in suite.presets.items():
        unit, (*points, _end) = amounts(settings, EPOCH.get(suite.data, 60_000))
        assert settings.evaluate_at is None
        # The networks that are studied are measured three times before the grid begins.
        early = 3 if (path.stem, name) == ("studies", "quick") else 0
        grid = [(IMAGES if unit == "images" else STEPS[path.stem]) * 2.0**k for k in range(-early, len(points) - early)]
        assert points == grid
        assert len(points) - early <= {"smoke": 1, "quick": 5, "standard": 7, "full": 10}[name]


def described(name, suite, preset):
    return describe(make_variant(name, suite, preset))


def pairs_of_equal_settings(suite):
    """Two presets, the shorter first, that train a variant of theirs alike: both can be one run, extended."""
    for one, other in itertools.combinations(suite.presets.values(), 2):
        names = set(one.variants or suite.variants) & set(other.variants or suite.variants)
        if any(described(name, suite, one) == described(name, suite, other) for name in names):
            yield sorted((one, other), key=lambda settings: amounts(settings, EPOCH.get(suite.data, 60_000))[1][-1])


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_run_extended_to_a_longer_shipped_preset_has_passed_none_of_its_points_unmeasured(path):
    suite = read_suite(path)
    pairs = list(pairs_of_equal_settings(suite))
    assert pairs or "standard" not in suite.presets
    for shorter, longer in pairs:
        (unit, had), (other, requested) = (amounts(each, EPOCH.get(suite.data, 60_000)) for each in (shorter, longer))
        assert unit == other
        assert {point for point in requested if point <= had[-1]} <= set(had)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_standard_preset_is_the_quick_one_with_a_larger_budget(path):
    suite = read_suite(path)
    if "standard" not in suite.presets:
        assert path.stem in ("aa", "precision", "published", "studies")
        return
    quick, standard = suite.preset("quick"), suite.preset("standard")
    for name in quick.variants or suite.variants:
        assert described(name, suite, quick) == described(name, suite, standard)
    for setting in ("num_samples", "extractors", "precision"):
        assert getattr(quick, setting) == getattr(standard, setting)
    assert set(quick.seed_list) <= set(standard.seed_list)
    assert max(quick.budget.values()) < max(standard.budget.values())
    assert quick.budget.keys() == standard.budget.keys()
