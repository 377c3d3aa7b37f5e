"""Generators as records of layers that a browser can run, kernels in float16."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.blocks import Generator, LabelConcat
from gan_zoo.networks.resnet import Block

Layer = dict[str, Any]
"""One operation ``op`` with its settings; a tensor is [first value, number of values] of the arrays of its kind."""


class NotSupported(GanZooError):
    """A network has a layer that the page cannot compute."""


@dataclass(frozen=True)
class Exported:
    """A network: its layers in order, and the arrays that they refer to.

    Maps are stored with the channel as the fastest axis (H, W, C), so that every inner loop runs over channels.

    Attributes:
        layers: the operations.
        kernels: float16, weights of linear layers (out, in), convolutions (ky, kx, out, in / groups), transposed
            convolutions (ky, kx, out, in) and embeddings (classes, values).
        vectors: float32, biases, scales and shifts.
    """

    layers: list[Layer]
    kernels: np.ndarray[Any, Any]
    vectors: np.ndarray[Any, Any]

    def content(self) -> dict[str, Any]:
        """The network as JSON values, the arrays as little-endian bytes in base64."""
        return {
            "layers": self.layers,
            "kernels": base64.b64encode(self.kernels.astype("<f2").tobytes()).decode(),
            "vectors": base64.b64encode(self.vectors.astype("<f4").tobytes()).decode(),
        }


@dataclass
class _Arrays:
    """The values of the tensors that were exported so far."""

    kernels: list[np.ndarray[Any, Any]] = field(default_factory=list)
    vectors: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def kernel(self, weight: Tensor) -> list[int]:
        with np.errstate(over="ignore"):
            return _append(self.kernels, weight, np.dtype(np.float16))

    def vector(self, values: Tensor | None) -> list[int] | None:
        return None if values is None else _append(self.vectors, values, np.dtype(np.float32))


def _append(stored: list[np.ndarray[Any, Any]], values: Tensor, kind: np.dtype[Any]) -> list[int]:
    array = values.detach().cpu().numpy().astype(kind).ravel()
    if not np.isfinite(array).all():
        raise NotSupported(f"it has weights that are not finite as {kind.name}; train it without divergence")
    start = sum(map(len, stored))
    stored.append(array)
    return [start, len(array)]


def export(generator: nn.Module) -> Exported:
    """The records of a generator in evaluation mode.

    Raises:
        NotSupported: a module or a setting of one that the page cannot compute, or weights that float16 cannot hold.
    """
    arrays = _Arrays()
    layers = _layers(generator, arrays)
    kinds = ((arrays.kernels, np.float16), (arrays.vectors, np.float32))
    return Exported(layers, *(np.concatenate([np.empty(0, kind), *stored]).astype(kind) for stored, kind in kinds))


def _layers(module: nn.Module, arrays: _Arrays) -> list[Layer]:
    # Exactly these classes: a subclass may compute something else.
    if type(module) not in _EXPORTS:
        name = f"{type(module).__module__}.{type(module).__qualname__}"
        raise NotSupported(f"its layer {name} is not one that the page can compute")
    return _EXPORTS[type(module)](module, arrays)


def _sequential(module: nn.Sequential, arrays: _Arrays) -> list[Layer]:
    return [layer for child in module for layer in _layers(child, arrays)]


def _generator(module: Generator, arrays: _Arrays) -> list[Layer]:
    return [layer for child in (module.label, module.stem, module.layers) for layer in _layers(child, arrays)]


def _label_concat(module: LabelConcat, arrays: _Arrays) -> list[Layer]:
    if module.embedding is None:
        return []
    return [{"op": "label_concat", "kernel": arrays.kernel(module.embedding.weight)}]


def _linear(module: nn.Linear, arrays: _Arrays) -> list[Layer]:
    layer = {"op": "linear", "outputs": module.out_features}
    return [layer | {"kernel": arrays.kernel(module.weight), "bias": arrays.vector(module.bias)}]


def _convolution(module: nn.Conv2d | nn.ConvTranspose2d, arrays: _Arrays) -> list[Layer]:
    sizes = (module.kernel_size, module.stride, module.padding, module.output_padding)
    is_transposed = isinstance(module, nn.ConvTranspose2d)
    is_square = all(isinstance(size, tuple) and len(set(size)) == 1 for size in sizes)
    is_plain = module.dilation == (1, 1) and module.padding_mode == "zeros"
    if not is_square or not is_plain or (is_transposed and module.groups > 1):
        raise NotSupported(f"its layer {module} has settings that the page cannot compute")
    order = (2, 3, 1, 0) if is_transposed else (2, 3, 0, 1)
    return [
        {
            "op": "conv_transpose" if is_transposed else "conv",
            "outputs": module.out_channels,
            "size": module.kernel_size[0],
            "stride": module.stride[0],
            "padding": module.padding[0],
            "output_padding": module.output_padding[0],
            "groups": module.groups,
            "kernel": arrays.kernel(module.weight.permute(order)),
            "bias": arrays.vector(module.bias),
        }
    ]


def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, arrays: _Arrays) -> list[Layer]:
    """Batch norm with its running statistics is a scale and a shift of each channel."""
    mean, variance = module.running_mean, module.running_var
    if mean is None or variance is None:
        raise NotSupported(f"its layer {type(module).__name__} has no running statistics")
    scale = (variance.double() + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight.double()
    shift = -mean.double() * scale
    if module.affine:
        shift = shift + module.bias.double()
    return [{"op": "affine", "scale": arrays.vector(scale), "shift": arrays.vector(shift)}]


def _layer_norm(module: nn.LayerNorm | nn.GroupNorm, arrays: _Arrays) -> list[Layer]:
    if isinstance(module, nn.GroupNorm) and module.num_groups > 1:
        raise NotSupported(f"its layer {module} normalizes several groups, which the page cannot compute")
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1:
        raise NotSupported(f"its layer {module} has a scale for each pixel, which the page cannot compute")
    layers: list[Layer] = [{"op": "standardize", "eps": module.eps}]
    if module.weight is not None:
        layers.append({"op": "affine", "scale": arrays.vector(module.weight), "shift": arrays.vector(module.bias)})
    return layers


def _upsample(module: nn.Upsample, _arrays: _Arrays) -> list[Layer]:
    factor = module.scale_factor
    if module.mode != "nearest" or not isinstance(factor, (int, float)) or factor != int(factor):
        raise NotSupported(f"its layer {module} has settings that the page cannot compute")
    return [{"op": "upsample", "factor": int(factor)}]


def _unflatten(module: nn.Unflatten, _arrays: _Arrays) -> list[Layer]:
    shape = list(module.unflattened_size)
    if module.dim != 1 or len(shape) != 3 or -1 in shape[1:]:
        raise NotSupported(f"its layer {module} has settings that the page cannot compute")
    return [{"op": "unflatten", "height": shape[1], "width": shape[2]}]


def _flatten(module: nn.Flatten, _arrays: _Arrays) -> list[Layer]:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise NotSupported(f"its layer {module} has settings that the page cannot compute")
    return [{"op": "flatten"}]


def _pad(module: nn.ZeroPad2d, _arrays: _Arrays) -> list[Layer]:
    left, right, top, bottom = module.padding
    return [{"op": "pad", "left": left, "right": right, "top": top, "bottom": bottom}]


def _block(module: Block, arrays: _Arrays) -> list[Layer]:
    return [{"op": "residual", "layers": [*_layers(module.layers, arrays), *_layers(module.last, arrays)]}]


_EXPORTS: dict[type[nn.Module], Callable[[Any, _Arrays], list[Layer]]] = {
    Generator: _generator,
    LabelConcat: _label_concat,
    Block: _block,
    nn.Sequential: _sequential,
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _layer_norm,
    nn.Upsample: _upsample,
    nn.Unflatten: _unflatten,
    nn.ZeroPad2d: _pad,
    nn.Flatten: _flatten,
    nn.ReLU: lambda module, arrays: [{"op": "leaky_relu", "slope": 0.0}],
    nn.LeakyReLU: lambda module, arrays: [{"op": "leaky_relu", "slope": module.negative_slope}],
    nn.Tanh: lambda module, arrays: [{"op": "tanh"}],
    nn.Sigmoid: lambda module, arrays: [{"op": "sigmoid"}],
    nn.Identity: lambda module, arrays: [],
    nn.Dropout: lambda module, arrays: [],
}
"""The exports of modules in evaluation mode by class."""


def directions(latents: Tensor, samples: Tensor, fixed: Tensor) -> Tensor:
    """The two orthogonal latent directions (2, size) whose share in the latents covaries most with the samples.

    These are the first left singular vectors of the cross-covariance of standardized latents and samples, in units of
    one standard deviation of the latent.

    Args:
        latents: (N, size).
        samples: of the latents, (N, ...).
        fixed: (size,), the values that no direction changes.
    """
    spread = latents.std(dim=0).clamp(min=torch.finfo(latents.dtype).tiny)
    centered = (latents - latents.mean(dim=0)) * ~fixed / spread
    values = samples.flatten(1)
    covariance = centered.T @ (values - values.mean(dim=0))
    left = torch.linalg.svd(covariance, full_matrices=False)[0][:, :2].T * spread
    # A latent of one value has one direction.
    return torch.cat([left, left.new_zeros(2 - len(left), latents.shape[1])])
