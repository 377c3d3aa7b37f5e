"""What Python users call, as the README does."""

import io
import sys
import types

import pandas as pd
import pytest
import rich.console
import torch

import gan_zoo
from gan_zoo import api
from gan_zoo.bench import evaluation

TABLES = ("runs", "history", "metrics", "summary")


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of a cgan that has trained for two steps."""
    from gan_zoo.engine import checkpoint

    run = gan_zoo.train(gan_zoo.get("cgan", batch_size=16), "digits", steps=2, seed=1)
    checkpoint.save(run.state, tmp_path / "cgan.safetensors")
    return tmp_path / "cgan.safetensors"


def test_every_public_name_is_there():
    for name in gan_zoo.__all__:
        assert getattr(gan_zoo, name).__name__ == name
    with pytest.raises(AttributeError, match="'nothing'"):
        gan_zoo.nothing  # noqa: B018


def test_dir_offers_the_public_names():
    """Without an attribute read first: torch is imported when one is used."""
    import subprocess

    code = "import sys, gan_zoo; print(*dir(gan_zoo)); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, sorted([*gan_zoo.__all__, "__version__"]))


def test_train_returns_a_run():
    milestones = []
    run = gan_zoo.train(
        gan_zoo.get("gan", batch_size=16),
        "digits",
        images=64,
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
    run = gan_zoo.train("diverges", "digits", steps=9)
    assert (run.status, run.message) == ("diverged", "discriminator_loss was no longer finite at step 3")
    assert run.message in repr(run)
    assert "diverged" in run._repr_html_()


def test_a_run_shows_itself_in_a_notebook(tmp_path):
    run = gan_zoo.train(gan_zoo.get("cgan", batch_size=16), "digits", steps=120)
    assert repr(run).startswith("Run(cgan on digits, ok, 120 steps, ")
    page = run._repr_html_()
    assert page.count('<img src="data:image/png;base64,') == 2
    assert "<th>steps</th><td>120</td>" in page
    assert run.show(7, label=3).size == (5 * 34 + 2, 2 * 34 + 2)
    losses, outputs = run.plot().axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in (*losses.lines, *outputs.lines)}
    assert list(drawn) == ["discriminator loss", "generator loss", "D(real)", "D(fake)"]
    assert drawn["generator loss"] == run.history["generator_loss"].tolist()
    assert run.plot()._repr_png_().startswith(b"\x89PNG")


def test_a_run_in_a_folder_has_its_final_metrics(tmp_path):
    run = gan_zoo.train(gan_zoo.get("gan", batch_size=16), "digits", steps=4, out=tmp_path)
    metrics = gan_zoo.read_results(tmp_path).metrics
    fid = metrics[(metrics["variant"] == "gan") & (metrics["metric"] == "fid") & (metrics["fraction"] >= 1)]
    assert [run.metrics["fid"]] == fid["value"].tolist()
    assert "<th>fid</th>" in run._repr_html_()


def test_points_of_one_dimension_are_shown_as_a_histogram():
    run = gan_zoo.train(gan_zoo.get("nsgan", backbone="points", latent=2, batch_size=32), "mixture1d", steps=2)
    assert sum(bar.get_height() for bar in run.show(30).axes[0].patches) == 30
    assert run._repr_html_().count("<img") == 2


def test_points_are_shown_as_a_figure():
    run = gan_zoo.train(gan_zoo.get("nsgan", backbone="points", latent=2, batch_size=32), "grid25", steps=2)
    assert len(run.show(30).axes[0].collections[0].get_offsets()) == 30


@pytest.mark.parametrize("folder", [False, True])
def test_a_terminal_shows_a_bar_and_a_file_nothing(tmp_path, monkeypatch, capsys, folder):
    options = {"out": tmp_path / "out", "evaluate": False} if folder else {}
    gan_zoo.train(gan_zoo.get("gan", batch_size=16), "digits", steps=3, **options)
    assert capsys.readouterr().out == ""
    console = rich.console.Console(force_terminal=True, width=100)
    monkeypatch.setattr("gan_zoo.bench.progress.get_console", lambda: console)
    gan_zoo.train(gan_zoo.get("gan", batch_size=16), "digits", steps=6, **options)
    shown = capsys.readouterr().out
    assert "100%" in shown
    assert ("ok" if folder else "images/s") in shown


def test_a_notebook_shows_a_bar_without_widgets(monkeypatch, capsys):
    """IPython is there in every notebook; a stand-in has the two names of it that are used."""
    cells = []

    class Cell:
        def update(self, page):
            cells.append(page)

    display = types.SimpleNamespace(HTML=str, display=lambda _page, display_id: Cell())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    console = rich.console.Console(force_jupyter=True)
    monkeypatch.setattr("gan_zoo.bench.progress.get_console", lambda: console)
    run = gan_zoo.train(gan_zoo.get("gan", batch_size=16), "digits", steps=6)
    assert run.status == "ok"
    assert '<progress max="1" value="1.000">' in cells[-1]
    assert capsys.readouterr().out == ""


def test_a_bar_changes_no_number(monkeypatch):
    small = gan_zoo.get("gan", batch_size=16)
    plain = gan_zoo.train(small, "digits", steps=60).history
    console = rich.console.Console(force_terminal=True, file=io.StringIO())
    monkeypatch.setattr("gan_zoo.bench.progress.get_console", lambda: console)
    shown = gan_zoo.train(small, "digits", steps=60).history
    pd.testing.assert_frame_equal(plain.drop(columns="seconds"), shown.drop(columns="seconds"))


def test_an_error_of_the_variant_is_raised(toys):
    gan_zoo.load_plugin(toys)
    with pytest.raises(RuntimeError, match="a planned"):
        gan_zoo.train("raises", "digits", steps=9)


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
    with pytest.raises(gan_zoo.GanZooError, match=f"num_samples is {n}; .* 'digits' allows up to 500"):
        gan_zoo.evaluate(gan_zoo.load(checkpoint), "digits", num_samples=n)


def test_run_suite_and_read_results(bench, tmp_path):
    outcome = bench()
    results = gan_zoo.read_results(tmp_path / "out")
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(results, name), getattr(outcome.results, name))
        assert len(getattr(results, name))
    assert results.manifest["variants"] == ["by_heart", "sibling"]
    assert outcome.report == tmp_path / "out" / "report.html"
    ranking = results.ranking()
    assert list(ranking.columns) == ["rank", "variant", "fid", "low", "high", "tied", "seeds", "failures", "seconds"]
    assert sorted(ranking["variant"]) == ["by_heart", "real", "sibling"]
    ranked = ranking[ranking["rank"].notna()]
    assert ranked["fid"].tolist() == sorted(ranked["fid"])
    assert repr(results).startswith("Results(digits, 4 runs, FID, digits-cnn)\n")
    assert len(repr(results).splitlines()) == 2 + len(ranking)
    assert results._repr_html_().count("<tr") == 1 + len(ranking)
    assert str(outcome.report) in outcome._repr_html_()


def test_reading_results_needs_no_torch():
    import subprocess

    code = "import sys, gan_zoo; gan_zoo.read_results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("seed", [-1, 0.5, "0"])
def test_a_wrong_seed_is_one_clear_line(seed):
    with pytest.raises(gan_zoo.GanZooError, match=r"seed is .*; it must be a whole number from 0 on"):
        gan_zoo.train("gan", "digits", steps=1, seed=seed)
