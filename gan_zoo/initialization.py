"""First weights, by name, and spectral normalization of what was drawn."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm


def _default_weights(_module: nn.Module) -> None:
    """PyTorch's own initialization: nothing to do."""


def _normal_weights(module: nn.Module) -> None:
    """Weights of linear and convolution layers from N(0, 0.02) (Radford et al. 2016, arXiv 1511.06434, section 4)."""
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.normal_(module.weight, 0.0, 0.02)


def _tutorial_weights(module: nn.Module) -> None:
    """N(0, 0.02) weights, batch norm gains from N(1, 0.02) and shifts of 0 (PyTorch's DCGAN tutorial)."""
    _normal_weights(module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _glorot_weights(module: nn.Module) -> None:
    """Weights of linear and convolution layers after Glorot and Bengio 2010, eq. 16; biases of 0 (Keras's own)."""
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


INITIALIZATIONS: dict[str, Callable[[nn.Module], None]] = {
    "default": _default_weights,
    "normal 0.02": _normal_weights,
    "normal 0.02, gains too": _tutorial_weights,
    "glorot uniform": _glorot_weights,
}


class SpectralNorm(_SpectralNorm):
    """torch's spectral normalization, in the weight's own precision: autocast would round its norm to bfloat16."""

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its largest singular value."""
        with torch.autocast(weight.device.type, enabled=False):
            normalized: Tensor = super().forward(weight)
        return normalized


def spectral(network: nn.Module) -> None:
    """Spectral normalization of every layer's weight (Miyato et al. 2018, arXiv 1802.05957, algorithm 1)."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)):
            if not module.weight.any():
                module.reset_parameters()  # a weight of zero cannot be divided by its norm
            outputs = 1 if isinstance(module, nn.modules.conv._ConvTransposeNd) else 0
            norm = SpectralNorm(module.weight, dim=outputs)
            nn.utils.parametrize.register_parametrization(module, "weight", norm)
