"""Plans of data sets without a shipped extractor: what measures them, what is said, and what is left out."""

from dataclasses import replace

import pytest
import torch

from gan_zoo import data
from gan_zoo.bench import plan as plan_module
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import read_suite
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classifier_training as training_module
from gan_zoo.metrics import trained
from gan_zoo.metrics.classifier import MEASURES
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import ExtractorUnavailable
from gan_zoo.options import RunOptions


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path, monkeypatch):
    """No Inception, no download, an empty cache, and a recipe of seconds."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    recipe = training_module.Recipe(epochs=3, widths=(4, 8, 8), batch=50)
    monkeypatch.setattr(trained, "recipe_for", lambda images, channels: recipe)


@pytest.fixture
def plan(suite, toys, monkeypatch):
    """The plan of the toys' suite on digits under another name, with some facts of the set changed."""
    load = data.load

    def make(*changes, extractors="own", **facts):
        facts = {"name": "cats", "title": "Cats", "extractor": "trained"} | facts
        monkeypatch.setattr(data, "load", lambda *a, **k: replace(load(*a, **k), **facts))
        text = suite(('["digits-cnn"]', str(extractors.split()).replace("'", '"')), *changes)
        return make_plan(RunOptions(suite=read_suite(text), preset="smoke", plugins=[toys], device="cpu"))

    return make


def test_a_classifier_is_trained_and_the_plan_says_so(plan):
    made = plan()
    (extractor,) = made.extractors
    assert extractor.name == "cats-cnn"
    assert made.notices == (extractor.note,)
    assert extractor.note.startswith("cats-cnn was trained for this: test accuracy ")
    assert made.measurements["cats-cnn"]["digest"] == extractor.digest


def test_a_plan_made_again_has_the_same_cells(plan):
    assert [cell.name for cell in plan().runs()] == [cell.name for cell in plan().runs()]


def test_inception_that_is_not_to_be_had_leaves_the_classifier(plan):
    made = plan(extractors="own inception")
    assert [extractor.name for extractor in made.extractors] == ["cats-cnn"]
    assert "inception left out" in made.notices[1]


def test_without_labels_the_plan_says_what_is_left_out_and_goes_on(plan):
    made = plan(extractors="own inception", classes=0, class_names=(), extractor="")
    assert made.extractors == ()
    first, second, last = made.notices
    assert "Cats has no labels" in first
    assert "one sub-folder a class, or name Inception's weights with --inception-weights" in first
    assert "inception left out" in second
    assert last.startswith(", ".join(MEASURES) + " are left out")
    assert last.endswith("training goes on without any measure")


def test_too_few_images_are_no_error_either(plan):
    made = plan(("num_samples = 140\nbatch", "num_samples = 100\nbatch"))
    assert made.extractors == ()
    assert made.notices[0] == "cats-cnn is left out: its figures need N of at least 129, and N is 100"


@pytest.mark.parametrize(("classes", "remedy"), [(0, "one sub-folder a class"), (10, "add 'trained'")])
def test_what_inception_alone_does_not_give_is_said(plan, monkeypatch, classes, remedy):
    inception = replace(load_extractor("digits-cnn"), name="inception", metrics=("fid", "is", "kid"))
    monkeypatch.setattr(plan_module, "load_extractor", lambda name, **options: inception)
    made = plan(extractors="inception", classes=classes, extractor="")
    (notice,) = made.notices
    left = "precision, recall, density, coverage, modes, class_kl, label_accuracy, memorization"
    assert notice.startswith(f"{left} are left out")
    assert remedy in notice


def test_own_is_the_shipped_extractor_of_a_set_that_has_one(plan):
    made = plan(extractor="digits-cnn")
    assert [extractor.name for extractor in made.extractors] == ["digits-cnn"]
    assert made.notices == ()


def test_a_shipped_extractor_that_cannot_be_had_is_still_an_error(plan, monkeypatch):
    def refuse(name, **options):
        raise ExtractorUnavailable("no weights")

    monkeypatch.setattr(plan_module, "load_extractor", refuse)
    with pytest.raises(GanZooError, match="no extractor is left to measure with: no weights"):
        plan(extractor="digits-cnn")


def test_unknown_extractors_are_named_as_before(plan):
    with pytest.raises(GanZooError, match=r"key 'extractors': unknown extractor 'owm'; did you mean 'own'\?"):
        plan(extractors="owm")
