"""Files of tensors whose content is verified: safetensors files (no pickle) with a digest in their metadata."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_zoo.errors import DamagedFileError, StorageError
from gan_zoo.io import atomic_path

_DIGEST = "sha256"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write CPU tensors, contiguous and without shared memory, so that a kill leaves the old file or the new one.

    Args:
        path: its folder is created.
        tensors: the tensors by name.
        metadata: text stored beside them; the key ``sha256`` is added, over this text and the tensors.

    Raises:
        StorageError: the path cannot be written.
    """
    digest = {_DIGEST: tensors_digest(tensors, _text(metadata))}
    with atomic_path(path) as part:
        try:
            save_file(dict(tensors), part, {**metadata, **digest})
        except SafetensorError as error:
            raise StorageError(path, OSError(str(error))) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors (CPU) and the metadata of a file that ``save_tensors`` wrote.

    The header is checked against the size of the file before memory is allocated.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read for another reason.
        DamagedFileError: it is no safetensors file, has no digest, or does not match it.
    """
    with path.open("rb"):  # safetensors reports an unreadable file as it reports a damaged one.
        pass
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            digest = metadata.pop(_DIGEST, None)
            if digest is None:
                raise DamagedFileError(
                    f"{path} has no digest of its content: gan-zoo did not write it, or it is damaged"
                )
            # Cloned: the file's memory is not aligned as a tensor's is, which can change a product's last bit.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, RuntimeError, TypeError) as error:  # Shapes and sizes that torch cannot have.
        first_line = str(error).partition("\n")[0]
        raise DamagedFileError(f"{path} is damaged or not a safetensors file: {first_line}") from error
    if digest != tensors_digest(tensors, _text(metadata)):
        raise DamagedFileError(f"{path} is damaged: its content does not match its digest (SHA-256)")
    return tensors, metadata


def read_cached(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors that ``write_cached`` stored; None if the file is missing, damaged or has another key."""
    try:
        tensors, metadata = load_tensors(path)
    except (OSError, DamagedFileError):
        return None
    return tensors if metadata == {"key": key} else None


def write_cached(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Store tensors with the key that decides their values, or nothing if the path cannot be written.

    A cache that cannot be written costs time and no more.
    """
    with contextlib.suppress(StorageError):
        save_tensors(path, tensors, {"key": key})


def tensors_digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 (hex) of ``text`` and of the names, data types, shapes and values of CPU tensors."""
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def _text(metadata: Mapping[str, str]) -> str:
    return json.dumps(dict(metadata), sort_keys=True)
