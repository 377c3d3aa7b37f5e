"""Tensors that are computed once on a machine: files under a hash of all that decides their content."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_zoo.io import cache_root


def cached(
    key: Mapping[str, object], compute: Callable[[], dict[str, Tensor]], device: torch.device
) -> dict[str, Tensor]:
    """The tensors that `compute` gives, from `features` in the cache folder if they are there, else computed and kept.

    A file that is damaged or was written for another key is computed again and replaced. Where the folder cannot be
    written to, nothing is kept.

    Args:
        key: all that decides what `compute` gives, as plain JSON values.
        compute: gives the tensors by name.
        device: where tensors read from a file go.
    """
    text = json.dumps(key, sort_keys=True)
    path = cache_root() / "features" / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    tensors = _read(path, text)
    if tensors is not None:
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    tensors = compute()
    # A cache that cannot be written to costs time and no more.
    with contextlib.suppress(OSError):
        _write(path, text, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    return tensors


def _read(path: Path, text: str) -> dict[str, Tensor] | None:
    """The file's tensors, where it is whole and belongs to the key."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            # Cloned: the file's memory is not aligned as a tensor's is, which can move a product's last bit.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return tensors if facts == _facts(text, tensors) else None


def _write(path: Path, text: str, tensors: dict[str, Tensor]) -> None:
    """Write the file whole or not at all: others may be reading it, or writing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(save(tensors, metadata=_facts(text, tensors)))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _facts(text: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """What the file says of itself: its key, and a digest of its content, which safetensors does not check."""
    content = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes())
    return {"key": text, "sha256": content.hexdigest()}
