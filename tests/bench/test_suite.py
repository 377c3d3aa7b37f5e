"""Suite files: those of this package, and the errors for mistakes in one."""

from pathlib import Path

import pytest

from gan_zoo import data
from gan_zoo.bench import suite_variants
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import SHIPPED, read_suite
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.features import EXTRACTORS
from gan_zoo.options import RunOptions

SUITES = sorted(SHIPPED.glob("*.toml"))
POINTS = {"ring8": (2,), "grid25": (2,), "mixture1d": (1,)}
GOOD = """
title = "Toys"
data = "digits"
variants = ["gan"]
extractors = ["digits-cnn"]
[presets.smoke]
seeds = 2
budget = { images = 256 }
evaluate_at = [0.5, 1.0]
num_samples = 50
"""


@pytest.fixture
def message(tmp_path):
    """The error of the good suite with one replacement."""

    def read(old, new):
        path = tmp_path / "mine.toml"
        assert GOOD.count(old) == 1
        path.write_text(GOOD.replace(old, new), encoding="utf-8")
        with pytest.raises(GanZooError) as error:
            make_plan(RunOptions(suite=read_suite(path), preset="smoke"))
        assert str(path) in str(error.value)
        return str(error.value)

    return read


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_preset_resolves(path):
    suite = read_suite(path)
    assert {"smoke", "quick", "full"} <= set(suite.presets)
    assert suite.data in data.names()
    for preset in suite.presets.values():
        assert set(preset.extractors or suite.extractors) <= {*EXTRACTORS, "density"}
        for name in {*suite.variants, *(preset.variants or ()), *preset.options}:
            variant = suite_variants.make_variant(name, suite, preset)
            channels, side = 3 if suite.data == "stacked_mnist" else 1, variant.image_side
            variant.build(POINTS.get(suite.data, (channels, side, side)), 10)


def test_the_good_one_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    preset = read_suite(path).preset("smoke")
    assert (preset.seed_list, preset.budget, preset.evaluate_at) == ([0, 1], {"images": 256}, [0.5, 1.0])


SAMPLES = "num_samples = 50"


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("data =", "dta =", ["unknown key 'dta'", "did you mean 'data'?", "Allowed: title, data, variants"]),
        ("seeds = 2", "sedes = 2", ["unknown key 'presets.smoke.sedes'", "'seeds'?", "evaluate_from, num_samples,"]),
        ("[presets.smoke]", "[preset.smoke]", ["unknown key 'preset'", "did you mean 'presets'?"]),
        (SAMPLES, "", ["key 'presets.smoke.num_samples' is missing"]),
        (SAMPLES, "n = 50", ["key 'presets.smoke.n'", "'num_samples'"]),
        (SAMPLES, 'num_samples = "many"', ["key 'presets.smoke.num_samples' is 'many'", "integer"]),
        (SAMPLES, "num_samples = 0", ["key 'presets.smoke.num_samples' is 0", "greater than or equal to 1"]),
        ("seeds = 2", 'seeds = "two"', ["key 'presets.smoke.seeds' is 'two'", "a count of at least 1, or a list"]),
        ("seeds = 2", "seeds = true", ["key 'presets.smoke.seeds' is True"]),
        ("seeds = 2", "seeds = 0", ["key 'presets.smoke.seeds' is 0"]),
        ("seeds = 2", "seeds = [1, 1]", ["key 'presets.smoke.seeds' is [1, 1]", "different"]),
        ("seeds = 2", "seeds = [-1]", ["key 'presets.smoke.seeds' is [-1]"]),
        ("images = 256", "epoch = 1", ["key 'presets.smoke.budget'", "did you mean 'epochs'?"]),
        ("images = 256", "epochs = 1, steps = 1", ["exactly one of", "not epochs, steps"]),
        ("images = 256", "steps = 2.5", ["key 'presets.smoke.budget' is {'steps': 2.5}", "whole numbers"]),
        ("images = 256", "images = 0", ["key 'presets.smoke.budget.images' is 0", "greater than 0"]),
        ("images = 256", "images = inf", ["key 'presets.smoke.budget.images' is inf", "finite"]),
        ("[0.5, 1.0]", "[1.0, 0.5]", ["key 'presets.smoke.evaluate_at'", "must rise to 1"]),
        ("[0.5, 1.0]", "[0.5, 0.5, 1.0]", ["must rise to 1"]),
        ("[0.5, 1.0]", "[0.5]", ["must rise to 1"]),
        ("[0.5, 1.0]", "[]", ["must rise to 1"]),
        ("[0.5, 1.0]", "[0.0, 1.0]", ["key 'presets.smoke.evaluate_at.0' is 0.0"]),
        ("[0.5, 1.0]", "[1.0]\nevaluate_from = 64", ["'presets.smoke.evaluate_from' is 64", "evaluate_at; remove one"]),
        ("evaluate_at = [0.5, 1.0]", "evaluate_from = 0", ["key 'presets.smoke.evaluate_from' is 0", "greater than 0"]),
        ("evaluate_at = [0.5, 1.0]", "evaluate_from = inf", ["evaluate_from' is inf", "finite"]),
        ('data = "digits"', 'data = "digits"\nchannels = 2', ["key 'channels' is 2", "1 or 3"]),
        ('["gan"]', "[]", ["key 'variants' is []"]),
        ('["gan"]', '"gan"', ["key 'variants' is 'gan'", "list"]),
        ('"Toys"', "", ["cannot be read", "line 2"]),
        ('["gan"]', '["gna"]', ["key 'variants'", "unknown variant 'gna'; did you mean 'gan'?", "cgan, dcgan"]),
        ('"digits"\n', '"digit"\n', ["key 'data'", "unknown data set 'digit'; did you mean 'digits'?", "mnist"]),
        ('["digits-cnn"]', '["digits-cn"]', ["key 'extractors'", "did you mean 'digits-cnn'?", "inception"]),
        (SAMPLES, f'{SAMPLES}\nvariants = ["dcgna"]', ["key 'presets.smoke.variants'", "did you mean 'dcgan'?"]),
        (SAMPLES, f"{SAMPLES}\noptions = {{ gann = {{}} }}", ["key 'presets.smoke.options'", "did you mean 'gan'?"]),
        (SAMPLES, f"{SAMPLES}\noptions = {{ dcgan = {{ widht = 1 }} }}", ["options.dcgan'", "'widht'", "'width'?"]),
        ('["gan"]', '["gan"]\ncontrasts = [["gan", "gan"]]', ["key 'contrasts'", "'gan' is compared with itself"]),
        ("[presets.smoke]", "[presets.smoky]", ["unknown preset 'smoke'; did you mean 'smoky'?", "Known: auto, smoky"]),
    ],
)
def test_a_mistake_is_one_line(message, old, new, parts):
    result = message(old, new)
    assert "\n" not in result
    for part in parts:
        assert part in result


LONG = list(range(100_001))
SHARES = [place / 2000 for place in range(1, 2001)]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("seeds = 2", "seeds = 20_000_000", ["key 'presets.smoke.seeds' is 20000000", "1,000"]),
        ("seeds = 2", f"seeds = {2**63}", ["key 'presets.smoke.seeds'", "1,000"]),
        ("seeds = 2", f"seeds = {LONG}", ["key 'presets.smoke.seeds' is [0, 1, 2", "1,000"]),
        ("seeds = 2", "seeds = [10_000_000_000_000_000_000]", ["key 'presets.smoke.seeds'"]),
        ("seeds = 2", f"seeds = {list(range(1_000_000))}", ["cannot be read", "bytes"]),
        ("[0.5, 1.0]", f"{SHARES}", ["key 'presets.smoke.evaluate_at' is [0.0005, ", "1000"]),
        ("images = 256", "images = 1e18", ["key 'presets.smoke.budget'", "at most 1e+15"]),
        (SAMPLES, f"num_samples = {10**12}", ["key 'presets.smoke.num_samples'", "10000000"]),
        (SAMPLES, f"{SAMPLES}\nbatch_size = {10**9}", ["key 'presets.smoke.batch_size'", "1000000"]),
        (SAMPLES, f"{SAMPLES}\nshared = {{ image_side = 100000 }}", ["'shared'", "image_side is 100000", "4,096"]),
        (SAMPLES, f"{SAMPLES}\nshared = {{ packing = {10**9} }}", ["'shared'", "packing is 1000000000"]),
        (SAMPLES, f"{SAMPLES}\nx = {'[' * 100_000}", ["cannot be read", "recursion"]),
        (SAMPLES, f"{SAMPLES}\nx = {'[' * 100_000}{']' * 100_000}", ["cannot be read", "recursion"]),
        (SAMPLES, f"{SAMPLES}\nx = {'[' * 150}{']' * 150}", ["unknown key 'presets.smoke.x'"]),
        (SAMPLES, f"num_samples = {'[' * 150}{']' * 150}", ["key 'presets.smoke.num_samples' is "]),
        (SAMPLES, f"{SAMPLES}\nshared = {{ lr = {'[' * 150}{']' * 150} }}", ["'shared'", "lr"]),
        (SAMPLES, f"num_samples = {'9' * 5000}", ["cannot be read", "digits"]),
        (SAMPLES, "num_samples = 1e999", ["key 'presets.smoke.num_samples' is inf"]),
        ("Toys", "T" * 20_000, ["key 'title' is 'TTT", "10000"]),
    ],
)
def test_what_would_take_for_ever_or_all_memory_is_one_line(message, old, new, parts):
    result = message(old, new)
    assert "\n" not in result
    assert len(result) < 1000
    for part in parts:
        assert part in result


def test_a_byte_order_mark_is_no_part_of_a_suite(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert read_suite(path).title == "Toys"


def test_two_mistakes_are_two_lines(message):
    assert len(message("num_samples = 50", "num_samples = 0\nm = 1").splitlines()) == 2


def test_a_variant_named_twice_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(GanZooError, match="named twice: gan"):
        make_plan(RunOptions(suite=read_suite(path), preset="smoke", variants=["gan", "gan"]))


@pytest.mark.parametrize("path", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GanZooError, match=r"^suite '"):
        read_suite(Path(path))


def test_a_preset_extends_another_one(suite):
    added = '[presets.standard]\nextends = "smoke"\nseeds = 5\nbudget = { images = 640 }\n\n[presets.full]'
    read = read_suite(suite(("[presets.full]", added)))
    expected = {**read.preset("smoke").model_dump(), "seeds": 5, "budget": {"images": 640}}
    assert read.preset("standard").model_dump() == expected


@pytest.mark.parametrize("parent", ["smok", "half", "more"])
def test_a_preset_that_cannot_be_extended_is_named(suite, parent):
    """It does not exist, or extends another one itself."""
    made = '[presets.half]\nextends = "smoke"\n\n[presets.more]\nextends = "' + parent + '"\n\n[presets.full]'
    with pytest.raises(GanZooError, match=rf"presets\.more\.extends.*unknown preset '{parent}'"):
        read_suite(suite(("[presets.full]", made)))


def test_a_shipped_suite_by_its_name_and_a_file_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert read_suite("digits").file == str(SHIPPED / "digits.toml")
    (tmp_path / "mnist").write_text(GOOD, encoding="utf-8")
    assert read_suite("mnist").title == "Toys"
