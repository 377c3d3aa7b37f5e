"""The fingerprint of a row: equal for equal protocols, different for each field that differs, in stored results too."""

import copy
import hashlib
import json
from pathlib import Path

import pytest

from gan_zoo.bench.folder import read_manifest, read_runs
from gan_zoo.bench.protocol import TITLES, differences, fingerprint_of, protocols, settings_digest
from gan_zoo.bench.records import plain

RESULTS = Path(__file__).parents[2] / "results"
VERSIONS = {"torch": "2.9.0", "torchvision": "0.24.0", "torch-fidelity": "0.4.0"}
ROW = {
    "begin": {"variant": "gan", "seed": 0, "data": "mnist", "preset": "quick", "precision": "fp32"},
    "metric": {"extractor": "mnist-cnn", "num_samples": 2000, "reference": "test", "weights": "raw", "step": 100},
    "manifest": {
        "data": {"name": "mnist", "fingerprint": "cd" * 32, "shape": [1, 32, 32]},
        "extractors": {"mnist-cnn": {"digest": "ab" * 32}},
        "num_samples": 2000,
        "precision": "fp32",
        "versions": {"python": "3.12.1", **VERSIONS},
    },
}


def changed(row, *path, to):
    """A copy of the rows with one value changed."""
    made = copy.deepcopy(row)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return made


CHANGES = {
    "data": [("begin", "data", "fashion_mnist"), ("manifest", "data", "fingerprint", "ce" * 32)],
    "split": [("metric", "reference", "train")],
    "side": [("manifest", "data", "shape", [1, 64, 64]), ("manifest", "data", "shape", [3, 32, 32])],
    "extractor": [("metric", "extractor", "inception"), ("manifest", "extractors", "mnist-cnn", "digest", "ac" * 32)],
    "num_samples": [("metric", "num_samples", 500)],
    "precision": [("begin", "precision", "bf16")],
    "versions": [("manifest", "versions", "torch", "2.10.0"), ("manifest", "versions", "numpy", "2.0")],
}
IRRELEVANT = [
    *[("begin", "variant", "cgan"), ("begin", "seed", 3), ("begin", "preset", "full")],
    *[("metric", "step", 50), ("metric", "weights", "ema"), ("manifest", "versions", "python", "3.11.0")],
]


@pytest.mark.parametrize(("field", "change"), [(field, change) for field, some in CHANGES.items() for change in some])
def test_one_field_that_differs_is_another_fingerprint_and_is_named(field, change):
    first, second = fingerprint_of(**ROW), fingerprint_of(**changed(ROW, *change[:-1], to=change[-1]))
    assert first.digest != second.digest
    assert list(differences(first, second)) == [field]


def test_every_field_has_a_title_and_a_change_above():
    assert set(CHANGES) == set(TITLES)


@pytest.mark.parametrize("change", IRRELEVANT)
def test_other_values_do_not_change_the_fingerprint(change):
    first, second = fingerprint_of(**ROW), fingerprint_of(**changed(ROW, *change[:-1], to=change[-1]))
    assert (first, first.digest) == (second, second.digest)
    assert differences(first, second) == {}


def test_the_digest_is_twelve_digits_of_the_hash_of_the_fields():
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
    assert fingerprint_of(**ROW).digest == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_differences_as_text():
    first = fingerprint_of(**ROW)
    fewer = fingerprint_of(**changed(ROW, "metric", "num_samples", to=500))
    assert differences(first, fewer) == {"num_samples": ("2,000", "500")}
    newer = changed(ROW, "manifest", "versions", to={**VERSIONS, "torch": "2.10.0", "numpy": "2.0"})
    assert differences(first, fingerprint_of(**newer)) == {
        "versions": ("numpy not recorded, torch 2.9.0", "numpy 2.0, torch 2.10.0")
    }
    bare = fingerprint_of({}, {"extractor": "mnist-cnn"}, {"data": {"name": "mnist"}})
    found = differences(first, bare)
    assert found["data"] == ("mnist (cdcdcdcdcdcd)", "mnist (not recorded)")
    assert found["extractor"] == ("mnist-cnn (abababababab)", "mnist-cnn (not recorded)")
    assert found["side"] == ("32 x 32, 1 channel", "not recorded")
    assert found["num_samples"] == ("2,000", "not recorded")
    assert bare.precision == "fp32"


def test_points_have_dimensions_and_no_channels():
    protocol = fingerprint_of(**changed(ROW, "manifest", "data", "shape", to=[2]))
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


@pytest.mark.parametrize(("change", "equal"), [*((each, True) for each in PROSE), *((each, False) for each in NUMBERS)])
def test_settings_without_prose_have_one_digest(change, equal):
    found = settings_digest(changed(SETTINGS, *change[:-1], to=change[-1]))
    assert (found == settings_digest(SETTINGS)) == equal


def test_settings_have_one_digest_before_and_after_they_were_recorded():
    made = {"betas": (0.5, 0.999), "bound": float("inf"), **SETTINGS}
    assert settings_digest(json.loads(json.dumps(plain(made)))) == settings_digest(made)


FOLDERS = sorted(
    path.parent for path in RESULTS.rglob("manifest.json") if {"cells", "runs"} & set(json.loads(path.read_text()))
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(RESULTS).as_posix())
def test_stored_results_have_one_complete_protocol_an_extractor(folder):
    manifest = read_manifest(folder)
    found = protocols(manifest, read_runs(folder))
    assert set(found) == set(manifest["extractors"])
    for (protocol,) in found.values():
        assert protocol.num_samples == manifest["num_samples"]
        assert "not recorded" not in repr(protocol)
