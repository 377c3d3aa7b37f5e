"""Plans: what decides a run's name and what does not, overrides, extractors that are left out."""

import importlib.util
import json
from dataclasses import replace

import pytest

from gan_zoo import data, registry
from gan_zoo.bench import identity as identity_module
from gan_zoo.bench import plan as plan_module
from gan_zoo.bench import plan_extractors
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.runner import manifest_of
from gan_zoo.bench.suite import read_suite
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import ExtractorUnavailable
from gan_zoo.options import RunOptions

load = data.load


@pytest.fixture
def plan(suite, toys):
    """The plan of the toys' suite, some of its text replaced, and some of the request."""

    def make(*changes, **request):
        request = {"preset": "smoke", "plugins": [toys], "device": "cpu"} | request
        return make_plan(RunOptions(suite=read_suite(suite(*changes)), **request))

    return make


def names(plan, *variants):
    return {run.name for run in plan.runs() if run.variant_name in (variants or {run.variant_name})}


def both(plan):
    """The names of the runs of variants, and of those of real images, as they are now."""
    return names(plan, "by_heart", "sibling"), names(plan, "real")


def renamed(before, after):
    """Whether the runs of variants have other names, and those of real images."""
    for one, other in zip(before, after, strict=True):
        assert one == other or not one & other
    return tuple(one != other for one, other in zip(before, after, strict=True))


def test_runs_come_seed_by_seed_behind_the_floor(plan):
    order = [(run.variant_name, run.seed) for run in plan().runs()]
    assert order == [("real", 0), ("real", 1), ("by_heart", 0), ("sibling", 0), ("by_heart", 1), ("sibling", 1)]


def test_a_manifest_names_the_executor_and_no_number_of_jobs_on_a_cluster(plan, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "ray" or find_spec(name))
    local, on_ray = (manifest_of(plan(executor=executor, jobs=2)) for executor in ("local", "ray"))
    assert (local["executor"], local["jobs"]) == ("local", 2)
    assert (on_ray["executor"], on_ray["jobs"]) == ("ray", None)


OPTIONS = "batch_size = 16\noptions = { by_heart = { ema = 0.9 }, sibling = { image_side = 28 } }"


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ((), {}, (False, False)),
        ((("batch_size = 16", "batch_size = 20"),), {}, (True, False)),
        ((("batch_size = 16", OPTIONS),), {}, (True, False)),
        # A run can be extended.
        ((("images = 160", "images = 176"),), {}, (False, False)),
        ((("images = 160", "epochs = 3"),), {}, (False, False)),
        ((("[0.4, 1.0]", "[0.5, 1.0]"),), {}, (False, False)),
        ((("num_samples = 140\nbatch", "num_samples = 141\nbatch"),), {}, (False, True)),
        ((('data = "digits"', 'data = "digits"\nchannels = 3'),), {}, (True, True)),
        ((), {"threads": 2}, (True, True)),
        ((), {"jobs": 2}, (False, False)),
        ((), {"seeds": [2, 3]}, (True, True)),
    ],
)
def test_what_names_the_runs(plan, changes, options, expected):
    assert renamed(both(plan()), both(plan(*changes, **options))) == expected


@pytest.mark.parametrize(
    ("module", "name", "value", "expected"),
    [
        (data, "load", lambda *a, **k: replace(load(*a, **k), fingerprint="other"), (True, True)),
        (
            plan_extractors,
            "load_extractor",
            lambda *a, **k: replace(load_extractor(*a, **k), digest="another"),
            (False, True),
        ),
        (identity_module, "METRICS_VERSION", 99, (False, True)),
        (identity_module, "NUMERICS_VERSION", 99, (True, False)),
    ],
    ids=["data", "weights of an extractor", "metrics", "numerics"],
)
def test_what_names_the_runs_beside_the_suite(plan, monkeypatch, module, name, value, expected):
    before, digests = both(plan()), plan().measurement_digests
    monkeypatch.setattr(module, name, value)
    after = plan()
    assert renamed(before, both(after)) == expected
    assert (digests != after.measurement_digests) == expected[1]


def test_a_revision_names_the_runs_of_its_variant_and_of_those_made_from_it(plan, monkeypatch):
    made = plan(('"by_heart", "sibling"]', '"lsgan", "dcgan"]'))
    before = names(made, "lsgan"), names(made, "dcgan", "real")
    monkeypatch.setitem(registry._revisions, "cgan", 99)
    assert renamed(before, (names(made, "lsgan"), names(made, "dcgan", "real"))) == (True, False)


def test_the_module_of_a_function_changes_no_number(plan):
    identity = plan().runs()[-1].identity
    moved = json.loads(json.dumps(identity).replace("gan_zoo.losses.adversarial.", "gan_zoo.losses.energy."))
    assert moved != identity
    assert identity_module.decisive(moved) == identity_module.decisive(identity)


def test_a_seed_names_its_own_runs(plan):
    zero, one, both = (names(plan(seeds=seeds)) for seeds in ([0], [1], [0, 1]))
    assert not zero & one
    assert zero | one == both


def test_an_edited_plugin_names_its_own_runs(plan, toys):
    def found():
        made = plan(('"sibling"]', '"gan"]'))
        return names(made, "by_heart"), names(made, "gan", "real")

    before = found()
    toys.write_text("# a comment\n" + toys.read_text(encoding="utf-8"), encoding="utf-8")
    assert found() == before
    toys.write_text(toys.read_text(encoding="utf-8") + "EDITED = 1\n", encoding="utf-8")
    assert renamed(before, found()) == (True, False)


def test_a_variant_of_a_variant_follows_its_file(plan, toys, tmp_path):
    child = tmp_path / "child.py"
    child.write_text(
        "from dataclasses import replace\nfrom gan_zoo.registry import get, register\n"
        "@register('child')\ndef child():\n    return replace(get('by_heart'), title='Child')\n",
        encoding="utf-8",
    )

    def named():
        return names(plan(('"by_heart", "sibling"]', '"child"]'), plugins=[toys, child]), "child")

    before = named()
    toys.write_text(toys.read_text(encoding="utf-8") + "EDITED = 1\n", encoding="utf-8")
    assert not before & named()


@pytest.mark.parametrize(
    ("changes", "preset"),
    [((), "full"), ((("batch_size = 16", "batch_size = 32"), ("images = 160", "images = 320")), "smoke")],
)
def test_the_full_preset_and_options_at_their_own_value_override_nothing(plan, changes, preset):
    assert set(plan(*changes, preset=preset).overrides.values()) == {()}


def test_overrides_of_a_preset_are_listed(plan):
    options = "batch_size = 16\noptions = { dcgan = { width = 4, latent = '100 normal' } }"
    made = plan(('"sibling"]', '"dcgan"]'), ("batch_size = 16", options))
    budget = "budget 160 images, not 320 images"
    assert made.overrides["by_heart"] == ("batch_size 16, not 32", budget)
    assert made.overrides["dcgan"] == (
        "batch_size 16, not 512",
        "width 4, not 128",
        "latent 100 normal, not 100 uniform [0, 1)",
        budget,
    )


def test_auto_is_quick_on_a_cpu(plan):
    with pytest.raises(GanZooError, match="unknown preset 'quick'"):
        plan(preset="auto")
    assert plan(("presets.smoke", "presets.quick"), preset="auto").preset_name == "quick"


def test_a_request_goes_before_the_suite(plan):
    made = plan(variants=["sibling"], seeds=[3])
    assert [(run.variant_name, run.seed) for run in made.runs()] == [("real", 3), ("sibling", 3)]


def test_n_is_no_more_than_the_test_split(plan):
    made = plan(("num_samples = 140\nbatch", "num_samples = 600\nbatch"))
    assert made.preset.num_samples == 500
    assert made.notices == ("num_samples reduced from 600 to 500, the size of the test split of digits",)


def test_a_gpu_that_is_not_used_is_a_notice_unless_the_cpu_is_requested(plan, monkeypatch):
    monkeypatch.setattr(plan_module, "unused_gpu", lambda: "no driver")
    assert plan(device=None).notices == ("no driver",)
    assert plan(device="cpu").notices == ()


@pytest.fixture
def inception(monkeypatch):
    """Loads inception as a function of no arguments does."""

    def replaced(made):
        monkeypatch.setattr(
            plan_extractors,
            "load_extractor",
            lambda name, **_options: made() if name == "inception" else load_extractor(name),
        )

    return replaced


def test_an_extractor_that_needs_more_images_is_left_out(plan, inception):
    inception(lambda: replace(load_extractor("digits-cnn"), name="inception", minimum_n=2048))
    made = plan(('["digits-cnn"]', '["digits-cnn", "inception"]'))
    assert [extractor.name for extractor in made.extractors] == ["digits-cnn"]
    assert made.notices == ("inception is left out: it needs num_samples of at least 2048, not 140",)


def test_an_extractor_that_is_not_available_is_left_out(plan, inception):
    def unavailable():
        raise ExtractorUnavailable("inception left out: no weights")

    inception(unavailable)
    made = plan(('["digits-cnn"]', '["digits-cnn", "inception"]'))
    assert [extractor.name for extractor in made.extractors] == ["digits-cnn"]
    assert made.notices == ("inception left out: no weights",)
    with pytest.raises(GanZooError, match=r"no extractor is left to measure with: inception left out: no weights"):
        plan(('["digits-cnn"]', '["inception"]'))


def test_a_variant_is_described_once_for_all_its_seeds(plan, monkeypatch):
    made = plan(seeds=list(range(100)))
    described = []
    trajectory = plan_module.trajectory
    monkeypatch.setattr(plan_module, "trajectory", lambda *args: described.append(args[0]) or trajectory(*args))
    runs = [run for run in made.runs() if run.variant is not None]
    assert len(runs) == 200
    assert len(described) == 2
    assert len({run.name for run in runs}) == 200
    assert [run.identity["seed"] for run in runs] == [run.seed for run in runs]
    alone = plan(seeds=[42])
    assert names(alone, "by_heart", "sibling") <= {run.name for run in runs}
