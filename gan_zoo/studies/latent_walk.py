"""Walks between latents: how far and how evenly the images change on the way, and whether they stay recognizable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan_zoo.device import derive, seeded
from gan_zoo.latent import Latent, Part
from gan_zoo.metrics.features import Extractor
from gan_zoo.samples import GAP, tile
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

KINDS = ("spherical", "linear", "cross-fade")
"""How an image becomes another: on a great circle or a line between their latents, or by blending their pixels."""
CONFIDENT = 0.9
"""Least probability of a class at which the classifier recognizes an image."""
_COLUMNS = 11
"""Images of a row of a picture."""


@study(
    name="walk",
    title="Walk between latents",
    question="Do the images change gradually, and stay images of the data, on the way between two latents?",
    reading=(
        "Path length is the mean of (d / e)^2 over all steps of all walks: d is the distance of neighboring images "
        "in the features of the default extractor, e = 1 / steps. It is that of Karras et al. without their removal "
        "of extremes, and with a finite step, as the images have 8 bits; smaller steps give longer paths (on MNIST "
        "64 steps 6% longer ones than 32). The squared distance between the ends (random pairs) is the lower bound: "
        "constant speed on a straight line of features. A generator whose images do not differ has short paths, "
        "too: compare a path with the random pairs of the same generator. One that has memorized images jumps "
        "between them; one jump has a path length of `steps` times the lower bound, and a largest step of `steps`. "
        "A cross-fade blends the pixels of the ends: short and even, but two images at once on the way. Walks of a "
        "conditional generator stay in a class, so they are shorter than those of an unconditional one. Spherical "
        "walks go around the center of the latent's distribution; one-hot codes move on a line."
    ),
    source="Radford et al. 2016, arXiv 1511.06434, section 6.1; Karras et al. 2019, arXiv 1812.04948, section 4.1; "
    "White 2016, arXiv 1609.04468, section 2.1",
    measures=[
        Measure(
            "path_length",
            "Perceptual path length",
            "",
            "Mean squared speed of the walk in features; 1 is the mean squared distance of two real test images.",
            (0, None),
        ),
        Measure(
            "largest_step",
            "Largest step",
            "lower",
            "Largest step over the mean step of a walk, in features: 1 is an even walk, the number of steps a jump.",
            (1, None),
        ),
        Measure(
            "recognized",
            "Recognized on the way",
            "higher",
            f"Share of the images between the ends whose most likely class has a probability of at least {CONFIDENT}.",
            (0, 1),
        ),
    ],
)
def walk(trained: Trained, *, pairs: int = 300, steps: int = 32) -> Studied:
    """Walk between ``pairs`` of random latents in ``steps`` steps.

    Raises:
        NotApplicable: a run of points.
    """
    if not trained.is_images:
        raise NotApplicable(f"{trained.name}: the study walk compares images, and the run's samples are points")
    check_positive("pairs", pairs, 10_000)
    check_positive("steps", steps, 1_000)
    extractor = trained.load_extractor()
    ends = _draw_ends(trained, pairs)
    walks = {kind: measure_walk(extractor, walk_images(trained, ends, steps + 1, kind)) for kind in KINDS}
    unit = _real_distance(trained, extractor, pairs)
    rows = [("path_length", kind, found.energy / unit) for kind, found in walks.items()]
    rows.append(("path_length", "random pairs", walks[KINDS[0]].chord / unit))
    rows += [("largest_step", kind, found.largest_step) for kind, found in walks.items()]
    rows += [("recognized", kind, found.recognized) for kind, found in walks.items() if found.recognized is not None]
    whole = walks[KINDS[0]].recognized_ends
    if whole is not None:
        rows.append(("recognized", "ends", whole))
    return Studied(rows, lambda: _draw(trained))


@dataclass(frozen=True)
class Walk:
    """Means over walks, in features: squared speed, squared distance of the ends, largest step over the mean step.

    ``recognized`` and ``recognized_ends`` are shares of the images between the ends and at them; None without classes.
    """

    energy: float
    chord: float
    largest_step: float
    recognized: float | None
    recognized_ends: float | None


def measure_walk(extractor: Extractor, images: Tensor) -> Walk:
    """Means over walks of images uint8 (pairs, steps + 1, C, H, W)."""
    features = extractor.encode(images.flatten(0, 1))
    points = features.vectors.double().unflatten(0, images.shape[:2])
    lengths = points.diff(dim=1).norm(dim=2)
    steps = lengths.shape[1]
    mean = lengths.mean(dim=1)
    moving = mean > 0  # Images that do not change have no largest step.
    largest = (lengths.amax(dim=1) / mean)[moving].mean() if moving.any() else torch.tensor(1.0)
    recognized, recognized_ends = None, None
    if features.logits is not None:
        likely = features.logits.softmax(dim=1).amax(dim=1).unflatten(0, images.shape[:2]) >= CONFIDENT
        recognized = likely[:, 1:-1].double().mean().item() if steps > 1 else None
        recognized_ends = likely[:, [0, -1]].double().mean().item()
    return Walk(
        energy=(lengths * steps).square().mean().item(),
        chord=(points[:, -1] - points[:, 0]).square().sum(dim=1).mean().item(),
        largest_step=largest.item(),
        recognized=recognized,
        recognized_ends=recognized_ends,
    )


def walk_images(trained: Trained, ends: Sequence[Tensor], count: int, kind: str) -> Tensor:
    """Images uint8 (pairs, count, C, H, W) from the first of each two latents to the second.

    Args:
        trained: the generator.
        ends: latents (2, pairs, size), and of a conditional generator labels (pairs,), the same at both ends.
        count: images of a walk, both ends included.
        kind: one of ``KINDS``.
    """
    latents, *labels = ends
    if kind == "cross-fade":
        first, last = (trained.sampler.generate(each, *labels).float() for each in latents)
        shares = torch.linspace(0, 1, count, device=first.device)[:, None, None, None]
        return torch.lerp(first[:, None], last[:, None], shares).round().to(torch.uint8)
    paths = latent_paths(trained.variant.latent, latents, count, spherical=kind == "spherical")
    inputs = [paths.flatten(0, 1), *(each.repeat_interleave(count) for each in labels)]
    return trained.sampler.generate(*inputs).unflatten(0, (-1, count))


def latent_paths(latent: Latent, ends: Tensor, count: int, *, spherical: bool) -> Tensor:
    """Latents (pairs, count, size) between pairs of latents (2, pairs, size).

    ``spherical`` moves on a great circle around the center of each part's distribution, whatever it is, else on a line;
    one-hot parts always move on a line.
    """

    # Interpolation is spherical for normal parts, and linear for all others.
    distribution = "normal" if spherical else "uniform"
    parts = [each if _is_one_hot(each) else replace(each, distribution=distribution) for each in latent.parts]
    path = Latent(tuple(parts))
    center = torch.cat([torch.full((part.size,), _center(part)) for part in latent.parts]).to(ends)
    first, last = ends - center
    return torch.stack([path.interpolate(*pair, count) for pair in zip(first, last, strict=True)]) + center


def _is_one_hot(part: Part) -> bool:
    return part.distribution == "categorical"


def _center(part: Part) -> float:
    """Middle of the values of a part; 0 of a one-hot part, which moves on a line."""
    return 0.0 if part.distribution == "normal" or _is_one_hot(part) else (part.low + part.high) / 2


def _draw_ends(trained: Trained, pairs: int, labels: Tensor | None = None) -> list[Tensor]:
    """Latents (2, pairs, size), and of a conditional generator labels (pairs,)."""
    wanted = None if labels is None else labels.repeat(2)
    latents, *classes = trained.sampler.draw(2 * pairs, labels=wanted, seed=derive(trained.seed, "walk"))
    return [latents.unflatten(0, (2, pairs)), *(each[:pairs] for each in classes)]


def _real_distance(trained: Trained, extractor: Extractor, pairs: int) -> float:
    """Mean squared distance of two real test images in features."""
    test = trained.load_data().test
    index = torch.randint(len(test), (2 * pairs,), generator=seeded(trained.seed, "walk, real pairs"))
    first, second = extractor.encode(test.pixels(index.to(test.labels.device))).vectors.double().chunk(2)
    return (first - second).square().sum(dim=1).mean().item()


def _draw(trained: Trained) -> list[Picture]:
    """A strip of walks, the same animated, and the three kinds of one walk."""
    labels = torch.arange(10) % trained.classes if trained.sampler.conditional else None
    ends = _draw_ends(trained, 10, labels)
    strip = tile(walk_images(trained, ends, _COLUMNS, KINDS[0])[:6].flatten(0, 1), _COLUMNS, GAP)
    frames = [tile(images, 5, GAP) for images in walk_images(trained, ends, 21, KINDS[0]).unbind(dim=1)]
    kinds = torch.stack([walk_images(trained, ends, _COLUMNS, kind)[:2] for kind in KINDS], dim=1)
    return [
        Picture("strip", "Each row walks from one latent to another in ten equal steps (spherical).", strip, scale=2),
        Picture(
            "animation",
            "Ten walks between two latents, there and back (spherical).",
            strip,
            frames=frames + frames[-2:0:-1],
            milliseconds=100,
            scale=2,
        ),
        Picture(
            "kinds",
            "Two pairs of ends, each with three rows: spherical, linear, and a cross-fade of the pixels.",
            tile(kinds.flatten(0, 2), _COLUMNS, GAP),
            scale=2,
        ),
    ]
