"""The cache on disk: what it gives back, what it refuses, and what it does without."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from gan_zoo.metrics.cache import cached

CPU = torch.device("cpu")
KEY = {"n": 5, "name": "some-cnn"}


class Counted:
    """Gives tensors of its own each time, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        generator = torch.Generator().manual_seed(self.calls)
        vectors = torch.randn(5, 3, generator=generator)
        return {"vectors": vectors, "turned": vectors.double().T, "one": torch.rand((), generator=generator)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def compute() -> Counted:
    return Counted()


def assert_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert tensor.dtype == two[name].dtype
        assert torch.equal(tensor, two[name])


def test_computes_once_and_gives_the_same_bits(folder: Path, compute: Counted) -> None:
    first = cached(KEY, compute, CPU)
    assert_equal(first, Counted()())
    for _ in range(2):
        assert_equal(cached(dict(reversed(KEY.items())), compute, CPU), first)
    assert compute.calls == 1
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("other", [{"n": 6}, {"name": "other-cnn"}, {"more": None}])
def test_another_key_is_another_file(folder: Path, compute: Counted, other: dict[str, object]) -> None:
    first, second = cached(KEY, compute, CPU), cached(KEY | other, compute, CPU)
    assert compute.calls == 2
    assert_equal(cached(KEY, compute, CPU), first)
    assert_equal(cached(KEY | other, compute, CPU), second)
    assert len(list(folder.iterdir())) == 2


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def exchange(path: Path) -> None:
    cached({"n": 7}, Counted(), CPU)
    (other,) = set(path.parent.iterdir()) - {path}
    other.replace(path)


@pytest.mark.parametrize("damage", [flip, cut, empty, exchange])
def test_a_damaged_or_wrong_file_is_computed_again_and_replaced(
    folder: Path, compute: Counted, damage: Callable[[Path], None]
) -> None:
    cached(KEY, compute, CPU)
    (path,) = folder.iterdir()
    damage(path)
    second = cached(KEY, compute, CPU)
    assert compute.calls == 2
    assert_equal(cached(KEY, compute, CPU), second)
    assert compute.calls == 2
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path, compute: Counted) -> None:
    (tmp_path / "cache").write_text("in the way")
    for calls in (1, 2):
        assert set(cached(KEY, compute, CPU)) == {"vectors", "turned", "one"}
        assert compute.calls == calls


def test_a_write_that_fails_leaves_nothing_behind(
    folder: Path, compute: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    assert_equal(cached(KEY, compute, CPU), Counted()())
    assert list(folder.iterdir()) == []


def test_the_file_says_what_it_is_of(folder: Path, compute: Counted) -> None:
    cached(KEY, compute, CPU)
    (path,) = folder.iterdir()
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["key"]) == KEY


def test_what_fails_to_compute_is_not_kept(folder: Path) -> None:
    def fail() -> dict[str, Tensor]:
        raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        cached(KEY, fail, CPU)
    assert not folder.exists()
