import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from torch import nn

import gan_zoo
from gan_zoo.data import DataMissing
from gan_zoo.errors import GanZooError
from gan_zoo.studies.discriminator_features import _labelled, _pooled, features, fit_machine
from gan_zoo.studies.trained import NotApplicable


def contrast_images(count, seed):
    """Plain images whose class is their distance from middle grey, brighter or darker: not linear in the pixels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    signs = 2 * torch.randint(0, 2, (count,), generator=random) - 1
    distances = torch.where(labels == 1, 90, 20) + torch.randint(-10, 11, (count,), generator=random)
    levels = (128 + signs * distances).to(torch.uint8)
    return levels.view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous(), labels


@pytest.fixture
def contrasts(make_dataset):
    train, train_labels = contrast_images(400, 0)
    test, test_labels = contrast_images(300, 1)
    return make_dataset(train, test, train_labels, test_labels, classes=2)


@pytest.fixture
def magnitude():
    """A discriminator with two hidden units: the positive and the negative part of the mean pixel."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1 / 64], [-1 / 64]]).expand(2, 64))
        network[1].bias.zero_()
    return network


@pytest.mark.parametrize("cost", [0.03, 1.0, 10.0])
def test_the_machine_is_that_of_scikit_learn(cost):
    random = torch.Generator().manual_seed(0)
    targets = torch.arange(200) % 3
    inputs = torch.randn(200, 12, generator=random) + targets.unsqueeze(1) * torch.randn(12, generator=random) / 2
    found = fit_machine(inputs, targets, 3, cost, tolerance=1e-12)
    machine = LinearSVC(C=cost, dual=False, fit_intercept=False, tol=1e-8, max_iter=10_000)
    expected = machine.fit(inputs.double().numpy(), targets.numpy()).coef_.T
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3 * abs(expected).max())


def test_planted_features_classify_what_pixels_cannot(make_trained, contrasts, magnitude):
    trained = make_trained(nn.Identity(), magnitude, dataset=contrasts, classes=2)
    studied = features.function(trained, labels=100, other="")
    found = {condition: value for measure, condition, value in studied.values if measure == "accuracy"}
    assert next(iter(found)) == "trained discriminator"
    assert found["trained discriminator"] == 1
    assert found["raw pixels"] < 0.65
    assert found["PCA, 100 components"] < 0.65
    assert features.function(trained, labels=100, other="").values == studied.values
    (picture,) = studied.draw()
    assert len(picture.caption.split()) <= 25


def test_more_features_than_images_give_the_same_machine(make_trained, contrasts):
    # The weights are found in the span of the images then: a copied feature changes nothing.
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 1))
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        narrow[1].weight.copy_(torch.randn(2, 64, generator=torch.Generator().manual_seed(0)) / 8)
        wide[1].weight.copy_(narrow[1].weight.repeat(200, 1))
        wide[1].bias.copy_(narrow[1].bias.repeat(200))
    found = [
        features.function(make_trained(nn.Identity(), each, dataset=contrasts, classes=2), labels=60, other="").values[
            0
        ]
        for each in (wide, narrow)
    ]
    assert found[0][2] == pytest.approx(found[1][2], abs=0.01)


@pytest.mark.parametrize(("side", "pooled"), [(16, 4), (7, 4), (4, 4), (3, 3), (1, 1)])
def test_maps_are_pooled_to_at_most_4x4(side, pooled):
    maps = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    found = _pooled(maps)
    assert found.shape == (2, 3, pooled, pooled)
    assert torch.equal(found.amax((2, 3)), maps.amax((2, 3)))
    if side == 16:
        assert torch.equal(found, maps.unflatten(2, (4, 4)).unflatten(4, (4, 4)).amax((3, 5)))


def test_labelled_images_are_equally_many_a_class_and_follow_the_seed(make_dataset):
    labels = torch.tensor([0] * 50 + [1] * 30)
    images = torch.zeros(80, 1, 8, 8, dtype=torch.uint8)
    data = make_dataset(images, images, labels, labels, classes=2)
    notes = []
    index = _labelled(data, 40, 0, notes)
    assert labels[index].bincount().tolist() == [20, 20]
    assert len(index.unique()) == 40
    assert notes == []
    assert torch.equal(index, _labelled(data, 40, 0, notes))
    assert not torch.equal(index, _labelled(data, 40, 1, notes))
    assert labels[_labelled(data, 1_000, 0, notes)].bincount().tolist() == [30, 30]
    assert "30" in notes[0]
    assert _labelled(data, "all", 0, notes).sort().values.equal(torch.arange(80))


def test_unusable_settings_and_data(make_trained, make_dataset, contrasts, magnitude):
    trained = make_trained(nn.Identity(), magnitude, dataset=contrasts, classes=2)
    for labels in (0, 4, "many", 1.5):
        with pytest.raises(GanZooError, match="labels"):
            features.function(trained, labels=labels, other="")
    images = contrasts.train.images
    unlabelled = make_trained(nn.Identity(), magnitude, dataset=make_dataset(images, images, classes=0))
    with pytest.raises(NotApplicable, match="no labels"):
        features.function(unlabelled, other="")


def test_a_data_set_that_is_missing_is_left_out(make_trained, contrasts, magnitude, monkeypatch):
    trained = make_trained(nn.Identity(), magnitude, dataset=contrasts, classes=2)

    def load(_trained, name=None, side=None):
        if name:
            raise DataMissing("no files")
        return contrasts

    monkeypatch.setattr(type(trained), "load_data", load)
    studied = features.function(trained, labels=40)
    assert {measure for measure, _condition, _value in studied.values} == {"accuracy"}
    assert any("no files" in note for note in studied.notes)


@pytest.mark.slow
def test_a_trained_convolutional_run():
    run = gan_zoo.train(gan_zoo.get("dcgan", width=2, batch_size=16), "digits", steps=2)
    result = features(run, labels=50, other="", components=8)
    table = result.table
    assert next(iter(table["condition"])) == "trained discriminator"
    assert len(table) == 4
    assert table["value"].between(0.2, 1).all()
    assert any(f"{16 * 2 * (1 + 2 + 4)} features" in note for note in result.record.notes)
