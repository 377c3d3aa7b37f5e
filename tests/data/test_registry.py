import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from small_sets import write

from gan_zoo import data
from gan_zoo.data import registry
from gan_zoo.errors import GanZooError


def test_every_set_has_a_description_and_those_with_a_prefix_come_last():
    names = {"cifar10", "digits", "emnist", "fashion_mnist", "kmnist", "mnist", "stacked_mnist", "stl10", "svhn"}
    assert names <= set(data.names())
    assert list(data.descriptions()) == [*data.names(), "folder:PATH"]
    assert all(data.descriptions().values())


@pytest.mark.parametrize("ask", [data.load, data.revision])
def test_unknown_set_names_the_nearest(ask):
    with pytest.raises(GanZooError, match=r"unknown data set 'mnits'; did you mean 'mnist'\? Known: .*digits"):
        ask("mnits")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"side": 0}, "image side 0"), ({"side": -4}, "image side -4"), ({"channels": 2}, "2 image channels")],
)
def test_impossible_shapes_are_refused(options, message):
    with pytest.raises(GanZooError, match=message):
        data.load("digits", **options)


@pytest.mark.parametrize("side", [28, 64])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_digits_at_any_side_and_channels(side, channels):
    digits = data.load("digits", side=side, channels=channels)
    assert digits.shape == (channels or 1, side, side)
    assert (len(digits.train), len(digits.test), digits.classes) == (1297, 500, 10)
    assert "not comparable with MNIST" in digits.note
    assert (digits.name, digits.requested) == ("digits", "digits")
    assert (digits.extractor, digits.kind) == ("digits-cnn", "images")


def test_digits_are_those_of_scikit_learn_in_the_order_of_its_split():
    digits, bunch = data.load("digits", side=8), load_digits()
    images = torch.from_numpy(bunch.images).mul(255 / 16).round().to(torch.uint8)
    train, test = train_test_split(range(len(images)), test_size=500, stratify=bunch.target, random_state=0)
    for split, index in ((digits.train, train), (digits.test, test)):
        assert torch.equal(split.images[:, 0], images[index])
        assert split.labels.tolist() == bunch.target[index].tolist()


def test_a_data_set_is_one_decorated_function_with_a_revision(monkeypatch):
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))
    split = data.Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))

    @data.register_dataset("blank", revision=4)
    def blank(request):
        return data.image_dataset(
            request, name="blank", title="Blank", train=split, test=split, class_names=("a", "b"), extractor="mnist-cnn"
        )

    assert data.load("blank").shape == (3, 32, 32)
    assert data.load("blank", channels=1).shape == (1, 32, 32)
    data.register_dataset("blank", revision=4)(blank)  # A cell of a notebook that is run again.
    with pytest.raises(GanZooError, match="'blank' is registered already"):
        data.register_dataset("blank")(lambda request: blank(request))
    for name in ("", "a/b", "../x", "=1", "a" * 81):
        with pytest.raises(GanZooError, match="of a data set"):
            data.register_dataset(name)
    data.register_dataset("pair:", revision=2)(lambda path, request: blank(request))
    assert [data.revision(name) for name in ("digits", "folder:some/where", "blank", "pair:a:b")] == [1, 1, 4, 2]


IMAGES = torch.zeros(6, 1, 28, 28, dtype=torch.uint8)
LABELS = torch.tensor([0, 1] * 3)


@pytest.mark.parametrize(
    ("images", "labels", "classes", "words"),
    [
        (IMAGES / 255, LABELS, 2, r"train images are float32 \(6, 1, 28, 28\); return uint8 \(N, C, H, W\)"),
        (IMAGES[:, 0], LABELS, 2, r"train images are uint8 \(6, 28, 28\); return uint8 \(N, C, H, W\)"),
        (IMAGES.numpy(), LABELS, 2, r"train images are of type ndarray; return uint8"),
        (IMAGES, LABELS.float(), 2, r"train labels are float32 \(6,\); return int64 \(6,\)"),
        (IMAGES, LABELS[:4], 2, r"train labels are int64 \(4,\); return int64 \(6,\)"),
        (IMAGES, LABELS + 1, 2, "train labels are from 1 to 2; 2 classes have labels from 0 to 1"),
        (IMAGES, LABELS - 1, 2, "train labels are from -1 to 0"),
        (IMAGES, LABELS, 0, "train labels are from 0 to 1; 0 classes have labels from 0 to 0"),
    ],
)
@pytest.mark.parametrize("is_resized", [True, False])
def test_images_and_labels_of_another_type_or_shape_are_one_line(
    monkeypatch, images, labels, classes, words, is_resized
):
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))
    split = data.Split(images, labels)
    names = tuple(map(str, range(classes)))

    @data.register_dataset("floaty", files=False)
    def floaty(request):
        if not is_resized:
            return data.Dataset("floaty", "Floaty", split, split, classes, names, "trained", "0")
        return data.image_dataset(
            request, name="floaty", title="Floaty", train=split, test=split, class_names=names, extractor="trained"
        )

    with pytest.raises(GanZooError, match=f"data set 'floaty': {words}") as caught:
        data.load("floaty")
    assert "\n" not in str(caught.value)


def test_what_is_no_data_set_is_one_line(monkeypatch):
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))
    data.register_dataset("nothing", files=False)(lambda _request: None)
    with pytest.raises(GanZooError, match=r"data set 'nothing': .*None"):
        data.load("nothing")


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("by_environment", [True, False])
def test_named_root_that_is_no_directory_is_refused(cache, tmp_path, monkeypatch, as_file, by_environment):
    root = tmp_path / "nowhere"
    if as_file:
        root.write_text("")
    if by_environment:
        monkeypatch.setenv(data.DATA_ENV, str(root))
    expected = "is not a directory" if as_file else "does not exist"
    with pytest.raises(GanZooError, match=f"{root}.*{expected}"):
        data.load("fashion_mnist", root=None if by_environment else root)


def test_argument_goes_before_environment(make_small, tmp_path, monkeypatch):
    write(make_small("fashion_mnist").files, tmp_path / "argument")
    (tmp_path / "environment").mkdir()
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "environment"))
    with pytest.raises(GanZooError, match="MNIST is not here"):
        data.load("fashion_mnist")
    assert len(data.load("fashion_mnist", root=tmp_path / "argument").train) == 30


def test_an_embedded_set_needs_no_root(tmp_path, monkeypatch):
    monkeypatch.setenv(data.DATA_ENV, str(tmp_path / "nowhere"))
    assert len(data.load("digits").test) == 500
    needs_root = [data.needs_root(name) for name in ("digits", "mnist", "cifar10", "folder:mine")]
    assert needs_root == [False, False, True, False]
    with pytest.raises(GanZooError, match="does not exist"):
        data.load("digits", root=tmp_path / "nowhere")


def test_whatever_a_function_of_a_plugin_raises_is_one_line(own_registry):
    @data.register_dataset("broken", files=False)
    def broken(request):
        raise KeyError("two\nlines")

    with pytest.raises(
        GanZooError, match=r"data set 'broken' failed: KeyError: .*fix it in .*test_registry.py"
    ) as caught:
        data.load("broken")
    assert "\n" not in str(caught.value)
