from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_sets import SmallSet, write

from gan_zoo import data
from gan_zoo.data import registry
from gan_zoo.errors import GanZooError


def test_every_set_has_a_description_and_those_with_a_prefix_come_last() -> None:
    names = {"cifar10", "digits", "emnist", "fashion_mnist", "kmnist", "mnist", "stacked_mnist", "stl10", "svhn"}
    assert names <= set(data.names())
    assert list(data.descriptions()) == [*data.names(), "folder:PATH"]
    assert all(data.descriptions().values())


def test_unknown_set_names_the_nearest() -> None:
    with pytest.raises(GanZooError, match=r"unknown data set 'mnits'; did you mean 'mnist'\? Known: .*digits"):
        data.load("mnits")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"side": 0}, "image side 0"), ({"side": -4}, "image side -4"), ({"channels": 2}, "2 image channels")],
)
def test_impossible_shapes_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(GanZooError, match=message):
        data.load("digits", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_digits_at_any_side_and_channels(side: int, channels: int | None) -> None:
    digits = data.load("digits", side=side, channels=channels)
    assert digits.shape == (channels or 1, side, side)
    assert (len(digits.train), len(digits.test), digits.classes) == (1297, 500, 10)
    assert "not comparable with MNIST" in digits.note
    assert (digits.name, digits.requested) == ("digits", "digits")
    assert (digits.extractor, digits.kind) == ("digits-cnn", "images")


def test_a_data_set_is_one_decorated_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))
    split = data.Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))

    @data.dataset("blank")
    def blank(request: data.Request) -> data.Dataset:
        return data.image_dataset(
            request, name="blank", title="Blank", train=split, test=split, class_names=("a", "b"), extractor="mnist-cnn"
        )

    assert data.load("blank").shape == (3, 32, 32)
    assert data.load("blank", channels=1).shape == (1, 32, 32)
    with pytest.raises(GanZooError, match="'blank' is registered already"):
        data.dataset("blank")(blank)


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("by_environment", [True, False])
def test_named_root_that_is_no_directory_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_file: bool, by_environment: bool
) -> None:
    root = tmp_path / "nowhere"
    if as_file:
        root.write_text("")
    if by_environment:
        monkeypatch.setenv(data.DATA_ENV, str(root))
    expected = "is not a directory" if as_file else "does not exist"
    with pytest.raises(GanZooError, match=expected) as raised:
        data.load("fashion_mnist", root=None if by_environment else root)
    assert str(root) in str(raised.value)


def test_argument_goes_before_environment(
    make_small: Callable[[str], SmallSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(make_small("fashion_mnist").files, tmp_path / "argument")
    (tmp_path / "environment").mkdir()
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "environment"))
    with pytest.raises(GanZooError, match="MNIST is not here"):
        data.load("fashion_mnist")
    assert len(data.load("fashion_mnist", root=tmp_path / "argument").train) == 30


def test_digits_are_those_of_scikit_learn_in_the_order_of_its_split() -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits, bunch = data.load("digits", side=8), load_digits()
    images = torch.from_numpy(bunch.images).mul(255 / 16).round().to(torch.uint8)
    train, test = train_test_split(range(len(images)), test_size=500, stratify=bunch.target, random_state=0)
    for split, index in ((digits.train, train), (digits.test, test)):
        assert torch.equal(split.images[:, 0], images[index])
        assert split.labels.tolist() == bunch.target[index].tolist()


def test_an_embedded_set_needs_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "nowhere"))
    assert len(data.load("digits").test) == 500
    needs_root = [data.needs_root(name) for name in ("digits", "mnist", "cifar10", "folder:mine")]
    assert needs_root == [False, False, True, False]
    with pytest.raises(GanZooError, match="does not exist"):
        data.load("digits", root=tmp_path / "nowhere")


def test_a_data_set_has_a_revision_and_so_has_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))
    registry.dataset("raised", revision=4)(lambda request: data.load("digits"))
    registry.dataset("pair:", revision=2)(lambda path, request: data.load("digits"))
    assert [data.revision(name) for name in ("digits", "folder:some/where", "raised", "pair:a:b")] == [1, 1, 4, 2]
    with pytest.raises(GanZooError, match="unknown data set 'mnits'; did you mean 'mnist'"):
        data.revision("mnits")
