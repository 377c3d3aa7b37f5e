"""The winners' suite: valid TOML that `bench` runs as it stands, with nothing changed but what the trials found."""

import dataclasses
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_zoo import registry
from gan_zoo.bench import suite_variants
from gan_zoo.bench.suite import read_suite
from gan_zoo.description import describe
from gan_zoo.search.toml import toml
from gan_zoo.search.trials import Trial, trial_suite
from gan_zoo.search.winners import winners_suite

PARAMS = {"lr": 3.2606777575038015e-05, "beta1": 0.25, "discriminator_steps": 5, "weight": 7.5, "norm": "none"}
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
    small = {key: PARAMS[key] for key in ("lr", "norm")}
    best = {"wgan_gp": Trial("wgan_gp", 3, PARAMS, 1.0, "ok", 1.0), "small": Trial("small", 0, small, 1.0, "ok", 1.0)}
    text = toml(winners_suite(source, variants, best | {"gan": None}), ["A comment."])
    assert text.startswith("# A comment.\n")
    (tmp_path / "winners.toml").write_text(text, encoding="utf-8")
    return read_suite(tmp_path / "winners.toml")


def test_default_beside_tuned(source, winners):
    assert winners.title == 'Toys "é" \\ ✓: default and tuned'
    assert winners.variants == ["wgan_gp", "wgan_gp_tuned", "small", "small_tuned", "gan"]
    assert winners.contrasts == [["wgan_gp_tuned", "wgan_gp"], ["small_tuned", "small"]]
    assert list(winners.presets) == list(source.presets)
    for name, preset in winners.presets.items():
        asked = source.presets[name]
        assert (preset.budget, preset.num_samples) == (asked.budget, asked.num_samples)
        assert len(set(preset.seed_list)) == max(5, len(asked.seed_list))
        assert set(asked.seed_list) <= set(preset.seed_list)
        assert preset.variants is None
        suite_variants.check(winners, name, preset)
    assert winners.presets["smoke"].notes["wgan_gp_tuned"] == "short"


@pytest.mark.parametrize("preset", ["smoke", "full"])
def test_a_default_is_what_it_was(source, winners, preset):
    for name in ("wgan_gp", "small", "gan"):
        was, now = (suite_variants.make_variant(name, suite, suite.presets[preset]) for suite in (source, winners))
        assert describe(now) == describe(was)


@pytest.mark.parametrize("preset", ["smoke", "full"])
def test_a_tuned_variant_has_what_the_trial_found_and_the_rest_of_its_default(source, winners, preset):
    """The preset's own weight gives way to the trial's, its moving average stays."""
    default = suite_variants.make_variant("wgan_gp", source, source.presets[preset])
    tuned = suite_variants.make_variant("wgan_gp_tuned", winners, winners.presets[preset])
    assert tuned.options["weight"] == 7.5
    for optimizer in (tuned.generator_optimizer, tuned.discriminator_optimizer):
        assert optimizer.settings == {"lr": PARAMS["lr"], "betas": (0.25, 0.9)}
    assert (tuned.norm, tuned.discriminator_steps) == ("none", 5)
    for field in ("ema", "batch_size", "latent", "conditioning", "objective"):
        assert describe(getattr(tuned, field)) == describe(getattr(default, field))
    assert tuned.options["width"] == 8
    assert tuned.title == f"{default.title}, tuned"
    small = suite_variants.make_variant("small_tuned", winners, winners.presets[preset])
    assert small.discriminator_steps == registry.get("dcgan").discriminator_steps
    assert small.options["width"] == 4


NORMLESS = 'backbone = { name = "dcgan", width = 4, norm = "none" }'
SUITE = ('["by_heart", "sibling"]', f'["wgan_gp"]\n{NORMLESS}')
SHARED = ('["by_heart", "sibling"]', '["wgan_gp"]\nshared = { norm = "none" }')
OPTIONS = ('["by_heart", "sibling"]', '["wgan_gp"]\noptions = { wgan_gp = { norm = "none" } }')
OWN = ("extractors = [", f"options = {{ wgan_gp = {{ {NORMLESS} }} }}\nextractors = [")
PRESET = ("batch_size = 16\n", f"batch_size = 16\noptions = {{ wgan_gp = {{ {NORMLESS} }} }}\n")
RATE = ('["by_heart", "sibling"]', '["wgan_gp"]\noptions = { wgan_gp = { lr = 0.5 } }')
PRESET_RATE = ("batch_size = 16\n", "batch_size = 16\noptions = { wgan_gp = { generator_optimizer.lr = 0.5 } }\n")
PRESETS_ALL = ("batch_size = 16\n", f"batch_size = 16\nshared = {{ {NORMLESS} }}\n")


@pytest.mark.parametrize(
    "changes",
    [(SUITE,), (OWN,), (PRESET,), (OPTIONS, PRESET), (SHARED, PRESETS_ALL), (SHARED, OWN), (RATE,), (PRESET_RATE,)],
    ids=[
        "suite",
        "own",
        "preset",
        "preset beside a norm",
        "shared beside a norm",
        "own beside a shared norm",
        "lr",
        "preset's lr",
    ],
)
def test_the_tuned_variant_is_what_the_trial_trained(suite, tmp_path, changes):
    """A backbone's norm gives way to the trial's in both."""
    source = read_suite(suite(*changes))
    default = suite_variants.make_variant("wgan_gp", source, source.presets["smoke"])
    found = {**PARAMS, "norm": "layer"}
    trials = trial_suite(source, "smoke", {"wgan_gp": default}, {"wgan_gp": [found]})
    trained = suite_variants.make_variant("wgan_gp_trial00", trials, source.presets["smoke"])
    best = {"wgan_gp": Trial("wgan_gp", 0, found, 1.0, "ok", 1.0)}
    (tmp_path / "winners.toml").write_text(toml(winners_suite(source, {"wgan_gp": default}, best)), encoding="utf-8")
    winners = read_suite(tmp_path / "winners.toml")
    tuned = suite_variants.make_variant("wgan_gp_tuned", winners, winners.presets["smoke"])
    assert tuned.norm == "layer"
    assert (tuned.generator_optimizer.rate, tuned.discriminator_optimizer.rate) == (PARAMS["lr"], PARAMS["lr"])
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


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
PLAIN = st.one_of(TEXT, st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6)


@given(
    st.dictionaries(TEXT.filter(lambda key: key not in ("named", "presets")), VALUES),
    st.dictionaries(TEXT, st.dictionaries(TEXT, VALUES)),
)
def test_what_is_written_as_toml_is_read_back(plain, presets):
    assert tomllib.loads(toml({**plain, "presets": presets})).get("presets", {}) == presets
    assert tomllib.loads(toml(plain)) == plain


def test_an_empty_list_is_a_setting_and_none_is_not():
    table = {"options": {"gan": {"layers": [], "ema": None}}, "presets": {"smoke": {"targets": [], "variants": None}}}
    read = tomllib.loads(toml(table))
    assert read == {"options": {"gan": {"layers": []}}, "presets": {"smoke": {"targets": []}}}
