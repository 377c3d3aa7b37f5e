"""Tensors that are computed once on a machine: files under a hash of all that decides their content."""

import hashlib
import json
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gan_zoo.io import cache_root
from gan_zoo.tensors import read_cached, write_cached


def cached(
    key: Mapping[str, object], compute: Callable[[], dict[str, Tensor]], device: torch.device
) -> dict[str, Tensor]:
    """The tensors that `compute` returns: read from `features` in the cache folder, or computed and stored there.

    A file that is damaged or was written for another key is computed again and replaced. If the folder cannot be
    written to, nothing is stored.

    Args:
        key: all that decides what `compute` gives, as plain JSON values.
        compute: gives the tensors by name.
        device: where tensors read from a file go.
    """
    text = json.dumps(key, sort_keys=True)
    path = cache_root() / "features" / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    tensors = read_cached(path, text)
    if tensors is not None:
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    tensors = compute()
    write_cached(path, text, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    return tensors
