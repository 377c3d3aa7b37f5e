"""Variants of a suite: named ones, shared options, one backbone; precedence of settings, and overrides."""

from functools import partial

import pandas as pd
import pytest

from gan_zoo.bench import suite_variants
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import read_suite
from gan_zoo.engine import checkpoint
from gan_zoo.errors import GanZooError
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer
from gan_zoo.options import RunOptions

SUITE = """
title = "Toys"
data = "digits"
variants = ["gan", "slow"]
extractors = ["digits-cnn"]
# suite
[named.slow]
variant = "gan"
options = { ema = 0.9 }
# named
[presets.smoke]
seeds = 1
budget = { images = 256 }
num_samples = 140
# preset
"""


@pytest.fixture
def read(tmp_path):
    """Reads the suite with lines added at its marks: of the suite, of the named variant, of the preset."""

    def make(suite="", named="", preset=""):
        path, text = tmp_path / "mine.toml", SUITE
        for mark, lines in (("suite", suite), ("named", named), ("preset", preset)):
            text = text.replace(f"# {mark}\n", f"{lines}\n")
        path.write_text(text, encoding="utf-8")
        return read_suite(path)

    return make


@pytest.fixture
def variant_of(read):
    """A variant, under the suite with lines added."""

    def make(name, **lines):
        suite = read(**lines)
        return suite_variants.make_variant(name, suite, suite.preset("smoke"))

    return make


@pytest.fixture
def overrides_of(read):
    """The overrides of a variant, under the suite with lines added."""

    def make(name, **lines):
        suite = read(**lines)
        return list(suite_variants.list_overrides(name, suite, suite.preset("smoke"), "fp32"))

    return make


# From the lowest precedence to the highest, each with a batch size of the variant "other".
LAYERS = [
    ("preset", "batch_size = 10"),
    ("suite", "shared = { batch_size = 20 }"),
    ("preset", "shared = { batch_size = 30 }"),
    ("named", "options = { batch_size = 40 }"),
    ("preset", "options = { other = { batch_size = 50 } }"),
]


@pytest.mark.parametrize("count", range(6))
def test_precedence_of_options(variant_of, count):
    lines = {"suite": "", "preset": "", "named": '[named.other]\nvariant = "gan"\n'}
    for place, text in LAYERS[:count]:
        lines[place] += f"{text}\n"
    assert variant_of("other", **lines).batch_size == (10 * count or 512)


def test_one_backbone_for_all(variant_of):
    lines = {"suite": 'backbone = { name = "dcgan", width = 4, norm = "none" }'}
    for name in ("gan", "slow"):
        variant = variant_of(name, **lines)
        assert (variant.networks.func, variant.networks.keywords, variant.norm) == (linear_stem, {"width": 4}, "none")
    assert variant_of("gan", **lines, preset='backbone = "mlp"').networks is mlp
    assert variant_of("gan", **lines, preset='shared = { backbone = "mlp" }').networks is mlp
    assert variant_of("slow", **lines, preset='options = { slow = { backbone = "mlp" } }').networks is mlp
    assert isinstance(variant_of("gan", **lines, preset='options = { slow = { backbone = "mlp" } }').networks, partial)


def test_a_named_variant_is_its_variant_under_another_name(variant_of):
    variant = variant_of("slow")
    assert (variant.name, variant.display_name, variant.label) == ("gan", "slow", "slow")
    assert (variant.options, variant.ema, variant.title) == ({"ema": 0.9}, 0.9, "MLP GAN, ema 0.9")
    assert (variant_of("gan").display_name, variant_of("gan").title) == ("gan", "MLP GAN")
    titled = '[named.other]\nvariant = "gan"\ntitle = "Mine"'
    assert variant_of("other", named=titled).title == "Mine"


def test_settings_of_an_optimizer_are_merged_with_those_of_lower_precedence(variant_of, overrides_of):
    lines = {"suite": 'shared = { generator_optimizer = { name = "RMSprop", lr = 0.001 }, latent = 64 }'}
    near = {"preset": "options = { gan = { lr = 0.1 } }"}
    variant = variant_of("gan", **lines, **near)
    assert variant.generator_optimizer == Optimizer("RMSprop", {"lr": 0.1})
    assert variant.discriminator_optimizer == Optimizer("Adam", {"lr": 0.1, "betas": (0.5, 0.999)})
    assert overrides_of("gan", **lines, **near) == [
        "generator_optimizer RMSprop, lr 0.1, not Adam, lr 0.0002, betas [0.5, 0.999]",
        "latent 64 uniform [0, 1), not 100 uniform [0, 1)",
        "discriminator_optimizer Adam, lr 0.1, betas [0.5, 0.999], not Adam, lr 0.0002, betas [0.5, 0.999]",
    ]
    dotted = variant_of("gan", preset="shared = { discriminator_optimizer.lr = 0.1 }")
    assert (dotted.generator_optimizer.settings["lr"], dotted.discriminator_optimizer.settings["lr"]) == (2e-4, 0.1)


def test_overrides_are_listed(overrides_of):
    lines = {"suite": 'backbone = { name = "dcgan", width = 4 }\nshared = { latent = "100 normal", ema = 0.9 }'}
    assert overrides_of("gan") == []
    assert overrides_of("slow") == []
    result = ["backbone dcgan, width 4, not its own", "latent 100 normal, not 100 uniform [0, 1)"]
    assert overrides_of("gan", **lines) == [*result, "ema 0.9, not None"]
    # A named variant's own options are no overrides, nor is a shared option that they override.
    assert overrides_of("slow", **lines) == result
    assert overrides_of("slow", preset="options = { slow = { ema = 0.5 } }") == ["ema 0.5, not 0.9"]
    assert overrides_of("gan", preset="batch_size = 512") == []
    assert overrides_of("gan", preset="batch_size = 64") == ["batch_size 64, not 512"]
    assert overrides_of("gan", preset='shared = { discriminator_optimizer = { name = "Adam", lr = 0.001 } }') == [
        "discriminator_optimizer Adam, lr 0.001, not Adam, lr 0.0002, betas [0.5, 0.999]"
    ]


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ({"named": '[named.cgan]\nvariant = "gan"'}, ["key 'named.cgan'", "registered; choose another"]),
        ({"named": '[named.real]\nvariant = "gan"'}, ["key 'named.real'", "and not 'real'"]),
        ({"named": '[named."a/b"]\nvariant = "gan"'}, ["key 'named.a/b'", "cannot name a variant"]),
        ({"named": '[named.x]\nvariant = "gna"'}, ["key 'named.x.variant'", "'gna'; did you mean 'gan'?"]),
        ({"named": '[named.x]\nvariant = "slow"'}, ["key 'named.x.variant'", "unknown variant 'slow'"]),
        ({"named": '[named.x]\nvarient = "gan"'}, ["unknown key 'named.x.varient'", "'variant'?", "options, title"]),
        ({"named": "[named.x]"}, ["key 'named.x.variant' is missing"]),
        ({"named": '[named.x]\nvariant = "dcgan"\noptions = { widht = 3 }'}, ["key 'named.x.options'", "'width'?"]),
        ({"suite": 'backbone = "dcgna"'}, ["key 'shared'", "unknown backbone 'dcgna'; did you mean 'dcgan'?"]),
        ({"suite": "backbone = 3"}, ["key 'backbone"]),
        ({"suite": "shared = { bacth_size = 3 }"}, ["key 'shared'", "did you mean 'batch_size'?"]),
        ({"preset": "options = { slwo = { ema = 0.5 } }"}, ["key 'presets.smoke.options'", "did you mean 'slow'?"]),
        ({"preset": "options = { slow = { eam = 0.5 } }"}, ["key 'presets.smoke.options.slow'", "'eam'"]),
        ({"suite": 'shared = { generator_optimizer = { name = "Adamm", lr = 1.0 } }'}, ["did you mean 'Adam'?"]),
        ({"suite": "shared = { generator_optimizer = { lr = 0.1, beta = 1 } }"}, ["Adam cannot be made with", "beta"]),
    ],
)
def test_a_mistake_names_file_and_key(read, lines, parts, tmp_path):
    with pytest.raises(GanZooError) as error:
        make_plan(RunOptions(suite=read(**lines), preset="smoke", device="cpu"))
    for line in str(error.value).splitlines():
        assert line.startswith(str(tmp_path / "mine.toml"))
    for part in parts:
        assert part in str(error.value)


def test_contrasts_of_a_suite_and_of_variants_that_it_does_not_have(read):
    suite = read('contrasts = [["slow", "gan"]]')
    assert suite_variants.contrasts(suite, ["gan", "slow"]) == [("slow", "gan")]
    assert suite_variants.contrasts(suite, ["gan", "slow", "mine"]) == [("slow", "gan"), ("mine", "gan")]
    assert suite_variants.contrasts(suite, ["mine", "slow"]) == [("mine", "slow")]
    assert suite_variants.contrasts(read(), ["gan", "slow", "mine"]) == [("slow", "gan"), ("mine", "gan")]


def test_runs_of_two_named_variants_are_two(read):
    """Of one variant with other options; another name alone changes no number."""
    named = '[named.slower]\nvariant = "gan"\noptions = { ema = 0.99 }\n[named.twin]\nvariant = "gan"\n'
    suite = read(named=f"{named}options = {{ ema = 0.9 }}", preset='variants = ["slow", "slower", "twin", "gan"]')
    runs = make_plan(RunOptions(suite=suite, preset="smoke", device="cpu")).runs()
    hashes = {run.variant_name: run.name.rpartition("-")[2] for run in runs}
    assert list(hashes) == ["real", "slow", "slower", "twin", "gan"]
    assert hashes["twin"] == hashes["slow"]
    assert len(set(hashes.values())) == 4
    assert len({run.name for run in runs}) == 5


def test_tables_and_checkpoints_of_a_named_variant(bench, tmp_path):
    """They have its own name and title; its checkpoint has the variant that it is made from, and its options."""
    named = '[named.averaged]\nvariant = "by_heart"\noptions = { ema = 0.9 }\n\n[presets.smoke]'
    changes = (('"sibling"', '"averaged"'), ("[presets.smoke]", named), ("seeds = 2", "seeds = 1"))
    bench("out", *changes)
    folder = tmp_path / "out"
    titles = pd.read_csv(folder / "runs.csv").set_index("variant")["title"]
    assert (titles["by_heart"], titles["averaged"]) == ("Toy", "Toy, ema 0.9")
    (path,) = (path for path in folder.rglob("averaged-*.safetensors") if "previous" not in path.name)
    loaded = checkpoint.load(path)
    assert (loaded.variant.name, dict(loaded.variant.options)["ema"]) == ("by_heart", 0.9)
    assert loaded.sampler("cpu").weights == "ema"
    assert loaded.sampler("cpu")(2).shape == (2, 1, 32, 32)
