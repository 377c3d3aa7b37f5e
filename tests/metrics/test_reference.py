"""The cache of features on disk, and statistics that are computed once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from vectors import features, flip_a_bit

from gan_zoo.metrics.reference import Reference, cached

CPU = torch.device("cpu")
KEY = {"n": 5, "name": "some-cnn"}


class Counted:
    """Returns other tensors at each call, and counts."""

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
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_computes_once_and_returns_the_same_bits(folder: Path, compute: Counted) -> None:
    first = cached(KEY, compute, CPU)
    assert_equal(first, Counted()())
    for _ in range(2):
        assert_equal(cached(dict(reversed(KEY.items())), compute, CPU), first)
    assert compute.calls == 1
    (path,) = folder.iterdir()
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["key"]) == KEY


@pytest.mark.parametrize("other", [{"n": 6}, {"name": "other-cnn"}, {"more": None}])
def test_another_key_is_another_entry(compute: Counted, other: dict[str, object]) -> None:
    first, second = cached(KEY, compute, CPU), cached(KEY | other, compute, CPU)
    assert compute.calls == 2
    assert_equal(cached(KEY, compute, CPU), first)
    assert_equal(cached(KEY | other, compute, CPU), second)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def exchange(path: Path) -> None:
    cached({"n": 7}, Counted(), CPU)
    (other,) = set(path.parent.iterdir()) - {path}
    other.replace(path)


@pytest.mark.parametrize("damage", [flip_a_bit, cut, exchange])
def test_a_damaged_or_wrong_file_is_replaced(folder: Path, compute: Counted, damage: Callable[[Path], None]) -> None:
    cached(KEY, compute, CPU)
    (path,) = folder.iterdir()
    damage(path)
    second = cached(KEY, compute, CPU)
    assert_equal(cached(KEY, compute, CPU), second)
    assert compute.calls == 2
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_not_needed(tmp_path: Path, compute: Counted) -> None:
    (tmp_path / "cache").write_text("a file")
    for calls in (1, 2):
        assert set(cached(KEY, compute, CPU)) == {"vectors", "turned", "one"}
        assert compute.calls == calls


def test_a_write_that_fails_leaves_no_file(folder: Path, compute: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    assert_equal(cached(KEY, compute, CPU), Counted()())
    assert list(folder.iterdir()) == []


def test_a_statistic_is_computed_once() -> None:
    calls = []

    def mean(reference: Reference) -> Tensor:
        calls.append(reference)
        return reference.features.vectors.mean(dim=0)

    first, second = Reference(features(seed=1)), Reference(features(seed=2))
    assert first.statistic(mean) is first.statistic(mean)
    assert torch.equal(second.statistic(mean), second.features.vectors.mean(dim=0))
    assert calls == [first, second]
