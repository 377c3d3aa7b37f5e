"""Gradients of each loss at each fake: derivatives, distances, bins, and the study from end to end."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.studies.loss_gradients import (
    CLOSED_FORMS,
    CROSSING,
    EDGES,
    REGIONS,
    STATE,
    VARIANTS,
    Neighbors,
    binned,
    boundary,
    by_region,
    derivatives,
    fakes_of,
    main,
    pooled,
    scored,
)
from gan_zoo import data, registry
from gan_zoo.engine import init
from gan_zoo.losses import DiscriminatorOutput, Step

STEP = 1e-5


def _loss(objective, scores):
    """The generator's loss of scores (B,), as training takes it."""
    facts = {"labels": None, "fake_labels": None, "latent": {}, "random": torch.Generator()}
    step = Step(discriminator=lambda *_: DiscriminatorOutput(scores), real=scores, fake=scores, **facts)
    return torch.stack(list(objective.generator(step, {}).terms.values())).sum()


@pytest.mark.parametrize("name", VARIANTS)
def test_derivatives_are_the_closed_form_and_finite_differences(name):
    objective = registry.get(name).objective
    scores = torch.randn(50, dtype=torch.float64) * 4
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
    assert pytest.approx(1 / (1 + math.exp(CROSSING))) == 2 * (CROSSING - 0.5)
    assert boundary(registry.get("lsgan_linear").objective) == 0.5
    assert boundary(registry.get("lsgan").objective) == boundary(registry.get("cgan").objective) == 0.0


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def neighbors(digits):
    return Neighbors.of(digits)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_fakes_gradient_is_that_of_the_loss_through_the_discriminator(name, digits):
    """The chain rule over single fakes against one backward pass of the mean loss, in float64."""
    objective = registry.get(name).objective
    state = init(registry.get(name, batch_size=8), digits, 0, dtype=torch.float64)
    fake, labels = torch.rand(8, 1, 32, 32, dtype=torch.float64) * 2 - 1, torch.arange(8)
    scores, sensitivity = scored(state, fake, labels)
    inputs = fake.clone().requires_grad_()
    (expected,) = torch.autograd.grad(_loss(objective, state.networks.discriminator(inputs, labels)), inputs)
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
        scores = torch.as_tensor(margins) + boundary(registry.get(name).objective)
        frame[f"derivative_{name}"] = derivatives(registry.get(name).objective, scores).numpy()
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
    assert [counts[name] for name in REGIONS] == [4, 2, 2, 0, 1, 2, 4, 2, 1]
    assert set(counts.index) == set(REGIONS)


def test_seeds_are_pooled_by_their_fakes():
    rows = binned(pd.concat([_fakes([0.1, 0.1, 0.2]), _fakes([0.2], seed=1)]))
    (row,) = pooled(rows[rows["loss"] == "cgan"], ["variant", "low"], ["margin"]).to_dict("records")
    assert (row["fakes"], row["margin"]) == (4, pytest.approx(0.15))


@pytest.mark.slow
def test_a_smoke_run_writes_everything(tmp_path, capsys):
    assert main(["--smoke", "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'loss-gradients.md'}\n"
    names = {"gradients.csv", "fakes.csv", "gradients.png", "loss-gradients.md", "manifest.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    gradients = pd.read_csv(tmp_path / "gradients.csv")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(gradients.drop_duplicates(STATE)) == 3 * 2 * 4  # variants, seeds, points of training
    assert gradients.groupby([*STATE, "loss"])["fakes"].sum().eq(manifest["num_samples"]).all()
    assert (gradients["loss"].value_counts() == len(gradients) / 3).all()
