"""The fingerprint of a row: equal for equal protocols, different for each field that differs, in old records too."""

import copy
import hashlib
import json
from pathlib import Path

import pytest

from gan_zoo.bench.protocol import TITLES, differences, fingerprint_of, protocols, settings_digest
from gan_zoo.bench.records import plain, read_manifest, read_runs

RESULTS = Path(__file__).parents[2] / "results"
VERSIONS = {"torch": "2.9.0", "torchvision": "0.24.0", "torch-fidelity": "0.4.0"}
ROW = """{
  "begin": {"row": "begin", "variant": "gan", "seed": 0, "data": "mnist", "preset": "quick", "precision": "fp32",
            "identity": {"num_samples": 2000, "measured_data": "DATA", "extractors": {"mnist-cnn": "WEIGHTS"},
                         "precision": "fp32", "versions": {VERSIONS}, "seed": 0, "code": "11"}},
  "metric": {"row": "metrics", "extractor": "mnist-cnn", "num_samples": 2000, "reference": "test", "weights": "raw",
             "step": 100, "values": {"fid": 20.0}},
  "manifest": {"data": {"name": "mnist", "fingerprint": "DATA", "shape": [1, 32, 32]}, "num_samples": 2000,
               "extractors": {"mnist-cnn": {"digest": "WEIGHTS"}}, "precision": "fp32",
               "versions": {"python": "3.12.1", VERSIONS}}
}"""


@pytest.fixture
def row():
    """The begin row of a run, a row of metrics and a manifest, as the bench writes them."""
    versions = json.dumps(VERSIONS)[1:-1]
    return json.loads(ROW.replace("DATA", "cd" * 32).replace("WEIGHTS", "ab" * 32).replace("VERSIONS", versions))


def changed(row, *path, to):
    """A copy of the rows with one value changed."""
    made = copy.deepcopy(row)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return made


CHANGES = {
    "data": [("begin", "data", "fashion_mnist"), ("begin", "identity", "measured_data", "ce" * 32)],
    "split": [("metric", "reference", "train")],
    "side": [("manifest", "data", "shape", [1, 64, 64]), ("manifest", "data", "shape", [3, 32, 32])],
    "extractor": [("metric", "extractor", "inception"), ("begin", "identity", "extractors", {"mnist-cnn": "ac" * 32})],
    "num_samples": [("metric", "num_samples", 500)],
    "precision": [("begin", "precision", "bf16")],
    "versions": [("begin", "identity", "versions", {**VERSIONS, "torch": "2.10.0"})],
}


@pytest.mark.parametrize(("field", "change"), [(field, change) for field, some in CHANGES.items() for change in some])
def test_one_field_that_differs_is_another_fingerprint_and_is_named(row, field, change):
    first, second = fingerprint_of(**row), fingerprint_of(**changed(row, *change[:-1], to=change[-1]))
    assert first.digest != second.digest
    assert list(differences(first, second)) == [field]


def test_every_field_has_a_title_and_a_change_above():
    assert set(CHANGES) == set(TITLES)


IRRELEVANT = [
    *[("begin", "variant", "cgan"), ("begin", "seed", 3), ("begin", "preset", "full")],
    *[("begin", "identity", "seed", 3), ("begin", "identity", "code", "22" * 32)],
    *[("metric", "step", 50), ("metric", "weights", "ema"), ("metric", "values", {"fid": 3.0})],
    ("manifest", "versions", "python", "3.11.0"),
]


@pytest.mark.parametrize("change", IRRELEVANT)
def test_what_is_no_part_of_the_protocol_does_not_move_it(row, change):
    first, second = fingerprint_of(**row), fingerprint_of(**changed(row, *change[:-1], to=change[-1]))
    assert (first, first.digest) == (second, second.digest)
    assert differences(first, second) == {}


def test_the_digest_is_twelve_digits_of_the_fields_own_hash(row):
    protocol = fingerprint_of(**row)
    fields = {
        "data": ["mnist", "cd" * 32],
        "split": "test",
        "side": "32 x 32, 1 channel",
        "extractor": ["mnist-cnn", "ab" * 32],
        "num_samples": 2000,
        "precision": "fp32",
        "versions": [["torch", "2.9.0"], ["torch-fidelity", "0.4.0"], ["torchvision", "0.24.0"]],
    }
    text = json.dumps(fields, sort_keys=True)
    assert protocol.digest == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_differences_are_words(row):
    first = fingerprint_of(**row)
    fewer = fingerprint_of(**changed(row, "metric", "num_samples", to=500))
    assert differences(first, fewer) == {"num_samples": ("2,000", "500")}
    newer = changed(row, "begin", "identity", "versions", to={**VERSIONS, "torch": "2.10.0", "numpy": "2.0"})
    assert differences(first, fingerprint_of(**newer)) == {
        "versions": ("numpy not recorded, torch 2.9.0", "numpy 2.0, torch 2.10.0")
    }
    assert first.words()["num_samples"] == "2,000"
    assert first.words()["extractor"] == "mnist-cnn (abababababab)"


def test_records_without_an_identity_take_the_manifest(row):
    bare = copy.deepcopy(row)
    for key in ("identity", "precision"):
        del bare["begin"][key]
    assert fingerprint_of(**bare) == fingerprint_of(**row)


def test_records_that_hold_next_to_nothing_still_have_one():
    manifest = {"data": {"name": "mnist"}, "extractors": {"mnist-cnn": {}}}
    protocol = fingerprint_of({"variant": "gan"}, {"extractor": "mnist-cnn"}, manifest)
    words = protocol.words()
    assert (words["data"], words["extractor"]) == ("mnist (not recorded)", "mnist-cnn (not recorded)")
    assert words["precision"] == "fp32"
    for title in ("reference split", "image size", "num_samples", "versions"):
        assert words[title] == "not recorded"


def test_points_have_dimensions_and_no_channels(row):
    protocol = fingerprint_of(**changed(row, "manifest", "data", "shape", to=[2]))
    assert protocol.side == "points in 2 dimensions"


SETTINGS = {
    "title": "GAN",
    "batch_size": 64,
    "latent": "100 normal",
    "objective": {"title": "cross-entropy", "state": {"scale": 0.1}},
    "penalties": [{"title": "R1", "weight": 1.0}],
}
PROSE = [
    *[("title", "Vanilla GAN"), ("deviations", ["none"]), ("objective", "title", "BCE")],
    *[("penalties", 0, "title", "gradient penalty"), ("penalties", tuple(SETTINGS["penalties"]))],
]
NUMBERS = [
    *[("batch_size", 65), ("objective", "state", "scale", 0.2), ("ema", 0.99)],
    *[("penalties", 0, "weight", 2.0), ("penalties", [])],
]


@pytest.mark.parametrize("change", PROSE)
def test_prose_is_no_setting_of_a_variant(change):
    assert settings_digest(changed(SETTINGS, *change[:-1], to=change[-1])) == settings_digest(SETTINGS)


@pytest.mark.parametrize("change", NUMBERS)
def test_any_other_setting_moves_the_digest(change):
    assert settings_digest(changed(SETTINGS, *change[:-1], to=change[-1])) != settings_digest(SETTINGS)


def test_settings_have_one_digest_before_and_after_they_were_recorded():
    made = {"betas": (0.5, 0.999), "bound": float("inf"), **SETTINGS}
    assert settings_digest(json.loads(json.dumps(plain(made)))) == settings_digest(made)


FOLDERS = sorted(
    path.parent for path in RESULTS.rglob("manifest.json") if {"cells", "runs"} & set(json.loads(path.read_text()))
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(RESULTS).as_posix())
def test_a_folder_of_results_has_one_protocol_an_extractor_with_nothing_missing(folder):
    manifest = read_manifest(folder)
    found = protocols(manifest, read_runs(folder))
    assert set(found) == set(manifest["extractors"])
    for those in found.values():
        assert len(those) == 1
        assert those[0].n == manifest["num_samples"]
        assert not [title for title, said in those[0].words().items() if "not recorded" in said]
