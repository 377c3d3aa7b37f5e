"""Pieces that several families share: labels, normalization, and what stands on top of a discriminator's body."""

import dataclasses
from collections.abc import Callable

from torch import Tensor, nn

from gan_zoo.errors import GanZooError, unknown
from gan_zoo.losses import Critique
from gan_zoo.variant import NORMS, Spec

CODE = 64
"""Values of an autoencoder's code."""

TWO_PASSES_MOMENTUM = 0.19
"""Batch norm momentum in generators: the articles' loops pass each latent batch through the generator twice a step, at
momentum 0.1 each, the engine once; with one discriminator step a round 1 - (1 - 0.1)^2 leaves the same running
statistics."""


def norm_2d(kind: str, channels: int, momentum: float = 0.1) -> list[nn.Module]:
    """What normalizes maps (B, channels, H, W): ``batch``, ``layer`` (over all of a sample's maps) or nothing."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels, momentum=momentum)]
    return [nn.GroupNorm(1, channels)] if _known(kind) == "layer" else []


def norm_1d(kind: str, features: int, momentum: float = 0.1) -> list[nn.Module]:
    """What normalizes vectors (B, features): ``batch``, ``layer`` or nothing."""
    if kind == "batch":
        return [nn.BatchNorm1d(features, momentum=momentum)]
    return [nn.LayerNorm(features)] if _known(kind) == "layer" else []


def _known(kind: str) -> str:
    # Spectral norm is put on the finished discriminator's weights, by `Variant.build`.
    if kind not in NORMS:
        raise unknown("norm", kind, NORMS)
    return kind


class Discriminator(nn.Module):
    """A body that makes features (B, F) of samples, one score of them, and whatever else the spec asks for.

    With ``spec.projection`` classes the score gains the inner product of the features with the label's embedding
    (Miyato and Koyama 2018, arXiv 1802.05637, eq. 4). With ``spec.heads`` it gives a ``Critique`` whose extra outputs
    are linear in the features.
    """

    def __init__(self, spec: Spec, label: nn.Module, body: nn.Module, features: int, score: nn.Module | None = None):
        super().__init__()
        self.label, self.body = label, body
        self.score = nn.Linear(features, 1) if score is None else score
        self.projection = nn.Embedding(spec.projection, features) if spec.projection else None
        self.heads = nn.ModuleDict({name: nn.Linear(features, size) for name, size in spec.heads.items()})

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor | Critique:
        """Scores (B,) of samples (B, *shape)."""
        features = self.body(self.label(samples, labels))
        score = self.score(features).flatten()
        features = features.flatten(1)
        if self.projection is not None:
            score = score + (self.projection(labels) * features).sum(dim=1)
        if not self.heads:
            return score
        return Critique(score, {name: head(features) for name, head in self.heads.items()})


class Autoencoder(nn.Module):
    """A body, a code of 64 values, and a decoder: the score is how badly it rebuilds a sample.

    The score is the mean over a sample's values of |x - decoded|^power; ``code`` (B, 64) is an extra output.
    """

    def __init__(self, power: int, label: nn.Module, body: nn.Module, features: int, decoder: nn.Module) -> None:
        super().__init__()
        self.power, self.label = power, label
        self.encoder = nn.Sequential(body, nn.Flatten(), nn.Linear(features, CODE))
        self.decoder = decoder

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Critique:
        """Energies (B,) of samples (B, *shape)."""
        code = self.encoder(self.label(samples, labels))
        error = (samples - self.decoder(code)).abs()
        return Critique((error if self.power == 1 else error.square()).flatten(1).mean(dim=1), {"code": code})


def make_discriminator(
    spec: Spec,
    label: nn.Module,
    body: nn.Module,
    features: int,
    generator: Callable[[Spec], nn.Module],
    score: nn.Module | None = None,
) -> nn.Module:
    """What the spec asks to stand on a body that makes ``features`` values a sample.

    ``score`` takes the place of the linear layer; ``generator`` makes the decoder of an autoencoder, from a spec.

    Raises:
        GanZooError: an autoencoder with heads or a projection.
    """
    if not spec.autoencoder:
        return Discriminator(spec, label, body, features, score)
    if spec.heads or spec.projection:
        raise GanZooError("an autoencoder judges by its error: it takes no heads and no projection of labels")
    decoder = dataclasses.replace(
        spec, shape=spec.judged_shape, packing=1, latent=CODE, generator_classes=0, generator_norm=spec.norm or "none"
    )
    return Autoencoder(spec.autoencoder, label, body, features, generator(decoder))


def square_side(family: str, shape: tuple[int, ...]) -> int:
    """The side of square images of shape (C, H, W).

    Raises:
        GanZooError: the shape is not that of a square image.
    """
    if len(shape) != 3 or shape[1] != shape[2]:
        raise GanZooError(f"{family} draws square images (C, H, W) only, not samples of shape {shape}")
    return shape[1]
