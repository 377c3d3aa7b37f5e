"""Files of tensors: what is read is what was written, or an error."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gan_zoo.errors import DamagedFileError
from gan_zoo.tensors import load_tensors, save_tensors, tensors_digest

METADATA = {"facts": '{"seed": 3}', "word": "ü"}


def make_tensors() -> dict[str, Tensor]:
    return {
        "weights": torch.arange(6.0).reshape(2, 3),
        "half": torch.tensor(2.5, dtype=torch.bfloat16),
        "none": torch.zeros(0, 2),
        "pixels": torch.arange(4, dtype=torch.uint8),
        "double": torch.tensor([1e-300], dtype=torch.float64),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_tensors(tmp_path / "folder" / "some.safetensors", make_tensors(), METADATA)
    return tmp_path / "folder" / "some.safetensors"


def test_tensors_and_metadata_come_back_to_the_bit(path: Path) -> None:
    tensors, metadata = load_tensors(path)
    assert metadata == METADATA
    assert tensors.keys() == make_tensors().keys()
    for name, tensor in make_tensors().items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_any_flipped_bit_is_found(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedFileError, match=str(path)):
            load_tensors(path)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_truncated_file_is_damaged(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFileError, match=str(path)):
        load_tensors(path)


def test_a_file_without_a_digest_is_not_trusted(path: Path) -> None:
    save_file(make_tensors(), path, METADATA)
    with pytest.raises(DamagedFileError, match="digest"):
        load_tensors(path)


def test_a_header_that_claims_terabytes_allocates_nothing(path: Path) -> None:
    header = b'{"weights":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(DamagedFileError):
        load_tensors(path)


def test_a_missing_file_is_not_a_damaged_one(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_tensors(path.with_name("other.safetensors"))
    with pytest.raises(OSError, match="directory"):
        load_tensors(path.parent)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors | {"weights": tensors["weights"] + 1},
        lambda tensors: tensors | {"weights": tensors["weights"].reshape(3, 2)},
        lambda tensors: tensors | {"pixels": tensors["pixels"].view(torch.int8)},
        lambda tensors: {name + "_": tensor for name, tensor in tensors.items()},
        lambda tensors: tensors | {"half": -tensors["half"]},
    ],
    ids=["value", "shape", "type", "name", "sign"],
)
def test_the_digest_depends_on_everything(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    same = tensors_digest(dict(reversed(make_tensors().items())), "text")
    assert tensors_digest(make_tensors(), "text") == same
    assert tensors_digest(make_tensors(), "texts") != same
    assert tensors_digest(change(make_tensors()), "text") != same


def test_a_shape_that_torch_cannot_have_is_damage(tmp_path: Path) -> None:
    header = {"__metadata__": {"sha256": "0"}, "a": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}}
    content = json.dumps(header).encode()
    path = tmp_path / "some.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    with pytest.raises(DamagedFileError, match=str(path)) as error:
        load_tensors(path)
    assert "\n" not in str(error.value)
