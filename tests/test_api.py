"""What Python users call, as the README does."""

import sys

import pandas as pd
import pytest
import torch

import gan_zoo
from gan_zoo import api
from gan_zoo.bench import evaluation

TABLES = ("runs", "history", "metrics", "summary")


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of a cgan that has trained for two steps."""
    from gan_zoo.engine import checkpoint

    run = gan_zoo.train(gan_zoo.get("cgan", batch_size=16), "digits", {"steps": 2}, seed=1)
    checkpoint.save(run.state, tmp_path / "cgan.safetensors")
    return tmp_path / "cgan.safetensors"


def test_every_public_name_is_there():
    for name in gan_zoo.__all__:
        assert getattr(gan_zoo, name).__name__ == name
    with pytest.raises(AttributeError, match="'nothing'"):
        gan_zoo.nothing  # noqa: B018


def test_train_returns_a_run():
    milestones = []
    run = gan_zoo.train(
        gan_zoo.get("gan", batch_size=16),
        "digits",
        {"images": 64},
        seed=1,
        fractions=(0.5, 1.0),
        on_milestone=lambda state, fraction: milestones.append((fraction, state.images)),
    )
    assert (run.status, run.state.images, run.state.iterations) == ("ok", 64, 4)
    assert milestones == [(0.5, 32), (1.0, 64)]
    assert run.seconds > 0
    assert run.history["step"].tolist() == [4]
    images = run.sampler(3)
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (3, 1, 32, 32))


def test_a_run_that_diverges_is_returned(toys):
    gan_zoo.load_plugin(toys)
    run = gan_zoo.train("diverges", "digits", {"steps": 9})
    assert (run.status, run.message) == ("diverged", "discriminator_loss was no longer finite at step 3")


def test_an_error_of_the_variant_is_raised(toys):
    gan_zoo.load_plugin(toys)
    with pytest.raises(RuntimeError, match="a planned"):
        gan_zoo.train("raises", "digits", {"steps": 9})


def test_load_samples_by_class_and_seed_and_evaluate_measures_beside_the_floor(checkpoint, monkeypatch):
    """Both set the device up: exact float32 is a setting of the process, which on CUDA is off by default."""
    prepared = []
    monkeypatch.setattr(api, "prepare", prepared.append)
    monkeypatch.setattr(evaluation, "prepare", prepared.append)
    sampler = gan_zoo.load(checkpoint, device="cpu")
    assert prepared == ["cpu"]
    sevens = sampler(4, labels=[7] * 4, seed=5)
    assert torch.equal(sevens, sampler(4, labels=[7] * 4, seed=5))
    assert not torch.equal(sevens, sampler(4, labels=[1] * 4, seed=5))
    assert not torch.equal(sevens, sampler(4, labels=[7] * 4, seed=6))
    table = gan_zoo.evaluate(sampler, "digits", num_samples=140)
    assert prepared == ["cpu", "cpu"]
    assert list(table.columns[:4]) == ["extractor", "num_samples", "reference", "fid"]
    assert list(table.index) == ["cgan", "real"]
    assert set(table["num_samples"]) == {140}
    assert table.loc["real", "fid"] < table.loc["cgan", "fid"]
    assert table["label_accuracy"].notna().all()
    assert gan_zoo.evaluate(gan_zoo.load(checkpoint), "digits", num_samples=140).equals(table)
    assert gan_zoo.evaluate(checkpoint, "digits", num_samples=140).equals(table)


@pytest.mark.parametrize("n", [1, 501])
def test_evaluate_refuses_an_impossible_n(checkpoint, n):
    with pytest.raises(gan_zoo.GanZooError, match=f"num_samples is {n}; .* 'digits' allows 2 to 500"):
        gan_zoo.evaluate(gan_zoo.load(checkpoint), "digits", num_samples=n)


def test_run_suite_and_read_results(bench, tmp_path):
    outcome = bench()
    results = gan_zoo.read_results(tmp_path / "out")
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(results, name), getattr(outcome.results, name))
        assert len(getattr(results, name))
    assert results.manifest["variants"] == ["by_heart", "sibling"]
    assert outcome.report == tmp_path / "out" / "report.html"


def test_reading_results_needs_no_torch():
    import subprocess

    code = "import sys, gan_zoo; gan_zoo.read_results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("seed", [-1, 0.5, "0"])
def test_a_wrong_seed_is_one_clear_line(seed):
    with pytest.raises(gan_zoo.GanZooError, match=r"seed is .*; it must be a whole number from 0 on"):
        gan_zoo.train("gan", "digits", {"steps": 1}, seed=seed)
