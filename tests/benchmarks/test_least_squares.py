"""The pull of each loss on each fake: derivatives, distances, bins, and the script from end to end."""

import json
import math

import least_squares
import numpy as np
import pandas as pd
import pytest
import torch
from pull.answer import relative_pull
from pull.bins import EDGES, REGIONS, STATE, binned, by_region, pooled
from pull.losses import CLOSED_FORMS, VARIANTS, boundary, crossing, derivatives, objective_of
from pull.measure import Neighbors, fakes_of, scored
from pull.write import markdown
from timing.quality import contrasts

from gan_zoo import data, registry
from gan_zoo.engine import init
from gan_zoo.errors import GanZooError
from gan_zoo.losses import DiscriminatorOutput, Step

STEP = 1e-5


def _loss(objective, scores):
    """The generator's loss of scores (B,), as training takes it."""
    samples = {"real": scores, "fake": scores, "labels": None, "fake_labels": None, "latent": {}}
    step = Step(discriminator=lambda *_: DiscriminatorOutput(scores), random=torch.Generator(), **samples)
    return torch.stack(list(objective.generator(step, {}).terms.values())).sum()


@pytest.mark.parametrize("name", VARIANTS)
def test_derivatives_are_the_closed_form_and_finite_differences(name):
    objective, scores = objective_of(name), torch.randn(50, dtype=torch.float64) * 4
    got = derivatives(objective, scores)
    np.testing.assert_allclose(got.abs().numpy(), CLOSED_FORMS[name](scores.numpy()), rtol=1e-9, atol=1e-15)
    for score, slope in zip(scores.split(1), got, strict=True):
        rise = _loss(objective, score + STEP) - _loss(objective, score - STEP)
        assert slope.item() == pytest.approx(rise.item() / (2 * STEP), rel=1e-5, abs=1e-9)


def test_closed_forms_are_the_figures_of_the_claim():
    at = {name: CLOSED_FORMS[name](np.array([-10.0, 10.0])).tolist() for name in VARIANTS}
    assert at["cgan"] == pytest.approx([1.0, 4.5e-5], rel=0.01)
    assert at["lsgan"] == pytest.approx([9.1e-5, 4.1e-9], rel=0.01)
    assert at["lsgan_linear"] == pytest.approx([22.0, 18.0])


def test_the_losses_cross_where_they_pull_as_hard():
    at = crossing()
    assert 2 * (at - 0.5) == pytest.approx(1 / (1 + math.exp(at)))
    assert boundary(objective_of("lsgan_linear")) == 0.5
    assert boundary(objective_of("lsgan")) == boundary(objective_of("cgan")) == 0.0


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def neighbors(digits):
    return Neighbors.of(digits)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_fakes_gradient_is_that_of_the_loss_through_the_discriminator(name, digits):
    """The chain rule over single fakes against one backward pass of the mean loss, in float64."""
    objective = objective_of(name)
    state = init(registry.get(name, batch_size=8), digits, 0, dtype=torch.float64)
    fake, labels = torch.rand(8, 1, 32, 32, dtype=torch.float64) * 2 - 1, torch.arange(8)
    scores, sensitivity = scored(state, fake, labels)
    asked = fake.clone().requires_grad_()
    (expected,) = torch.autograd.grad(_loss(objective, state.networks.discriminator(asked, labels)), asked)
    got = derivatives(objective, scores).abs() * sensitivity
    torch.testing.assert_close(got, 8 * expected.flatten(1).norm(dim=1))


def test_fakes_are_measured_without_touching_the_training(digits, neighbors):
    state = init(registry.get("lsgan_linear", batch_size=16, latent="100 normal"), digits, 3)
    before = {name: value.clone() for name, value in state.networks.generator.state_dict().items()}
    random = {name: generator.get_state() for name, generator in state.random.items()}
    fakes = fakes_of(state, 40, neighbors)
    assert len(fakes) == 48  # whole batches
    assert np.allclose(fakes["certain"], fakes["margin"] + 0.5, atol=1e-6)  # a raw score is read as it is
    assert np.allclose(fakes["derivative_lsgan_linear"], 2 * (fakes["margin"] - 0.5), atol=1e-6)
    assert np.allclose(fakes["derivative_cgan"].abs(), CLOSED_FORMS["cgan"](fakes["margin"].to_numpy()))
    pd.testing.assert_frame_equal(fakes, fakes_of(state, 40, neighbors))
    assert all(torch.equal(value, before[name]) for name, value in state.networks.generator.state_dict().items())
    assert all(torch.equal(generator.get_state(), random[name]) for name, generator in state.random.items())


def test_distances_are_to_real_images_of_the_label(digits, neighbors):
    images, labels = digits.train.images[:50], digits.train.labels[:50]
    assert neighbors.distance(images, labels).max() < 1e-6
    assert neighbors.distance(images, (labels + 1) % 10).min() > 1e-2
    usual = neighbors.distance(digits.test.images, digits.test.labels)
    assert (usual > neighbors.far).float().mean() == pytest.approx(0.05, abs=0.005)


def _fakes(margins, **columns):
    """Fakes of one state of `cgan` at given margins, with |dl/ds| in closed form and a sensitivity of 2."""
    margins = np.asarray(margins, dtype=float)
    frame = pd.DataFrame({"margin": margins, "certain": 1 / (1 + np.exp(-margins)), "distance": 1.0, "far": True})
    for name in VARIANTS:
        scores = torch.as_tensor(margins) + boundary(objective_of(name))
        frame[f"derivative_{name}"] = derivatives(objective_of(name), scores).numpy()
        frame[f"gradient_{name}"] = 2 * frame[f"derivative_{name}"].abs()
    state = {"variant": "cgan", "seed": 0, "fraction": 1.0, "images": 640, "real_margin": 2.0}
    return frame.assign(**(state | columns))


def test_bins_hold_every_fake_once_with_their_lower_edge():
    bins = binned(_fakes([-9.0, -0.1, 0.0, 0.2, 0.25, 3.0, 100.0]))
    raw = bins[bins["loss"] == "lsgan_linear"]
    assert raw["low"].tolist() == [-np.inf, -0.25, 0.0, 0.25, 2.0, 8.0]
    assert raw["high"].tolist() == [-8.0, 0.0, 0.25, 0.5, 4.0, np.inf]
    assert raw["fakes"].tolist() == [1, 1, 2, 1, 1, 1]
    assert raw["derivative"].tolist() == pytest.approx([19.0, 1.2, 0.8, 0.5, 5.0, 199.0])
    assert raw["gradient"].tolist() == pytest.approx([38.0, 2.4, 1.6, 1.0, 10.0, 398.0])
    assert raw["pulled_back"].tolist() == [0, 0, 0, 0, 1, 1]
    for _, mine in bins.groupby("loss"):
        assert (mine["pull"] * mine["fakes"]).sum() == pytest.approx(7)  # the mean over all fakes is 1
    assert list(EDGES) == sorted(EDGES)
    assert 0.0 in EDGES


def test_regions_and_their_pull():
    regions = by_region(pd.concat([_fakes([-1.0, -1.0, 1.0, 3.0]), _fakes([-2.0, -2.0], seed=1)]))
    counts = regions[regions["seed"] == 0].set_index("region")["fakes"]
    assert counts.to_dict() == {"all": 4, "for fake": 2, "for real": 2, "surely fake": 0, "surely real": 1,
                                "past the crossing": 2, "far": 4, "far, for real": 2,
                                "far, surely real": 1}  # fmt: skip
    assert set(counts.index) == set(REGIONS)


def test_the_pull_on_one_side_over_that_on_the_other():
    """A seed with fakes on one side alone, or with few, has no say."""
    regions = by_region(pd.concat([_fakes([-1.0, 3.0] * 20), _fakes([-2.0] * 40 + [1.0], seed=1)]))
    fake, real = CLOSED_FORMS["cgan"](np.array([-1.0, 3.0]))
    assert relative_pull(regions, "cgan") == pytest.approx(real / fake)
    assert relative_pull(regions, "lsgan_linear") == pytest.approx(5 / 3)
    assert math.isnan(relative_pull(regions[regions["seed"] == 1], "cgan"))


def test_seeds_are_pooled_by_their_fakes():
    rows = binned(pd.concat([_fakes([0.1, 0.1, 0.2]), _fakes([0.2], seed=1)]))
    (row,) = pooled(rows[rows["loss"] == "cgan"], ["variant", "low"], ["margin"]).to_dict("records")
    assert (row["fakes"], row["margin"]) == (4, pytest.approx(0.15))


FIDS = {"cgan": [20.0, 22.0, 25.0], "lsgan": [30.0, 33.0, 41.0], "lsgan_linear": [19.0, 24.0, 23.0]}


def _results(path, fids=FIDS):
    """A results folder as far as the contrast reads it; one seed of `lsgan` diverged."""
    path.mkdir()
    manifest = {"cells": [], "data": {"name": "mnist"}, "preset": "quick", "seeds": [0, 1, 2], "n": 2000,
                "extractors": {"mnist-cnn": {}}, "variants": list(fids)}  # fmt: skip
    (path / "manifest.json").write_text(json.dumps(manifest))
    lines = ["variant,seed,status,final_fid_mnist-cnn", "real,0,ok,0.5", "lsgan,9,diverged,"]
    lines += [f"{name},{seed},ok,{value}" for name, values in fids.items() for seed, value in enumerate(values)]
    (path / "runs.csv").write_text("\n".join(lines) + "\n")
    for table in ("history", "metrics", "summary", "contrasts"):
        (path / f"{table}.csv").write_text("variant\n")
    return path


def test_contrasts_are_welchs_on_logarithms(tmp_path):
    """Logs at -1, 0, 1 and at 4, 6, 8: variances 1 and 4, standard error sqrt(5 / 3), 2.94 degrees of freedom."""
    fids = {"cgan": np.exp([-1.0, 0.0, 1.0]), "lsgan": np.exp([4.0, 6.0, 8.0])}
    (row,) = contrasts(_results(tmp_path / "a", fids), "cgan", ["lsgan"])
    assert (row["seeds"], row["seeds_other"], row["planned"]) == (3, 3, 3)
    assert (row["fid"], row["fid_other"]) == (pytest.approx(1.0), pytest.approx(math.exp(6)))
    assert row["difference"] == pytest.approx(-6.0)
    assert row["high"] - row["difference"] == pytest.approx(3.219 * math.sqrt(5 / 3), rel=1e-3)


def test_contrasts_refuse_what_has_no_interval(tmp_path):
    folder = _results(tmp_path / "a", {"cgan": [1.0, 2.0], "lsgan": [3.0]})
    with pytest.raises(GanZooError, match="two seeds that survived, of lsgan too"):
        contrasts(folder, "cgan", ["lsgan"])
    with pytest.raises(GanZooError, match="holds no run of lsgan_linear"):
        contrasts(folder, "cgan", ["lsgan_linear"])


@pytest.mark.slow
def test_a_smoke_run_writes_everything_and_takes_the_contrast_later(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert least_squares.main(["--smoke", "--device", "cpu", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out / 'least_squares.md'}\n"
    names = {"gradients.csv", "fakes.csv", "gradients.png", "least_squares.md", "manifest.json"}
    assert {path.name for path in out.iterdir()} == names
    gradients, manifest = pd.read_csv(out / "gradients.csv"), json.loads((out / "manifest.json").read_text())
    states = gradients.drop_duplicates(STATE)
    assert len(states) == 3 * 2 * 4  # variants, seeds, points of training
    assert gradients.groupby([*STATE, "loss"])["fakes"].sum().eq(manifest["settings"]["n"]).all()
    assert (gradients["loss"].value_counts() == len(gradients) / 3).all()
    assert "End to end: not measured" in (out / "least_squares.md").read_text()

    monkeypatch.setattr("pull.run._measure", None)  # what was measured is kept
    assert least_squares.main(["--contrast", str(_results(tmp_path / "bench")), "--out", str(out)]) == 0
    said = (out / "least_squares.md").read_text()
    assert "`cgan` 22.2 (3 seeds) against `lsgan` 34.4 (3): a ratio of 0.65 [" in said
    assert "**no difference shown**" in said
    after = json.loads((out / "manifest.json").read_text())
    assert after | {"contrast": None} == manifest
    pd.testing.assert_frame_equal(pd.read_csv(out / "gradients.csv"), gradients)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--contrast", "missing"], "error: results folder 'missing' does not exist"),
        (["--contrast", "."], "error: '.' is not a results folder"),
        (["--n", "0"], "error: --n 0 is too few; it must be above 0"),
        (["--data", "mnits"], "error: unknown data set 'mnits'; did you mean 'mnist'?"),
        (["--device", "tpu"], "error: device 'tpu' is not one"),
    ],
)
def test_bad_input_is_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert least_squares.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_damaged_measurement_is_one_line(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{}")
    bench = _results(tmp_path / "bench")
    assert least_squares.main(["--contrast", str(bench), "--out", str(tmp_path / "out")]) == 2
    assert "holds no measurement that can be read" in capsys.readouterr().err


def test_the_answer_follows_the_figures():
    """Fakes far on the real side turn the answer round."""
    from pull.stored import Measurement

    manifest = {
        "date": "", "commit": None, "command": "", "seconds": 1.0, "contrast": None, "data": {"title": "MNIST"},
        "machine": {"device": "A CPU", "versions": {"torch": "2"}},
        "settings": {"images": 640, "batch": 64, "latent": "100 normal", "seeds": 1, "n": 4},
        "neighbors": {"images": 9, "quantile": 0.95, "far": 0.3, "extractor": "mnist-cnn"},
    }  # fmt: skip
    for margins, said in (
        ([-2.0, -1.0, 0.1, 0.2], "the case did not arise"),
        ([-1.0, -1.0, 9.0, 9.0], "the case arose"),
    ):
        fakes = pd.concat([_fakes(margins * 20, variant=name) for name in VARIANTS])
        text = markdown(Measurement(binned(fakes), by_region(fakes), manifest))
        assert f"**In training {said}.**" in text
        assert "0.0% of `cgan`'s and 0.0% of `lsgan`'s fakes were surely taken for fake (D(x) of 0.1 or less)" in text
        assert "at least 0.9, that of least squares on the sigmoid at most 0.16 and vanishing" in text
        assert f"**a {'smaller' if 'not' in said else 'larger'} share** of its pull" in text
