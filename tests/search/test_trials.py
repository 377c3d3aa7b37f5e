"""Trials as variants of a suite, their scores, and the winners' suite as `bench` reads it."""

import dataclasses
import math

import pytest
import tomli_w

from gan_zoo import GanZooError, registry
from gan_zoo.bench import suite_variants
from gan_zoo.bench.suite import VariantOverride, read_suite
from gan_zoo.registry import describe
from gan_zoo.search.trials import (
    Trial,
    best_of,
    num_failures,
    scores,
    trial_names,
    trial_suite,
    winners_suite,
    with_named,
)

PARAMS = {"lr": 3e-4, "beta1": 0.25, "norm": "layer"}


def trial(value, status="ok", variant="gan", number=0):
    return Trial(variant, number, {}, value, status, 1.0)


def test_an_interrupted_search_has_as_many_trials_of_one_variant_as_of_another():
    names = list(trial_names({"gan": [{}, {}], "cgan": [{}, {}]}).items())
    assert names == [
        ("gan", ("gan", None)),
        ("cgan", ("cgan", None)),
        ("gan_trial00", ("gan", 0)),
        ("cgan_trial00", ("cgan", 0)),
        ("gan_trial01", ("gan", 1)),
        ("cgan_trial01", ("cgan", 1)),
    ]


def test_a_trial_differs_from_its_default_in_its_settings_alone(suite):
    """What the suite and the preset say of a variant holds for its trials, but where the trial says otherwise."""
    source = read_suite(
        suite(
            ('["by_heart", "sibling"]', '["wgan_gp", "small"]\noptions = { wgan_gp = { width = 8, weight = 2.0 } }'),
            ("[presets.smoke]", '[named.small]\nvariant = "dcgan"\noptions = { width = 4 }\n\n[presets.smoke]'),
            ("batch_size = 16\n", 'batch_size = 16\noptions = { wgan_gp = { norm = "none", latent = "7 normal" } }\n'),
        )
    )
    variants = {"wgan_gp": registry.get("wgan_gp"), "small": registry.get("dcgan")}
    made = trial_suite(source, "smoke", variants, {"wgan_gp": [{}, PARAMS | {"weight": 5.0}], "small": [PARAMS]})
    assert list(made.named) == ["small", "wgan_gp_trial00", "wgan_gp_trial01", "small_trial00"]
    plain, other, small = (made.named[name] for name in list(made.named)[1:])
    assert plain.options == {"width": 8, "weight": 2.0, "norm": "none", "latent": "7 normal"}
    assert other.options["weight"] == 5.0
    assert other.options["norm"] == "layer"
    assert other.options["width"] == 8
    assert (small.variant, small.options["width"]) == ("dcgan", 4)


NORMLESS = 'backbone = { name = "dcgan", width = 4, norm = "none" }'


def test_a_name_that_is_taken_is_refused(suite):
    source = read_suite(suite())
    with pytest.raises(GanZooError, match=r"toys.toml: the search needs the name 'cgan', which is taken"):
        with_named(source, {"cgan": VariantOverride(variant="gan")})


def test_a_failed_trial_counts_with_the_worst_value_of_the_whole_search():
    mine = [trial(20.0), trial(math.nan, "diverged"), trial(5.0, "collapsed"), trial(math.nan)]
    everything = [*mine, trial(300.0, variant="cgan"), trial(400.0, "collapsed", variant="cgan")]
    assert scores(mine, everything) == [20.0, 400.0, 400.0, 400.0]
    assert best_of(mine).value == 20.0
    assert num_failures(mine) == 3


def test_without_a_value_there_is_no_score_and_of_equal_ones_the_first_is_the_best():
    failed = [trial(math.nan, "diverged")]
    assert scores(failed, failed) == []
    assert best_of(failed) is None
    half = [trial(20.0), trial(math.nan, "unfinished")]
    assert scores(half, half) == []
    assert best_of([trial(20.0, number=0), trial(20.0, number=1)]).number == 0


FOUND = {"lr": 3.2606777575038015e-05, "beta1": 0.25, "discriminator_steps": 5, "weight": 7.5, "norm": "none"}
CHANGES = (
    ('title = "Toys"', 'title = "Toys \\"é\\" \\\\ ✓"\nshared = { latent = "100 normal" }'),
    ('["by_heart", "sibling"]', '["wgan_gp", "small", "gan"]\noptions = { wgan_gp = { width = 8 } }\nbaseline = "gan"'),
    ("[presets.smoke]", '[named.small]\nvariant = "dcgan"\noptions = { width = 4 }\n\n[presets.smoke]'),
    (
        "batch_size = 16\n",
        'batch_size = 16\nvariants = ["gan"]\noptions = { wgan_gp = { weight = 2.0, ema = 0.5 } }\n'
        'notes = { wgan_gp = "short" }\n',
    ),
)


@pytest.fixture
def source(suite):
    return read_suite(suite(*CHANGES))


@pytest.fixture
def winners(source, tmp_path):
    """The suite of the winners as it is read back."""
    names = ("wgan_gp", "small", "gan")
    variants = {name: suite_variants.make_variant(name, source, source.presets["smoke"]) for name in names}
    small = {key: FOUND[key] for key in ("lr", "norm")}
    best = {"wgan_gp": Trial("wgan_gp", 3, FOUND, 1.0, "ok", 1.0), "small": Trial("small", 0, small, 1.0, "ok", 1.0)}
    text = tomli_w.dumps(winners_suite(source, variants, best | {"gan": None}))
    (tmp_path / "winners.toml").write_text(text, encoding="utf-8")
    return read_suite(tmp_path / "winners.toml")


def test_default_beside_tuned(source, winners):
    assert winners.title == 'Toys "é" \\ ✓: default and tuned'
    assert winners.variants == ["wgan_gp", "wgan_gp_tuned", "small", "small_tuned", "gan"]
    assert winners.contrasts == [["wgan_gp_tuned", "wgan_gp"], ["small_tuned", "small"]]
    assert list(winners.presets) == list(source.presets)
    for name, preset in winners.presets.items():
        original = source.presets[name]
        assert (preset.budget, preset.num_samples) == (original.budget, original.num_samples)
        assert len(set(preset.seed_list)) == max(5, len(original.seed_list))
        assert set(original.seed_list) <= set(preset.seed_list)
        assert preset.variants is None
        suite_variants.check(winners, name, preset)
    assert winners.presets["smoke"].notes["wgan_gp_tuned"] == "short"


@pytest.mark.parametrize("preset", ["smoke", "full"])
def test_a_tuned_variant_has_what_the_trial_found_and_the_rest_of_its_default(source, winners, preset):
    """The preset's own weight gives way to the trial's, its moving average stays."""
    default = suite_variants.make_variant("wgan_gp", source, source.presets[preset])
    tuned = suite_variants.make_variant("wgan_gp_tuned", winners, winners.presets[preset])
    assert tuned.options["weight"] == 7.5
    for optimizer in (tuned.generator_optimizer, tuned.discriminator_optimizer):
        assert optimizer.settings == {"lr": FOUND["lr"], "betas": (0.25, 0.9)}
    assert (tuned.norm, tuned.discriminator_steps) == ("none", 5)
    for field in ("ema", "batch_size", "latent", "conditioning", "objective"):
        assert describe(getattr(tuned, field)) == describe(getattr(default, field))
    assert tuned.options["width"] == 8
    assert tuned.title == f"{default.title}, tuned"
    for name in ("wgan_gp", "small", "gan"):
        was, now = (suite_variants.make_variant(name, suite, suite.presets[preset]) for suite in (source, winners))
        assert describe(now) == describe(was)
    small = suite_variants.make_variant("small_tuned", winners, winners.presets[preset])
    assert small.discriminator_steps == registry.get("dcgan").discriminator_steps
    assert small.options["width"] == 4


SUITE = ('["by_heart", "sibling"]', f'["wgan_gp"]\n{NORMLESS}')
PLAIN = ('["by_heart", "sibling"]', '["wgan_gp"]')
SHARED = ('["by_heart", "sibling"]', '["wgan_gp"]\nshared = { norm = "none" }')
OPTIONS = ('["by_heart", "sibling"]', '["wgan_gp"]\noptions = { wgan_gp = { norm = "none" } }')
OWN = ("extractors = [", f"options = {{ wgan_gp = {{ {NORMLESS} }} }}\nextractors = [")
PRESET = ("batch_size = 16\n", f"batch_size = 16\noptions = {{ wgan_gp = {{ {NORMLESS} }} }}\n")
RATE = ('["by_heart", "sibling"]', '["wgan_gp"]\noptions = { wgan_gp = { lr = 0.5 } }')
PRESET_RATE = ("batch_size = 16\n", "batch_size = 16\noptions = { wgan_gp = { generator_optimizer.lr = 0.5 } }\n")
PRESET_BACKBONE = ("batch_size = 16\n", f"batch_size = 16\n{NORMLESS}\n")
PRESETS_ALL = ("batch_size = 16\n", f"batch_size = 16\nshared = {{ {NORMLESS} }}\n")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((SUITE,), id="suite"),
        pytest.param((OWN,), id="own"),
        pytest.param((PRESET,), id="preset"),
        pytest.param((PLAIN, PRESET_BACKBONE), id="preset, every variant"),
        pytest.param((OPTIONS, PRESET), id="preset beside a norm"),
        pytest.param((SHARED, PRESETS_ALL), id="shared beside a norm"),
        pytest.param((SHARED, OWN), id="own beside a shared norm"),
        pytest.param((RATE,), id="lr"),
        pytest.param((PRESET_RATE,), id="preset's lr"),
    ],
)
def test_the_tuned_variant_is_what_the_trial_trained(suite, tmp_path, changes):
    """The norm of the trial overrides that of a backbone in both."""
    source = read_suite(suite(*changes))
    preset = source.presets["smoke"]
    default = suite_variants.make_variant("wgan_gp", source, preset)
    found = {**FOUND, "norm": "layer"}
    trials = trial_suite(source, "smoke", {"wgan_gp": default}, {"wgan_gp": [found]})
    trained = suite_variants.make_variant("wgan_gp_trial00", trials, preset)
    assert describe(trained.networks) == describe(default.networks)
    best = {"wgan_gp": Trial("wgan_gp", 0, found, 1.0, "ok", 1.0)}
    text = tomli_w.dumps(winners_suite(source, {"wgan_gp": default}, best))
    (tmp_path / "winners.toml").write_text(text, encoding="utf-8")
    winners = read_suite(tmp_path / "winners.toml")
    tuned = suite_variants.make_variant("wgan_gp_tuned", winners, winners.presets["smoke"])
    assert tuned.norm == "layer"
    rates = [each.settings["lr"] for each in (tuned.generator_optimizer, tuned.discriminator_optimizer)]
    assert rates == [FOUND["lr"]] * 2
    named = {"label": "", "title": ""}
    assert describe(dataclasses.replace(tuned, **named)) == describe(dataclasses.replace(trained, **named))
    assert suite_variants.make_variant("wgan_gp_tuned", winners, winners.presets["full"]).norm == "layer"
    for name in winners.presets:
        was, now = (suite_variants.make_variant("wgan_gp", each, each.presets[name]) for each in (source, winners))
        assert describe(now) == describe(was)


def test_presets_have_the_precision_that_the_search_was_given(source):
    assert all("precision" not in preset for preset in winners_suite(source, {}, {})["presets"].values())
    given = winners_suite(source, {}, {}, precision="tf32")["presets"]
    assert {preset["precision"] for preset in given.values()} == {"tf32"}
