"""Hidden activations of a discriminator: a copy that is read layer by layer."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_zoo.device import seeded
from gan_zoo.networks.blocks import Autoencoder
from gan_zoo.studies.trained import NotApplicable, Trained

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.SiLU, nn.GELU, nn.Tanh)
"""Nonlinearities whose outputs are the activations of the layer before them."""
BATCH = 500
_CALIBRATION = 5_000
"""Training images from which the statistics of batch norm are estimated."""


@dataclass(frozen=True)
class Probe:
    """A discriminator whose hidden activations are read, of single images and without their labels.

    Attributes:
        network: a copy in evaluation mode, none of whose layers works in place.
        layers: names of its nonlinearities, from the image on: those that return maps, or of an MLP all; of an
            autoencoder those of its encoder.
        packing: copies of an image in each input.
        takes_labels: whether it is given labels, all of class 0; the embedding of each is the mean of all classes'.
    """

    network: nn.Module
    layers: tuple[str, ...]
    packing: int
    takes_labels: bool

    def activations(self, images: Tensor) -> dict[str, Tensor]:
        """Activations by layer, maps (B, C, H, W) or units (B, F), of images in [-1, 1] (B, C, H, W)."""
        with _outputs(self.network, self.layers) as found:
            _forward(self.network, images, self.packing, self.takes_labels)
        return found

    @property
    def first(self) -> nn.Module:
        """The first layer with weights that the image enters.

        Raises:
            NotApplicable: it has no convolution and no linear layer.
        """
        for module in self.network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                return module
        raise NotApplicable("the discriminator has no convolution and no linear layer: there are no filters to show")


def probe(trained: Trained, network: nn.Module) -> Probe:
    """A probe of the discriminator of a trained GAN, or of an untrained one of the same variant.

    The statistics of its batch norm are those of real training images, as in the authors' code of DCGAN: the running
    ones also saw fakes, and an untrained network has none.

    Raises:
        NotApplicable: samples that are no images, or a discriminator without a nonlinearity.
    """
    if not trained.is_images:
        raise NotApplicable(f"{trained.name} draws points: the activations studied here are those of images")
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ACTIVATIONS) and hasattr(module, "inplace"):
            module.inplace = False
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(_mean_embedding)
    packing = trained.variant.packing
    takes_labels = trained.variant.discriminator_is_conditional
    split = trained.load_data().train
    random = seeded(trained.seed, "calibration of batch norm")
    index = torch.randperm(len(split), generator=random)[:_CALIBRATION].to(split.labels.device)
    _calibrate(network, split.take(index)[0], packing, takes_labels)
    layers = _layers(network, split.take(index[:2])[0], packing, takes_labels)
    if not layers:
        raise NotApplicable(f"the discriminator of {trained.name} has no hidden nonlinearity: it has no features")
    return Probe(network, layers, packing, takes_labels)


def _mean_embedding(module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    assert isinstance(module, nn.Embedding)
    return module.weight.mean(dim=0).expand_as(output)


def _forward(network: nn.Module, images: Tensor, packing: int, takes_labels: bool) -> None:
    inputs = [images.repeat(1, packing, 1, 1)]
    if takes_labels:
        inputs.append(torch.zeros(len(images), dtype=torch.int64, device=images.device))
    network(*inputs)


@torch.no_grad()
def _calibrate(network: nn.Module, images: Tensor, packing: int, takes_labels: bool) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    for batch in images.split(BATCH):
        _forward(network, batch, packing, takes_labels)
    network.eval()


def _layers(network: nn.Module, images: Tensor, packing: int, takes_labels: bool) -> tuple[str, ...]:
    names = [
        name
        for name, module in network.named_modules()
        if isinstance(module, ACTIVATIONS) and not (isinstance(network, Autoencoder) and name.startswith("decoder."))
    ]
    with torch.no_grad(), _outputs(network, tuple(names)) as found:
        _forward(network, images, packing, takes_labels)
    maps = [name for name, output in found.items() if output.dim() == 4]
    return tuple(maps or found)


@contextmanager
def _outputs(network: nn.Module, layers: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """The outputs of layers by name, in their order of use, of a forward pass within the context."""
    found: dict[str, Tensor] = {}
    modules = dict(network.named_modules())

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
            found[name] = output

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
