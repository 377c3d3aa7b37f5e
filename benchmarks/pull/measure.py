"""Train the variants, and take the pull on every fake at several points of training.

A fake's gradient by its image is the loss's derivative by its score times the score's gradient by the image: these
discriminators have no batch norm, so that a score depends on its own sample alone. So one backward pass serves every
loss, also those that the discriminator was not trained with.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_zoo import data, registry
from gan_zoo.data import Dataset, Split, to_uint8
from gan_zoo.engine import Budget, State, init
from gan_zoo.engine.loop import train_to
from gan_zoo.engine.state import seeded
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from pull.losses import VARIANTS, boundary, derivatives, objective_of

FRACTIONS = (0.05, 0.25, 0.5, 1.0)
LATENT = "100 normal"
REFERENCE = 10_000
"""Real training images among which a fake's nearest is looked for, of its own label."""
FAR = 0.95
"""A fake is far from the data where it lies farther than this share of held-out real images do."""


@dataclass(frozen=True)
class Setting:
    """What is trained and measured; ``n`` fakes a point, rounded up to whole batches; seeds are 0, 1, ..."""

    data: str
    images: int
    seeds: int
    n: int
    batch: int = 64


@dataclass(frozen=True)
class Neighbors:
    """Real images to measure distances from: unit features (M, D) with labels (M,), and what counts as far."""

    extractor: Extractor
    features: Tensor
    labels: Tensor
    far: float

    @classmethod
    def of(cls, dataset: Dataset) -> "Neighbors":
        """A random part of the training split; held-out images, the test split, tell which distances are usual."""
        extractor = load_extractor(dataset.extractor, device=dataset.train.images.device)
        train, test = (
            _part(split, purpose) for split, purpose in ((dataset.train, "reference"), (dataset.test, "held-out"))
        )
        known = cls(extractor, normalize(extractor.encode(train.images).vectors.double()), train.labels, 0.0)
        return replace(known, far=known.distance(test.images, test.labels).quantile(FAR).item())

    def distance(self, images: Tensor, labels: Tensor) -> Tensor:
        """Distance (N,) of uint8 images to the nearest real image of the same label, between unit features: 0 to 2."""
        features = normalize(self.extractor.encode(images).vectors.double())
        nearest = features.new_empty(len(features))
        for label in labels.unique():
            chosen = labels == label
            nearest[chosen] = torch.cdist(features[chosen], self.features[self.labels == label]).amin(dim=1)
        return nearest


def _part(split: Split, purpose: str) -> Split:
    index = torch.randperm(len(split), generator=seeded(0, purpose))[:REFERENCE].to(split.labels.device)
    return Split(split.images[index], split.labels[index])


def load(setting: Setting, root: Path | None, device: torch.device) -> Dataset:
    """The data set, at the side that the variants draw."""
    return data.load(setting.data, side=registry.get(VARIANTS[0]).image_side, root=root, device=device)


def measured(
    setting: Setting,
    dataset: Dataset,
    neighbors: Neighbors,
    say: Callable[[str], None],
    fractions: Sequence[float] = FRACTIONS,
) -> Iterator[pd.DataFrame]:
    """The fakes of each variant, seed and point of training: a frame of `fakes_of`, with what it is of."""
    for name in VARIANTS:
        for seed in range(setting.seeds):
            variant = registry.get(name, batch_size=setting.batch, latent=LATENT)
            state = init(variant, dataset, seed)
            for fraction in train_to(state, Budget("images", setting.images), fractions):
                fakes = fakes_of(state, setting.n, neighbors)
                say(f"{name}, seed {seed}, {state.images:,} images ({state.seconds:.0f} s of training): "
                    f"{(fakes['margin'] > 0).mean():.0%} of {len(fakes):,} fakes taken for real")  # fmt: skip
                facts = {"variant": name, "seed": seed, "fraction": fraction, "images": state.images}
                yield fakes.assign(**facts, real_margin=real_margin(state, setting.n))


def fakes_of(state: State, n: int, neighbors: Neighbors) -> pd.DataFrame:
    """One row a fake, drawn as training makes them: in training mode, in batches of the variant's size.

    ``margin`` is the score above the boundary, ``sensitivity`` the norm of the score's gradient by the image,
    ``distance`` that to the nearest real image, ``far`` whether it is unusual; for each loss ``derivative_NAME`` is
    dl/ds at this margin, signed, and ``gradient_NAME`` the norm of dl/dx.
    """
    random, size = seeded(state.seed, "fakes", state.device), state.variant.batch_size
    # A copy: batch norm's running values are training's own.
    generator = copy.deepcopy(state.networks.generator).train()
    batches = []
    for _ in range(-(-n // size)):
        index = torch.randint(len(state.data), (size,), generator=random, device=state.device)
        labels = state.data.labels[index]
        with torch.no_grad():
            fake = generator(state.variant.latent.draw(size, random=random, dtype=state.dtype), labels)
        batches.append((to_uint8(fake), labels, *scored(state, fake, labels)))
    images, labels, scores, sensitivity = (torch.cat(part) for part in zip(*batches, strict=True))
    if not scores.isfinite().all():
        raise GanZooError(f"{state.variant.name!r} of seed {state.seed} diverged: its scores are not finite")
    distance = neighbors.distance(images, labels)
    columns = {
        "margin": scores.double() - boundary(state.variant.objective),
        "certain": state.variant.objective.read(scores),
        "sensitivity": sensitivity.double(),
        "distance": distance,
        "far": distance > neighbors.far,
    }
    for name in VARIANTS:
        objective = objective_of(name)
        slope = derivatives(objective, columns["margin"] + boundary(objective))
        columns |= {f"derivative_{name}": slope, f"gradient_{name}": slope.abs() * columns["sensitivity"]}
    return pd.DataFrame({name: values.cpu().numpy() for name, values in columns.items()})


def scored(state: State, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B,) of fakes (B, ...), and the norm (B,) of each score's gradient by its own image."""
    asked = fake.detach().requires_grad_()
    scores = state.networks.discriminator(asked, labels)
    (gradient,) = torch.autograd.grad(scores.sum(), asked)
    return scores.detach(), gradient.flatten(1).norm(dim=1)


@torch.no_grad()
def real_margin(state: State, n: int) -> float:
    """Median margin of ``n`` real training images (of all where there are fewer), drawn at random."""
    order = torch.randperm(len(state.data), generator=seeded(state.seed, "real", state.device), device=state.device)
    scores = [state.networks.discriminator(*state.data.take(part)) for part in order[:n].split(1000)]
    return torch.cat(scores).median().item() - boundary(state.variant.objective)
