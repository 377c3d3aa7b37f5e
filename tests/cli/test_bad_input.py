"""Bad input: one line that names the thing and the remedy, exit status 2, no traceback, nothing half-written."""

import hashlib
import shutil

import pytest
import torchvision
from torchvision.datasets import utils as torchvision_utils

SUITE = ("bench", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out")
SEARCH = ("search", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out", "--trials")
TRAIN = ("train", "gan", "--data", "digits", "--steps", "1")
LR = "[search]\nlr = { low = 1e-5, high = 1e-2, log = true }\n\n[presets.smoke]"


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
        ((*SUITE, "--seeds", "9" * 5000), ["--seeds '999", "different whole numbers"]),
        ((*SUITE, "--seeds", ",".join(map(str, range(20_000)))), ["--seeds '0,1,2", "1,000"]),
        ((*SUITE, "--preset", "smoky"), ["unknown preset 'smoky'; did you mean 'smoke'?"]),
        ((*SUITE, "--precision", "fp31"), ["unknown precision 'fp31'; did you mean 'fp32'?"]),
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
        ((*SEARCH, "0"), ["trials is 0", "at least 1"]),
        ((*SEARCH, "2", "--seed", "-1"), ["seed is -1"]),
        ((*SEARCH, "2", "--variants", "gna"), ["unknown variant 'gna'", "did you mean 'gan'?"]),
        ((*SEARCH, "1", "--out", "toys.toml/out", "--variants", "gan"), ["cannot write toys.toml/out"]),
        (("report", "nowhere"), ["results folder 'nowhere' does not exist; make one with"]),
        (("report", "."), ["'.' is not a results folder"]),
        (("report", "nowhere", "--index"), ["folder 'nowhere' does not exist"]),
        (("report", ".", "--index"), ["no results folder below '.'", "gan-zoo bench"]),
        (("list", "--plugin", "broken.py"), ["broken.py' cannot be run: ValueError: two lines"]),
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
        (("new", "mine", "--out", "toys.toml/mine.py"), ["cannot write toys.toml/mine.py", "name another"]),
        (("train", "gna"), ["unknown variant 'gna'; did you mean 'gan'?"]),
        (("train", "gan", "--data", "digit"), ["unknown data set 'digit'"]),
        (("train", "gan", "--data", "digits", "--epochs", "0"), ["budget of 0.0 epochs"]),
        (("train", "gan", "--data", "digits", "--steps", "2.5"), ["budget of 2.5 steps", "whole numbers"]),
        (("train", "gan", "--data", "digits", "--epochs", "nan"), ["budget of nan epochs"]),
        ((*TRAIN, "--epochs", "1"), ["must name exactly one of images,"]),
        ((*TRAIN, "--set", "width"), ["--set 'width' is not of the form NAME=VALUE"]),
        ((*TRAIN, "--set", "bacth_size=4"), ["'bacth_size'; did you mean 'batch_size'?"]),
        ((*TRAIN, "--set", "batch_size=many"), ["batch_size", "many"]),
        ((*TRAIN, "--device", "gpu"), ["device 'gpu'"]),
        ((*TRAIN, "--steps", "1e300"), ["budget of 1e+300 steps", "at most"]),
        ((*TRAIN, "--set", "image_side=100000"), ["image_side is 100000"]),
        ((*TRAIN, "--set", f"lr={'[' * 100_000}{']' * 100_000}"), ["lr", "[[["]),
        ((*TRAIN, "--set", f"batch_size={'9' * 5000}"), ["batch_size", "999"]),
        ((*TRAIN, "--seed", str(10**20)), [f"--seed {10**20}", "at most"]),
        ((*TRAIN, "--seed=-1"), ["--seed -1 must be a whole number from 0 on"]),
        ((*TRAIN, "--set", "batch_size=8", "--out", "toys.toml"), ["toys.toml"]),
        ((*TRAIN, "--set", "batch_size=8", "--out", "toys.toml/out"), ["cannot write toys.toml/out", "name another"]),
        (("train", "dcgan", "--data", "digits", "--steps", "1", "--set", "width=wide"), ["'dcgan'", "width", "wide"]),
    ],
    ids=lambda words: " ".join(words)[:80],
)
def test_one_line(gan_zoo, tmp_path, words, parts):
    (tmp_path / "broken.py").write_text("raise ValueError('two\\nlines')", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    result = gan_zoo(*words)
    for part in parts:
        assert part in result.error
    assert sorted(tmp_path.rglob("*")) == before


NO_UTF8 = "o\udcff"


@pytest.mark.parametrize(
    "words",
    [
        (*SUITE[:-1], NO_UTF8),
        (*TRAIN, "--out", NO_UTF8),
        ("train", "gan", "--data", f"folder:{NO_UTF8}", "--out", "out"),
        ("search", "toys.toml", "--preset", "smoke", "--trials", "1", "--out", NO_UTF8),
        ("new", "mine", "--out", f"{NO_UTF8}.py"),
        ("report", NO_UTF8),
        ("bench", f"{NO_UTF8}.toml", "--out", "out"),
        ("list", "--plugin", f"{NO_UTF8}.py"),
        ("data", f"folder:{NO_UTF8}"),
        ("sample", NO_UTF8),
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_is_no_utf8_is_refused_before_training(gan_zoo, tmp_path, monkeypatch, words):
    for module in ("api", "search.run"):
        monkeypatch.setattr(f"gan_zoo.{module}.make_plan", lambda *_: pytest.fail("data are read"))
    before = sorted(tmp_path.rglob("*"))
    assert r"\udcff" in gan_zoo(*words).error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("of", ["suite", "plugin"])
def test_a_suite_or_plugin_that_is_no_utf8(gan_zoo, toys, tmp_path, no_report, of):
    words = [*SUITE, "--plugin", toys, "--seeds", "0", "--variants", "by_heart"]
    name = tmp_path / NO_UTF8
    text = (tmp_path / "toys.toml").read_text()
    if of == "suite":
        name.with_suffix(".toml").write_text(text)
        words[1] = name.with_suffix(".toml")
    else:
        shutil.copy(toys, name.with_suffix(".py"))
        words[words.index(toys)] = name.with_suffix(".py")
    result = gan_zoo(*words)
    assert result.status == 0, result.err
    assert gan_zoo("report", "out").status == 0


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (("data", "mnist"), "GAN_ZOO_CACHE"),
        (("data", "fashion_mnist"), "GAN_ZOO_DATA"),
        (("data", "fashion_mnist", "--data-root", "~nosuchuser/x"), "--data-root"),
        (("data", "folder:~nosuchuser/x"), "folder:"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_home_folder_of_a_user_who_is_not_there(gan_zoo, monkeypatch, words, variable):
    if variable.startswith("GAN_ZOO"):
        monkeypatch.setenv(variable, "~nosuchuser/x")
    error = gan_zoo(*words).error
    assert variable in error
    assert "'~nosuchuser/x'" in error


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


@pytest.mark.parametrize(
    ("words", "change", "part"),
    [
        (SUITE, ("seeds = 2", "sedes = 2"), "unknown key 'presets.smoke.sedes'; did you mean 'seeds'?"),
        (SUITE, ('["gan"]', '["gna"]'), "key 'variants': unknown variant 'gna'; did you mean 'gan'?"),
        (
            (*SEARCH, "1"),
            ("[presets.smoke]", LR.replace("1e-5", "1.0")),
            "key 'search.lr' is {'low': 1.0, 'high': 0.01",
        ),
        ((*SEARCH, "1"), ("[presets.smoke]", LR.replace("lr =", "rate =")), "unknown key 'search.rate'"),
    ],
)
def test_a_wrong_suite_names_file_key_and_choice(gan_zoo, suite, tmp_path, words, change, part):
    (tmp_path / "toys.toml").write_text((tmp_path / "toys.toml").read_text().replace(*change))
    assert f"toys.toml: {part}" in gan_zoo(*words).error
    assert not (tmp_path / "out").exists()


def test_sample_of_wrong_classes(gan_zoo, checkpoint, toys, tmp_path):
    for label in (-1, 12):
        error = gan_zoo("sample", checkpoint("cgan"), f"--class={label}").error
        assert error.startswith(f"--class {label}: 'cgan' knows the classes from 0 to 9")
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
    error = gan_zoo("sample", checkpoint("cgan"), "--out", unwritable / "deep" / "x.png").error
    assert error.startswith(f"cannot write {unwritable}")
    assert "name another" in error


def test_report_of_a_folder_that_holds_results_folders(gan_zoo, tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "manifest.json").write_text("{")
    assert "add --index" in gan_zoo("report", "runs").error
    error = gan_zoo("report", "runs", "--index").error
    assert "no results folder below 'runs': a is left out: " in error


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


def test_a_recorded_image_that_cannot_be_read_is_named(gan_zoo, finished, no_figures):
    image = next((finished / "records").glob("*/*.png"))
    image.write_bytes(image.read_bytes()[:-100])
    result = gan_zoo("report", finished)
    assert result.status == 0
    assert f"note: 1 recorded file unreadable, the first is {image.relative_to(finished)}" in result.out
