"""Data sets without a shipped extractor: the plan's extractors and notices, and runs without any extractor."""

import re
from dataclasses import replace

import pytest
import torch

from gan_zoo import api, data
from gan_zoo.bench import plan as plan_module
from gan_zoo.bench import plan_extractors
from gan_zoo.bench.folder import read_runs
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import read_suite
from gan_zoo.bench.tables import read_results, write_tables
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import classifier_training
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import ExtractorUnavailable
from gan_zoo.metrics.registry import names_for
from gan_zoo.options import RunOptions
from gan_zoo.report.context import write_report
from gan_zoo.report.tables import ranking_table


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """No Inception, no download, an empty cache, and a training of seconds."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    options = classifier_training.TrainingOptions(epochs=3, widths=(4, 8, 8), batch=50)
    monkeypatch.setattr(classifier_training, "options_for", lambda images, channels: options)


@pytest.fixture
def plan(suite, toys, monkeypatch, no_weights):
    """The plan of the toys' suite on digits under another name, with some facts of the set changed."""
    load = data.load

    def make(*changes, extractors="own", **facts):
        facts = {"name": "cats", "title": "Cats", "extractor": "trained"} | facts
        monkeypatch.setattr(data, "load", lambda *a, **k: replace(load(*a, **k), **facts))
        text = suite(('["digits-cnn"]', str(extractors.split()).replace("'", '"')), *changes)
        return make_plan(RunOptions(suite=read_suite(text), preset="smoke", plugins=[toys], device="cpu"))

    return make


def test_a_classifier_is_trained_with_a_notice_and_left_without_inception(plan):
    made = plan(extractors="own inception")
    (extractor,) = made.extractors
    assert extractor.name == "cats-cnn"
    assert made.notices[0] == extractor.note
    assert "inception" in made.notices[1]
    assert made.measurements["cats-cnn"]["digest"] == extractor.digest


def test_a_plan_made_again_has_the_same_runs(plan):
    assert [run.name for run in plan().runs()] == [run.name for run in plan().runs()]


def test_without_labels_the_notices_name_what_is_left_out(plan):
    made = plan(extractors="own inception", classes=0, class_names=(), extractor="")
    assert made.extractors == ()
    for words, notice in zip(("no labels", "inception", ", ".join(names_for("classifier"))), made.notices, strict=True):
        assert words in notice


def test_few_images_are_measured_without_fid(plan):
    made = plan(("num_samples = 140\nbatch", "num_samples = 100\nbatch"))
    (extractor,) = made.extractors
    assert "fid" not in extractor.metrics
    assert made.ranked_by == "kid"
    assert all(word in made.notices[1] for word in ("FID", "129", "100"))
    assert made.measurements["cats-cnn"]["primary"] == "kid"


def test_kid_ranks_if_the_reference_is_small(plan, monkeypatch):
    assert plan().ranked_by == "kid"
    monkeypatch.setattr(plan_module, "FEW_IMAGES", 400)
    made = plan()
    assert made.ranked_by == "fid"
    assert "primary" not in made.measurements["cats-cnn"]
    assert plan(extractor="digits-cnn").ranked_by == "fid"


def test_images_too_few_for_any_metric_are_no_error_either(plan):
    made = plan(("num_samples = 140\nbatch", "num_samples = 5\nbatch"))
    assert made.extractors == ()
    assert all(word in made.notices[0] for word in ("cats-cnn", "129", "5"))


@pytest.mark.parametrize(("classes", "remedy"), [(0, "one sub-folder a class"), (10, "add 'trained'")])
def test_metrics_that_inception_does_not_have_are_named(plan, monkeypatch, classes, remedy):
    inception = replace(load_extractor("digits-cnn"), name="inception", metrics=("fid", "is", "kid"))
    monkeypatch.setattr(plan_extractors, "load_extractor", lambda name, **options: inception)
    (notice,) = plan(extractors="inception", classes=classes, extractor="").notices
    assert "precision, recall, density, coverage, modes, class_kl, label_accuracy, memorization" in notice
    assert remedy in notice


def test_the_default_is_the_shipped_extractor_of_a_set_that_has_one(plan):
    made = plan(extractor="digits-cnn")
    assert [extractor.name for extractor in made.extractors] == ["digits-cnn"]
    assert made.notices == ()


def test_a_missing_shipped_extractor_is_an_error(plan, monkeypatch):
    def refuse(name, **options):
        raise ExtractorUnavailable("no weights")

    monkeypatch.setattr(plan_extractors, "load_extractor", refuse)
    with pytest.raises(GanZooError, match="no weights"):
        plan(extractor="digits-cnn")


def test_unknown_extractors_are_named(plan):
    with pytest.raises(GanZooError, match=r"'extractors'.*'owm'.*'own'"):
        plan(extractors="owm")


WHY = "every metric is left out: there are no labels and no Inception weights"


@pytest.fixture
def folder(tmp_path, toys, suite, no_report, monkeypatch):
    monkeypatch.setattr(plan_module, "choose_extractors", lambda *_a, **_k: ((), [WHY]))

    def run():
        api.run_suite(suite(), tmp_path / "out", preset="smoke", plugins=[toys], jobs=1, device="cpu")
        return tmp_path / "out"

    return run


def test_a_run_without_extractors_trains_and_its_report_has_the_notice(folder):
    out = folder()
    results = write_tables(out)
    assert set(results.runs["status"]) == {"ok"}
    assert len(results.history) > 0
    assert results.metrics.empty
    assert all(run.samples for run in read_runs(out) if run.begin["variant"] != "real")
    table = ranking_table(read_results(out))
    assert set(table["variant"].str.rstrip("†")) == {"by_heart", "sibling"}
    assert set(table["rank"]) == {""}
    report = write_report(out)
    for name in ("report.html", "report.md"):
        text = re.sub(r'base64,[^"]*', "", (out / name).read_text(encoding="utf-8"))
        assert WHY in text
        assert "final FID" not in text
    assert {path.stem for path in (report.parent / "figures").iterdir()} == {"samples"}


def test_a_resumed_run_without_extractors_ends_well(folder):
    out = folder()
    for path in (out / "records").glob("by_heart*.jsonl"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if '"row":"end"' not in line) + "\n")
    assert set(write_tables(folder()).runs["status"]) == {"ok"}
