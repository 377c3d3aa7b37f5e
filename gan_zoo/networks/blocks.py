"""Blocks that several families share: labels, normalization, generators, and the outputs of a discriminator."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_zoo.errors import GanZooError, check_known
from gan_zoo.losses import DiscriminatorOutput
from gan_zoo.variant import NORMS, Spec

CODE = 64
"""Values of an autoencoder's code."""
TWO_PASSES_MOMENTUM = 0.19
"""Batch norm momentum of generators: 1 - (1 - 0.1)^2, as the articles' loops pass each latent batch twice through the
generator, at momentum 0.1, and the engine once."""
LABEL_VALUES = 10
"""Values of a label embedding that is concatenated to a vector."""


class LabelConcat(nn.Module):
    """Samples as vectors (B, n), concatenated with a learned embedding of the labels (B,) if there are classes."""

    def __init__(self, classes: int, values: int) -> None:
        super().__init__()
        self.width = values + (LABEL_VALUES if classes else 0)
        self.embedding = nn.Embedding(classes, LABEL_VALUES) if classes else None

    def forward(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        vectors = vectors.flatten(1)
        if self.embedding is None:
            return vectors
        return torch.cat([vectors, self.embedding(labels)], dim=1)


class LabelPlane(nn.Module):
    """Images (B, C, H, W), with a learned plane of the labels (B,) as a further channel if there are classes."""

    def __init__(self, classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, height, width = shape
        self.channels = channels + (1 if classes else 0)
        self.embedding = nn.Embedding(classes, height * width) if classes else None

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return images
        plane = self.embedding(labels).view(len(images), 1, *images.shape[2:])
        return torch.cat([images, plane], dim=1)


def norm_2d(kind: str, channels: int, momentum: float = 0.1) -> list[nn.Module]:
    """Normalization of maps (B, channels, H, W): ``batch``, ``layer`` (over all maps of a sample) or ``none``."""
    # Spectral norm is put on the finished discriminator's weights, by `Variant.build`.
    check_known("norm", kind, NORMS)
    if kind == "batch":
        return [nn.BatchNorm2d(channels, momentum=momentum)]
    return [nn.GroupNorm(1, channels)] if kind == "layer" else []


def norm_1d(kind: str, features: int, momentum: float = 0.1) -> list[nn.Module]:
    """Normalization of vectors (B, features): ``batch``, ``layer`` or ``none``."""
    check_known("norm", kind, NORMS)
    if kind == "batch":
        return [nn.BatchNorm1d(features, momentum=momentum)]
    return [nn.LayerNorm(features)] if kind == "layer" else []


class Generator(nn.Module):
    """Latents (B, latent size), with their labels if the spec has classes, through a stem and layers."""

    def __init__(self, label: LabelConcat, layers: nn.Sequential, stem: nn.Module | None = None) -> None:
        super().__init__()
        self.label = label
        self.stem = nn.Identity() if stem is None else stem
        self.layers = layers

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (B, *shape): images in [-1, 1], points without bounds."""
        return self.layers(self.stem(self.label(latent, labels)))


class Discriminator(nn.Module):
    """A body that maps samples to features (B, F), and one score, linear in them.

    With ``spec.projection`` the inner product of the features and the label's embedding is added to the score (Miyato
    and Koyama 2018, arXiv 1802.05637, eq. 4). With ``spec.heads`` there are further outputs, linear in the features.
    """

    def __init__(self, spec: Spec, label: nn.Module, body: nn.Module, features: int, score: nn.Module | None = None):
        super().__init__()
        self.label = label
        self.body = body
        self.score = nn.Linear(features, 1) if score is None else score
        self.projection = nn.Embedding(spec.projection, features) if spec.projection else None
        self.heads = nn.ModuleDict({name: nn.Linear(features, size) for name, size in spec.heads.items()})

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Scores (B,) of samples (B, *shape)."""
        features = self.body(self.label(samples, labels))
        score = self.score(features).flatten()
        features = features.flatten(1)
        if self.projection is not None:
            score = score + (self.projection(labels) * features).sum(dim=1)
        if not self.heads:
            return score
        return DiscriminatorOutput(score, {name: head(features) for name, head in self.heads.items()})


class Autoencoder(nn.Module):
    """A body, a code of 64 values, and a decoder.

    The score is the mean over a sample's values of |x - decoded|^power; ``code`` (B, 64) is an extra output.
    """

    def __init__(self, power: int, label: nn.Module, body: nn.Module, features: int, decoder: nn.Module) -> None:
        super().__init__()
        self.power = power
        self.label = label
        self.encoder = nn.Sequential(body, nn.Flatten(), nn.Linear(features, CODE))
        self.decoder = decoder

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Energies (B,) of samples (B, *shape)."""
        code = self.encoder(self.label(samples, labels))
        error = (samples - self.decoder(code)).abs()
        energy = error if self.power == 1 else error.square()
        return DiscriminatorOutput(energy.flatten(1).mean(dim=1), {"code": code})


def make_discriminator(
    spec: Spec,
    label: nn.Module,
    body: nn.Module,
    features: int,
    generator: Callable[[Spec], nn.Module],
    score: nn.Module | None = None,
) -> nn.Module:
    """The discriminator of a spec, from a body with ``features`` output values a sample.

    ``score`` replaces the linear layer of the score; ``generator`` builds the decoder of an autoencoder.

    Raises:
        GanZooError: an autoencoder with heads or a projection.
    """
    if not spec.autoencoder:
        return Discriminator(spec, label, body, features, score)
    if spec.heads or spec.projection:
        raise GanZooError("the score of an autoencoder is its error: it takes no heads and no projection of labels")
    shape = spec.discriminator_input_shape
    norm = spec.norm or "none"
    decoder = dataclasses.replace(spec, shape=shape, packing=1, latent=CODE, generator_classes=0, generator_norm=norm)
    return Autoencoder(spec.autoencoder, label, body, features, generator(decoder))


def square_side(family: str, shape: tuple[int, ...]) -> int:
    """The side of square images of shape (C, H, W).

    Raises:
        GanZooError: the shape is not that of a square image.
    """
    if len(shape) != 3 or shape[1] != shape[2]:
        raise GanZooError(f"{family} draws square images (C, H, W) only, not samples of shape {shape}")
    return shape[1]


def doublings(family: str, shape: tuple[int, ...]) -> int:
    """How often maps of 4x4 are doubled to the side of square images.

    Raises:
        GanZooError: a side that is not 8, 16, 32 ...
    """
    side = square_side(family, shape)
    stages = side.bit_length() - 3
    if stages < 1 or side != 4 * 2**stages:
        raise GanZooError(f"{family} cannot draw {side}x{side}: use a side of 8, 16, 32, 64 or 128")
    return stages
