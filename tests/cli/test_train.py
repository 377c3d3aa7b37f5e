"""`gan-zoo train`: one results folder, resumed and extended; what it refuses, and its exit status."""

import shutil

import pandas as pd
import pytest
from PIL import Image

from gan_zoo import load
from gan_zoo.bench.folder import read_runs

SMALL = ("--data", "digits", "--set", "batch_size=8", "--threads", "1")


@pytest.fixture
def train(gan_zoo):
    """Run ``gan-zoo train`` with a small batch and one thread."""
    return lambda *words: gan_zoo("train", *words, *SMALL)


def content(folder):
    """Bytes and time of change of every record, sample and checkpoint."""
    files = [file for part in ("records", "checkpoints") for file in (folder / part).rglob("*") if file.is_file()]
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def checkpoint_of(folder, variant):
    return next(path for path in (folder / "checkpoints").glob(f"{variant}-*") if "previous" not in path.name)


@pytest.mark.slow
def test_train_and_sample(train, gan_zoo, tmp_path):
    result = train("cgan", "--images", "64", "--set", "initialization=normal 0.02", "--seed", "3", "--out", "runs/mine")
    assert result.status == 0, result.err
    assert "note: embedded 8x8 digits" in result.out
    assert "64 images, seed 3" in result.out
    assert "FID" in result.out
    folder = tmp_path / "runs" / "mine"
    assert {"manifest.json", "records", "checkpoints", "runs.csv", "metrics.csv", "report.html"} <= {
        file.name for file in folder.iterdir()
    }
    history = pd.read_csv(folder / "history.csv")
    assert history["images"].tolist() == [64]
    assert {"discriminator_loss", "generator_loss", "D(real)", "D(fake)"} <= set(history.columns)
    metrics = pd.read_csv(folder / "metrics.csv")
    assert set(metrics["variant"]) == {"cgan", "real"}
    assert set(metrics["extractor"]) == {"digits-cnn"}
    saved = checkpoint_of(folder, "cgan")
    assert load(saved).variant.batch_size == 8

    result = gan_zoo("sample", saved, "--class", "7", "--num-samples", "25", "--out", "deep/er/7.png")
    assert result.status == 0, result.err
    assert "wrote 25 images of class 7 by cgan to deep/er/7.png" in result.out
    assert Image.open(tmp_path / "deep" / "er" / "7.png").size == (320, 96)


@pytest.mark.parametrize(
    ("budget", "images"), [(["--steps", "3"], 96), (["--epochs", "0.05"], 96), (["--images", "60"], 64)]
)
def test_budgets_and_the_default_folder(gan_zoo, toys, tmp_path, budget, images):
    result = gan_zoo("train", "by_heart", "--plugin", toys, "--data", "digits", "--no-evaluate", *budget)
    assert result.status == 0, result.err
    folder = tmp_path / "runs" / "by_heart-digits-seed0"
    assert pd.read_csv(folder / "history.csv")["images"].iloc[-1] == images
    assert pd.read_csv(folder / "metrics.csv").empty
    assert any(run.samples for run in read_runs(folder))


def test_a_finished_run_answers_with_its_numbers_and_trains_nothing(train, tmp_path):
    first = train("gan", "--steps", "6", "--out", "run")
    before = content(tmp_path / "run")
    second = train("gan", "--steps", "6", "--out", "run")
    assert second.status == 0, second.err
    assert "already finished" in second.out
    assert second.out.splitlines()[-8:] == first.out.splitlines()[-8:]
    assert content(tmp_path / "run") == before


@pytest.mark.slow
def test_a_smaller_budget_is_refused(train, tmp_path):
    assert train("gan", "--steps", "6", "--out", "run").status == 0
    before = content(tmp_path / "run")
    for budget in (("--steps", "4"), ("--images", "30")):
        error = train("gan", *budget, "--out", "run").error
        assert error.startswith("'run' holds another run (gan seed 0 trained for ")
        assert "--force" in error
        assert content(tmp_path / "run") == before
    result = train("gan", "--steps", "4", "--out", "run", "--force")
    assert result.status == 0, result.err
    assert "note: --force deleted records, samples and checkpoints of gan seed 0 (6 steps) in 'run'" in result.out
    assert pd.read_csv(tmp_path / "run" / "history.csv")["step"].tolist() == [4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["cgan"], ["variants ['gan'], not ['cgan']"]),
        (["gan", "--seed", "1"], ["seeds [0], not [1]"]),
        (["gan", "--set", "ema=0.9"], ["ema none, not 0.9"]),
        (
            ["gan", "--channels", "3", "--precision", "bf16"],
            ["sample shape [1, 32, 32], not [3, 32, 32]", "precision fp32, not bf16"],
        ),
        (["gan", "--data", "ring8"], ["data digits, not ring8", "sample shape [1, 32, 32], not [2]"]),
    ],
)
def test_other_settings_are_refused_each_named(train, gan_zoo, tmp_path, words, parts):
    assert train("gan", "--steps", "4", "--out", "run", "--no-evaluate").status == 0
    before = content(tmp_path / "run")
    result = gan_zoo("train", *SMALL, *words, "--steps", "9", "--out", "run", "--no-evaluate")
    for part in parts:
        assert part in result.error
    assert result.error.count(", not ") == len(parts)
    assert content(tmp_path / "run") == before
    result = gan_zoo("train", *SMALL, *words, "--steps", "9", "--out", "run", "--no-evaluate", "--force")
    assert result.status == 0, result.err
    assert "--force deleted" in result.out
    assert not before.keys() & content(tmp_path / "run").keys()


@pytest.mark.slow
def test_train_and_bench_do_not_share_a_folder(train, gan_zoo, suite, toys, no_report, tmp_path):
    bench = ["bench", suite(), "--preset", "smoke", "--plugin", toys, "--seeds", "0", "--out", "run", "--jobs", "1"]
    assert train("gan", "--steps", "4", "--out", "run").status == 0
    assert "a single training run, not a comparison" in gan_zoo(*bench).error
    shutil.rmtree(tmp_path / "run")
    assert gan_zoo(*bench).status == 0
    assert "a comparison, not a single training run" in train("gan", "--steps", "4", "--out", "run").error


def test_what_trains_otherwise_here_is_trained_again_and_named(train, gan_zoo, tmp_path):
    assert train("gan", "--steps", "4", "--out", "run", "--no-evaluate").status == 0
    before = content(tmp_path / "run")
    words = ("--steps", "4", "--out", "run", "--no-evaluate", "--data", "digits", "--set", "batch_size=8")
    result = gan_zoo("train", "gan", *words, "--threads", "2")
    assert result.status == 0, result.err
    assert "note: gan seed 0: trained again (threads 1, not 2)" in result.out
    assert before.items() <= content(tmp_path / "run").items()


@pytest.mark.parametrize(
    ("variant", "status", "code"), [("diverges", "diverged", 0), ("raises", "error", 2), ("collapses", "collapsed", 0)]
)
@pytest.mark.slow
def test_the_exit_status_is_that_of_the_run(gan_zoo, toys, tmp_path, variant, status, code):
    words = ["train", variant, "--plugin", toys, "--data", "digits", "--steps", "9", "--out", "run"]
    result = gan_zoo(*words)
    assert result.status == code
    assert f"{variant} seed 0: {status}" in result.out
    runs = pd.read_csv(tmp_path / "run" / "runs.csv").set_index("variant")
    assert runs.loc[variant, "status"] == status
    assert (tmp_path / "run" / "report.html").is_file()
    assert ("already finished" in gan_zoo(*words).out) == (code == 0), "an error is tried again"
