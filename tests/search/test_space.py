"""What a search varies: the ranges of a suite, and which of them apply to a variant."""

import dataclasses
import math

import pytest
from scipy import stats

from gan_zoo import GanZooError, data, registry
from gan_zoo.bench.suite import read_suite
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.search.space import Range, Ranges, draw, options_of, read_ranges, space_of, trial_seed

LR = {"low": 1e-5, "high": 1e-2, "log": True}


@pytest.fixture(scope="module")
def digits():
    return {side: data.load("digits", side=side) for side in (28, 32, 64)}


@pytest.fixture
def ranges(suite):
    """The ranges of a suite that holds a text in its table [search]."""

    def read(text):
        return read_ranges(read_suite(suite(("[presets.smoke]", f"[search]\n{text}\n[presets.smoke]"))))

    return read


@pytest.fixture
def space(digits):
    def made(name, ranges=None, **options):
        variant = registry.get(name, **options)
        return space_of(variant, name, ranges or Ranges(), digits[variant.image_side])

    return made


def test_a_suite_declares_its_own(ranges):
    assert ranges("") == Ranges()
    found = ranges('lr = { low = 1e-4, high = 1e-3 }\nnorm = ["none"]\nbeta1 = false')
    assert found == Ranges(lr=Range(low=1e-4, high=1e-3), norm=["none"], beta1=None)
    assert found.clip == Ranges().clip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lrr = [1]", ["unknown key 'search.lrr'; did you mean 'lr'? Allowed: lr, beta1, "]),
        ("lr = { low = 1e-5, hihg = 1.0 }", ["unknown key 'search.lr.hihg'; did you mean 'high'?"]),
        ("lr = { low = 1.0, high = 1e-5 }", ["key 'search.lr' is {'low': 1.0, 'high': 1e-05}", "below high"]),
        ("beta1 = { low = 0.5, high = 0.5 }", ["key 'search.beta1' is", "below high"]),
        ("lr = { low = 0.0, high = 1.0, log = true }", ["key 'search.lr' is", "no logarithm"]),
        ("beta1 = { low = 0.0, high = 1.5 }", ["key 'search.beta1'", "from 0 to 1.5 is outside 0 to 1"]),
        ("clip = { low = -1.0, high = 1.5 }", ["key 'search.clip'", "from -1 to 1.5 is outside 0 to inf"]),
        ("lr = { low = 1.0 }", ["key 'search.lr.high' is missing"]),
        ("lr = { low = 1.0, high = nan }", ["key 'search.lr.high' is nan"]),
        ("discriminator_steps = [0, 1]", ["key 'search.discriminator_steps.0' is 0"]),
        ("discriminator_steps = [1, 1]", ["key 'search.discriminator_steps' is [1, 1]", "twice"]),
        ("discriminator_steps = []", ["key 'search.discriminator_steps' is []"]),
        ('norm = ["batch", "group"]', ["key 'search.norm.1' is 'group'"]),
        ("lr = true", ["key 'search.lr' is True"]),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_the_key(ranges, text, parts):
    with pytest.raises(GanZooError) as error:
        ranges(text)
    assert "\n" not in str(error.value)
    for part in ["toys.toml: ", *parts]:
        assert part in str(error.value)


def test_a_variant_is_only_given_what_it_has(space):
    assert list(space("gan").varied) == ["lr", "beta1", "discriminator_steps", "norm"]
    assert list(space("wgan_gp", width=8).varied) == ["lr", "beta1", "discriminator_steps", "weight", "norm"]
    assert list(space("wgan", width=8).varied) == ["lr", "discriminator_steps", "clip", "norm"]
    assert space("wgan", width=8).fixed["beta1"] == "its optimizers have none"
    # An auxiliary loss has a weight too, and is no penalty.
    assert "weight" not in space("acgan", width=8).varied


def test_a_penalty_never_meets_batch_norm(space):
    assert space("wgan_gp", width=8).varied["norm"] == ("layer", "none")
    assert space("nsgan", width=8).varied["norm"] == ("batch", "layer", "none")
    only = Ranges.model_validate({"norm": ["batch"]})
    assert space("wgan_gp", only, width=8).fixed["norm"] == "it can have none of batch"
    assert space("nsgan", only, width=8).varied["norm"] == ("batch",)


def test_spectral_norm_is_varied_only_if_the_suite_names_it(space):
    assert "spectral" in space("sngan", width=8).fixed["norm"]
    both = Ranges.model_validate({"norm": ["spectral", "none"]})
    assert space("sngan", both, width=8).varied["norm"] == ("spectral", "none")


def test_a_norm_that_changes_no_network_is_not_varied(toys, digits):
    registry.load_plugin(toys)
    found = space_of(registry.get("by_heart"), "by_heart", Ranges(), digits[32])
    assert found.fixed["norm"] == "its discriminator is the same under each"


def test_a_key_that_is_false_leaves_every_variant_its_own(space):
    off = Ranges.model_validate(dict.fromkeys(["lr", "beta1", "weight", "clip", "norm", "discriminator_steps"], False))
    found = space("gan", off)
    assert found.varied == {}
    assert options_of({}, registry.get("gan")) == {}


def test_one_rate_and_one_beta_for_both_players():
    variant = registry.get("infogan", width=8)
    made = registry.get("infogan", **options_of({"lr": 3e-4, "beta1": 0.25}, variant))
    for optimizer in (made.generator_optimizer, made.discriminator_optimizer):
        assert optimizer.settings["lr"] == 3e-4
        assert tuple(optimizer.settings["betas"]) == (0.25, 0.999)


def test_an_adam_that_leaves_its_betas_to_torch_is_searched_over_them(digits):
    optimizers = {"generator_optimizer": Optimizer("Adam", {"lr": Schedule(1e-4, "inverse", decay=1e-3), "eps": 1e-6})}
    optimizers["discriminator_optimizer"] = Optimizer("Adam", {})
    variant = dataclasses.replace(registry.get("gan"), **optimizers)
    assert {"lr", "beta1"} <= set(space_of(variant, "gan", Ranges(), digits[variant.image_side]).varied)
    found = options_of({"lr": 3e-4, "beta1": 0.25}, variant)
    both = {"name": "Adam", "lr": 3e-4, "betas": [0.25, 0.999]}
    assert found == {
        "generator_optimizer": both | {"lr": {"start": 3e-4, "shape": "inverse", "decay": 1e-3}, "eps": 1e-6},
        "discriminator_optimizer": both,
    }


def test_the_rest_of_an_optimizer_is_its_own():
    variant = registry.get("dcgan_keras")
    found = options_of({"lr": 1e-3}, variant)["discriminator_optimizer"]
    rate = {"start": 1e-3, "shape": "inverse", "decay": 1e-8}
    assert found == {"name": "KerasAdam", "lr": rate, "betas": [0.5, 0.999], "eps": 1e-7}


@pytest.mark.parametrize("name", registry.names())
def test_every_variant_can_be_built_with_what_is_drawn(name, space, digits):
    small = {"width": 4} if "width" in registry.hyperparameters(name) else {}
    variant, varied = registry.get(name, **small), space(name, **small).varied
    assert {"lr", "discriminator_steps"} <= set(varied)
    for number in range(4):
        params = draw(varied, number)
        made = registry.get(name, **small | options_of(params, variant))
        made.build(digits[made.image_side].shape, 10)
        assert made.discriminator_steps == params["discriminator_steps"]
        rate = made.generator_optimizer.settings["lr"]
        assert getattr(rate, "start", rate) == params["lr"]
        assert made.norm == params.get("norm", variant.norm)


DRAWN = {
    (0, 0): (3.2606777575038015e-05, 0.7477703586120127, 5, 2.623888757926457, 0.0644882866911143, "batch"),
    (1, 1): (0.0022590569374907597, 0.7137684656696687, 1, 0.7090726705649405, 0.0055144427834539845, "none"),
    (2, 2): (0.0022011956998235337, 0.5468111224291802, 1, 20.94195796871913, 0.004150581900010201, "layer"),
    (3, 3): (9.464778113037718e-05, 0.984768227730528, 1, 4.8150403688021886, 0.01749778878569829, "batch"),
}


@pytest.mark.parametrize(("seed", "number"), DRAWN)
def test_settings_are_those_that_optuna_drew(seed, number):
    """optuna 5.0's RandomSampler with the same seed, to the last digit: earlier searches can be extended."""
    varied = {name: tuple(v) if isinstance(v, list) else v for name, v in dict(Ranges()).items()}
    assert tuple(draw(varied, trial_seed(seed, "gan", number)).values()) == DRAWN[seed, number]


def test_one_value_to_choose_from_draws_nothing():
    rate = Range(low=0.0, high=1.0)
    assert draw({"norm": ("batch",), "beta1": rate}, 5)["beta1"] == draw({"beta1": rate}, 5)["beta1"]


def test_draws_are_uniform_on_the_scale_of_the_range():
    varied = {"lr": Range(**LR), "beta1": Range(low=0.0, high=1.0), "norm": ("batch", "none")}
    drawn = [draw(varied, trial_seed(0, "gan", number)) for number in range(400)]
    for values in ([(math.log10(params["lr"]) + 5) / 3 for params in drawn], [params["beta1"] for params in drawn]):
        assert stats.kstest(values, "uniform").pvalue > 0.001
        assert max(values) < 1
    assert stats.binomtest(sum(params["norm"] == "batch" for params in drawn), 400, 0.5).pvalue > 0.001


def test_each_trial_has_a_seed_of_its_own():
    assert len({trial_seed(seed, name, number) for seed in range(9) for name in "abc" for number in range(9)}) == 243
