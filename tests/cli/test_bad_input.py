"""Bad input: one line that names the thing and the remedy, exit status 2, no traceback, nothing half-written."""

import hashlib
import shutil

import pytest
import torchvision
from torchvision.datasets import utils as torchvision_utils

SUITE = ("bench", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out")


@pytest.fixture(autouse=True)
def _suite(suite, toys):
    suite(('["by_heart", "sibling"]', '["gan"]'))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((*SUITE, "--variants", "gna"), ["unknown variant 'gna'", "did you mean 'gan'?"]),
        ((*SUITE, "--variants", ","), ["--variants ','"]),
        ((*SUITE, "--seeds", "0,x"), ["--seeds '0,x'", "0,1,2"]),
        ((*SUITE, "--seeds", "1,1"), ["--seeds '1,1'"]),
        ((*SUITE, "--seeds", "²"), ["--seeds '²'"]),
        ((*SUITE, "--preset", "smoky"), ["unknown preset 'smoky'; did you mean 'smoke'?"]),
        ((*SUITE, "--plugin", "nowhere.py"), ["nowhere.py' is not a file", "gan-zoo new"]),
        ((*SUITE, "--plugin", "toys.toml"), ["toys.toml' is not a Python file"]),
        ((*SUITE, "--data-root", "nowhere"), ["data root nowhere (from --data-root) does not exist"]),
        ((*SUITE, "--inception-weights", "toys.toml"), ["Inception weights toys.toml are not the standard file"]),
        ((*SUITE, "--inception-weights", "nowhere"), ["Inception weights nowhere do not exist"]),
        ((*SUITE, "--device", "gpu"), ["device 'gpu' is not one"]),
        ((*SUITE, "--device", "cuda:99"), ["device 'cuda:99' is not here"]),
        ((*SUITE, "--out", "toys.toml/out"), ["cannot write toys.toml/out", "name another folder"]),
        (("bench", "nowhere.toml"), ["suite 'nowhere.toml' does not exist", "fashion_mnist, grid25"]),
        (("bench", "."), ["suite '.' is a folder"]),
        (("bench", "mnits"), ["unknown suite 'mnits'; did you mean 'mnist'?", "fashion_mnist, grid25"]),
        (("report", "nowhere"), ["results folder 'nowhere' does not exist; make one with"]),
        (("report", "."), ["'.' is not a results folder"]),
        (("show", "nothing"), ["unknown variant 'nothing'", "cgan, dcgan"]),
        (("check", "nothing"), ["unknown variant 'nothing'"]),
        (("data", "mnits"), ["unknown data set 'mnits'; did you mean 'mnist'?"]),
        (("data", "kmnist", "--data-root", "toys.toml"), ["toys.toml (from --data-root) is not a directory"]),
        (("sample", "nowhere"), ["'nowhere' does not exist", "gan-zoo train"]),
        (("sample", "toys.toml"), ["'toys.toml' is not a gan-zoo checkpoint"]),
        (("new", "1st"), ["'1st' cannot name a variant"]),
        (("new", "class"), ["'class' cannot name a variant"]),
        (("new", "gan"), ["variant 'gan' is there already"]),
        (("new", "real"), ["variant 'real' is there already"]),
        (("new", "mine", "--out", "toys.toml"), ["'toys.toml' exists already; nothing was written"]),
        (("new", "mine", "--out", "toys.toml/mine.py"), ["toys.toml"]),
        (("train", "gna"), ["unknown variant 'gna'; did you mean 'gan'?"]),
        (("train", "gan", "--data", "digit"), ["unknown data set 'digit'"]),
        (("train", "gan", "--data", "digits", "--epochs", "0"), ["budget of 0.0 epochs"]),
        (("train", "gan", "--data", "digits", "--steps", "2.5"), ["budget of 2.5 steps", "whole numbers"]),
        (("train", "gan", "--data", "digits", "--epochs", "nan"), ["budget of nan epochs"]),
        (("train", "gan", "--data", "digits", "--epochs", "1", "--steps", "1"), ["must name exactly one of images,"]),
        (("train", "dcgan", "--data", "digits", "--set", "width"), ["--set 'width' is not of the form NAME=VALUE"]),
        (("train", "dcgan", "--data", "digits", "--set", "widht=4"), ["'widht'; did you mean 'width'?"]),
        (("train", "dcgan", "--data", "digits", "--steps", "1", "--set", "width=wide"), ["'dcgan'", "width", "wide"]),
        (("train", "gan", "--data", "digits", "--steps", "1", "--set", "batch_size=many"), ["batch_size", "many"]),
        (("train", "gan", "--data", "digits", "--steps", "1", "--device", "gpu"), ["device 'gpu'"]),
    ],
    ids=" ".join,
)
def test_one_line(gan_zoo, tmp_path, words, parts):
    before = sorted(tmp_path.rglob("*"))
    result = gan_zoo(*words)
    for part in parts:
        assert part in result.error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("out", ["toys.toml", "toys.toml/out"])
def test_train_into_what_is_no_folder(gan_zoo, out):
    result = gan_zoo("train", "gan", "--data", "digits", "--steps", "1", "--set", "batch_size=8", "--out", out)
    assert "toys.toml" in result.error


def test_missing_data_names_the_remedies(gan_zoo, nothing_here, suite):
    suite(('"digits"\n', '"fashion_mnist"\n'), ('["by_heart", "sibling"]', '["gan"]'))
    assert all(word in gan_zoo(*SUITE).error for word in ("Fashion-MNIST is not here", "GAN_ZOO_DATA", "--data-root"))
    assert "Fashion-MNIST is not here" in gan_zoo("data", "fashion_mnist").error


def test_a_truncated_data_file(gan_zoo, tmp_path, monkeypatch, data_root):
    raw = tmp_path / "root" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for archive, _ in torchvision.datasets.FashionMNIST.resources:
        shutil.copy(data_root / "FashionMNIST" / "raw" / archive, raw / archive)
    cut = raw / "t10k-labels-idx1-ubyte.gz"
    cut.write_bytes(cut.read_bytes()[:-100])
    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", lambda *_: pytest.fail("it is downloaded"))
    digest = hashlib.sha256(cut.read_bytes()).hexdigest()
    result = gan_zoo("data", "fashion_mnist", "--data-root", tmp_path / "root")
    assert f"data file {cut} is damaged" in result.error
    assert hashlib.sha256(cut.read_bytes()).hexdigest() == digest


def test_a_wrong_suite_names_file_key_and_choice(gan_zoo, suite):
    suite(("seeds = 2", "sedes = 2"))
    assert "toys.toml: unknown key 'presets.smoke.sedes'; did you mean 'seeds'?" in gan_zoo(*SUITE).error
    suite(('["by_heart", "sibling"]', '["gna"]'))
    assert "toys.toml: key 'variants': unknown variant 'gna'; did you mean 'gan'?" in gan_zoo(*SUITE).error


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = ", "SyntaxError"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("x = 1", "registers no variant"),
        ("from gan_zoo.registry import register\n@register('gan')\ndef f():\n    return None", "registered already"),
    ],
)
def test_a_plugin_that_cannot_be_used(gan_zoo, tmp_path, text, part):
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    assert part in gan_zoo("list", "--plugin", "mine.py").error


@pytest.mark.slow
def test_sample_of_wrong_classes(gan_zoo, checkpoint, toys, tmp_path):
    assert "classes from 0 to 9" in gan_zoo("sample", checkpoint("cgan"), "--class", "10").error
    assert "classes from 0 to 9" in gan_zoo("sample", checkpoint("cgan"), "--class=-1").error
    result = gan_zoo("sample", checkpoint("by_heart"), "--class", "1", "--plugin", toys)
    assert "variant 'by_heart' is not conditional" in result.error
    assert not (tmp_path / "samples.png").exists()


def test_sample_of_a_variant_that_is_not_registered(gan_zoo, checkpoint):
    result = gan_zoo("sample", checkpoint("by_heart"))
    assert "'by_heart', which is not registered here: name its file with --plugin" in result.error


def test_sample_of_a_damaged_checkpoint(gan_zoo, checkpoint, tmp_path):
    whole = checkpoint("cgan").read_bytes()
    for length in (0, 4, 1000, len(whole) // 2):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert "is not a gan-zoo checkpoint, or is damaged" in gan_zoo("sample", "cut").error


def test_sample_into_what_is_no_folder(gan_zoo, checkpoint, unwritable):
    assert str(unwritable.parent) in gan_zoo("sample", checkpoint("cgan"), "--out", unwritable / "x.png").error


@pytest.mark.parametrize("manifest", ["{", "[]", '{"runs": []}', '{"runs": 3, "data": {"name": "digits"}}'])
def test_report_of_a_damaged_manifest(gan_zoo, finished, manifest):
    (finished / "manifest.json").write_text(manifest, encoding="utf-8")
    assert "manifest.json" in gan_zoo("report", finished).error


def test_a_suite_with_a_variant_that_raises(gan_zoo, suite, toys, no_report):
    suite(('"sibling"]', '"raises"]'))
    result = gan_zoo(*SUITE, "--plugin", toys)
    assert result.status == 2
    assert result.err.splitlines() == [
        f"error: a run failed: raises seed {seed}: RuntimeError: a planned failure" for seed in (0, 1)
    ]
    assert "by_heart seed 1: ok" in result.out
    assert "report: " in result.out


def test_sample_of_a_class_that_is_not_there_names_the_option(gan_zoo, checkpoint):
    result = gan_zoo("sample", checkpoint("cgan"), "--class", "12")
    assert result.error == "--class 12: 'cgan' knows the classes from 0 to 9; ask for one of them"


@pytest.mark.parametrize("words", [("sample",), ("train", "gan", "--data", "digits"), ("new", "mine")])
def test_out_below_a_file(gan_zoo, checkpoint, unwritable, words):
    words = (*words, checkpoint("cgan")) if words == ("sample",) else words
    result = gan_zoo(*words, "--out", unwritable / "deep" / "x")
    assert result.error.startswith("cannot write ")
    assert str(unwritable) in result.error
    assert "name another" in result.error


@pytest.mark.parametrize("command", ["train", "bench"])
def test_an_unknown_precision(gan_zoo, command):
    words = SUITE if command == "bench" else ("train", "gan", "--data", "digits", "--steps", "1")
    assert "unknown precision 'fp31'; did you mean 'fp32'?" in gan_zoo(*words, "--precision", "fp31").error


def test_a_seed_below_zero(gan_zoo, tmp_path):
    result = gan_zoo("train", "gan", "--data", "digits", "--steps", "1", "--seed=-1", "--out", "run")
    assert result.error == "--seed -1 must be a whole number from 0 on"
    assert not (tmp_path / "run").exists()
