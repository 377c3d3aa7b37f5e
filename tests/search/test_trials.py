"""Trials as cells, and how they count."""

import math

import pytest

from gan_zoo import GanZooError, registry
from gan_zoo.bench import suite_variants
from gan_zoo.bench.suite import VariantOverride, read_suite
from gan_zoo.description import describe
from gan_zoo.search.trials import Trial, best_of, entries, failed, scored, trial_suite, with_named

PARAMS = {"lr": 3e-4, "beta1": 0.25, "norm": "layer"}


def trial(value, status="ok", variant="gan", number=0):
    return Trial(variant, number, {}, value, status, 1.0)


def test_an_interrupted_search_has_as_many_trials_of_one_variant_as_of_another():
    names = list(entries({"gan": [{}, {}], "cgan": [{}, {}]}).items())
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


@pytest.mark.parametrize(
    "changes",
    [
        (("batch_size = 16\n", f"batch_size = 16\n{NORMLESS}\n"),),
        (("batch_size = 16\n", f"batch_size = 16\noptions = {{ gan = {{ {NORMLESS} }} }}\n"),),
        (
            ('["by_heart", "sibling"]', '["gan"]\noptions = { gan = { norm = "none" } }'),
            ("batch_size = 16\n", f"batch_size = 16\noptions = {{ gan = {{ {NORMLESS} }} }}\n"),
        ),
        (
            ('["by_heart", "sibling"]', '["gan"]\nshared = { norm = "none" }'),
            ("batch_size = 16\n", f"batch_size = 16\nshared = {{ {NORMLESS} }}\n"),
        ),
    ],
    ids=["every variant's", "its own", "its own beside a norm", "shared beside a norm"],
)
def test_a_trial_is_trained_with_its_norm_whatever_the_backbone_says(suite, changes):
    source = read_suite(suite(*changes))
    preset = source.presets["smoke"]
    default = suite_variants.make_variant("gan", source, preset)
    assert default.norm == "none"
    made = trial_suite(source, "smoke", {"gan": default}, {"gan": [PARAMS]})
    trained = suite_variants.make_variant("gan_trial00", made, preset)
    assert trained.norm == "layer"
    assert describe(trained.networks) == describe(default.networks)


def test_a_name_that_is_taken_is_said(suite):
    source = read_suite(suite())
    with pytest.raises(GanZooError, match=r"toys.toml: the search needs the name 'cgan', which is taken"):
        with_named(source, {"cgan": VariantOverride(variant="gan")})


def test_a_failed_trial_counts_with_the_worst_value_of_the_whole_search():
    mine = [trial(20.0), trial(math.nan, "diverged"), trial(5.0, "collapsed"), trial(math.nan)]
    everything = [*mine, trial(300.0, variant="cgan"), trial(400.0, "collapsed", variant="cgan")]
    assert scored(mine, everything) == [20.0, 400.0, 400.0, 400.0]
    assert best_of(mine).value == 20.0
    assert failed(mine) == 3


def test_without_a_value_there_is_no_curve():
    lost = [trial(math.nan, "diverged")]
    assert scored(lost, lost) == []
    assert best_of(lost) is None
    half = [trial(20.0), trial(math.nan, "unfinished")]
    assert scored(half, half) == []


def test_of_equal_trials_the_first_is_the_best():
    assert best_of([trial(20.0, number=0), trial(20.0, number=1)]).number == 0
