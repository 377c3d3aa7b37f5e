"""The training of classifiers: the same every time, moved images that stay themselves, budgets that fit the set."""

import pytest
import torch
from torch import Tensor

from gan_zoo.data import Dataset, Split
from gan_zoo.metrics.classifier_training import Recipe, augment, recipe_for, train_classifier


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toys(classes: int = 2, channels: int = 1, side: int = 32) -> Dataset:
    """Classes that differ in brightness."""

    def split(count: int) -> Split:
        labels = torch.arange(count) % classes
        levels = labels * (200 // classes)
        noise = torch.randint(30, (count, channels, side, side), generator=seeded(count))
        return Split((levels[:, None, None, None] + noise).to(torch.uint8), labels)

    names = tuple(map(str, range(classes)))
    return Dataset("toys", "Toys", split(64), split(32), classes, names, extractor="trained", fingerprint="toys")


def test_training_again_gives_the_same_weights_and_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    one = train_classifier(toys(), Recipe(epochs=2, batch=16))
    torch.rand(3)
    two = train_classifier(toys(), Recipe(epochs=2, batch=16))
    assert one.weights == two.weights
    torch.rand(3)
    torch.random.set_rng_state(before)
    train_classifier(toys(), Recipe(epochs=1, batch=16))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_card_tells_what_was_trained() -> None:
    trained = train_classifier(toys(classes=3, channels=3, side=20), Recipe(epochs=3, batch=16))
    assert trained.card["architecture"]["channels"] == 3
    assert trained.card["architecture"]["classes"] == 3
    assert (trained.card["train_images"], trained.card["test_images"]) == (64, 32)
    assert trained.card["bytes"] == len(trained.weights)
    assert 0 <= trained.card["test_accuracy"] <= 1


def test_epochs_are_told_as_they_end() -> None:
    told: list[tuple[int, float]] = []
    train_classifier(toys(), Recipe(epochs=3, batch=16), lambda epoch, loss: told.append((epoch, loss)))
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert told[-1][1] < told[0][1]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_moved_as_a_whole_by_no_more_than_the_shift(channels: int) -> None:
    samples = torch.full((200, channels, 32, 32), -1.0)
    samples[:, :, 10, 20] = 1.0
    moved = augment(samples, Recipe(epochs=1, shift=2), seeded())
    assert moved.shape == samples.shape
    assert torch.equal(moved.flatten(2).sum(2), samples.flatten(2).sum(2))
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    rows, columns = places(moved)
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {18, 19, 20, 21, 22}


def test_half_of_the_images_are_mirrored_where_the_recipe_says_so() -> None:
    samples = torch.full((400, 1, 32, 32), -1.0)
    samples[:, :, 10, 2] = 1.0
    _, columns = places(augment(samples, Recipe(epochs=1, shift=0, flip=True), seeded()))
    assert set(columns.tolist()) == {2, 29}
    assert 150 < int((columns == 29).sum()) < 250


def places(moved: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the bright pixel in each image."""
    flat = moved[:, 0].flatten(1).argmax(1)
    return flat // 32, flat % 32


@pytest.mark.parametrize("channels", [1, 3])
def test_recipes_for_any_set_take_minutes_at_most(channels: int) -> None:
    recipes = {images: recipe_for(images, channels) for images in (2, 20, 200, 5_000, 60_000, 500_000)}
    for images, recipe in recipes.items():
        assert 2 <= recipe.batch <= images
        assert 3 <= recipe.epochs <= 40
        assert not recipe.flip
    assert 200_000 <= recipes[60_000].epochs * 60_000 <= 450_000
    assert recipes[200].epochs * 200 <= 10_000
