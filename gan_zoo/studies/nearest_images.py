"""The training images nearest to samples, and whether samples are nearer to them than held-out images are."""

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from gan_zoo.data import Dataset, resize
from gan_zoo.device import derive, seeded
from gan_zoo.metrics.memorization import Nearest, nearest
from gan_zoo.metrics.memorization import memorization as share_nearer
from gan_zoo.metrics.reference import SEED, load_reference
from gan_zoo.samples import GAP, tile
from gan_zoo.studies import charts
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

SUSPICIOUS = 0.05
"""Share of the held-out images that count as suspicious."""
_NOISE = 8.0
"""Standard deviation of the noise of copies, in levels of 0 to 255."""
_SIDE = 32
_NEIGHBORS = 3
_ROWS = 8
_SPACE = 12
"""Pixels between the halves of a picture."""
KINDS = ("samples", "held-out images", "copies")
_COLORS = (charts.COLORS[0], charts.GRAY, charts.COLORS[1])

Distances = dict[str, Nearest]
"""Nearest training images by kind: ``samples``, ``held-out images``, ``copies`` and ``compared``, other held-out ones.
"""


def _measures() -> list[Measure]:
    found = []
    for space, where in (("features", "in features"), ("pixels", "in pixels")):
        nearer = (
            "Share of pairs in which a sample is nearer to the training images than a held-out image is, "
            f"{where}: 0.5 for unseen images, 1 for copies."
        )
        alone = (
            "Share of samples whose nearest training image is, relative to the third nearest, nearer than those of all "
            f"but {SUSPICIOUS:.0%} of held-out images, {where}."
        )
        found += [
            Measure(f"memorization_{space}", f"Memorization {where}", "", nearer, (0, 1)),
            Measure(f"suspicious_{space}", f"Suspicious {where}", "", alone, (0, 1)),
        ]
    return found


@study(
    name="memorization",
    title="Nearest training images",
    question="Are the samples copies of training images?",
    reading=(
        "Distances are between directions of the default extractor's features, and of pixels at 32x32 or less: changes "
        "of contrast do not count. Held-out images are test images, in two halves: all others are compared with one "
        f"half, and the other half is the null. Copies are training images with noise of {_NOISE:.0f} of 255 levels: "
        "what memorization gives. Values above those of the held-out images ask for a look at the pictures. "
        "Memorization rises with classes whose images are alike (on MNIST, ones), and falls with the quality of the "
        "samples, as poor ones are far from all images: below 0.5 it does not exclude copies. Suspicious counts "
        "samples that are much nearer to one training image than to others, whether they are near or far; noise in the "
        "samples hides copies from it, too. Samples of a conditional generator have the labels of held-out images, "
        "those of others the classes that the generator draws."
    ),
    source="Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675; Radford et al. 2016, arXiv 1511.06434, section 6.1",
    measures=_measures(),
)
def memorization(trained: Trained, *, num_samples: int = 1_000) -> Studied:
    """Compare ``num_samples`` samples with as many held-out images, at most half of the test split.

    Raises:
        NotApplicable: points, or a data set without held-out images.
    """
    check_positive("num_samples", num_samples)
    if not trained.is_images:
        raise NotApplicable(f"{trained.name}: the study memorization compares images, and the run's samples are points")
    data = trained.load_data()
    if data.reference != "test":
        raise NotApplicable(f"{trained.name}: data set {data.name!r} has no held-out images; set test_share above 0")
    notes = []
    count = min(num_samples, len(data.test) // 2)
    if count < num_samples:
        notes.append(f"num_samples reduced from {num_samples:,} to {count:,} (half of the test split)")
    # The images and their order are those of the evaluations, whose features are cached.
    held_out = torch.randperm(len(data.test), generator=seeded(SEED, "reference"))[: 2 * count]
    images = _draw_images(trained, data, held_out)
    distances = {"features": _in_features(trained, data, images, held_out), "pixels": _in_pixels(data, images)}
    found = {space: neighbors for space, neighbors in distances.items() if neighbors}
    if "features" not in found:
        notes.append(f"{trained.name}: distances in features left out, as no extractor encodes its training images")
    rows = [row for space, neighbors in found.items() for row in _rows(space, neighbors)]
    return Studied(rows, lambda: _draw(data, images["samples"], found), notes)


def _draw_images(trained: Trained, data: Dataset, held_out: Tensor) -> dict[str, Tensor]:
    """Images uint8 (N, C, H, W) of each kind of ``Distances``; the indices of held-out images (2 N,) are shuffled."""
    order = torch.randperm(len(held_out), generator=seeded(trained.seed, "memorization, halves"))
    others, compared = held_out[order].to(data.test.labels.device).chunk(2)
    random = seeded(trained.seed, "memorization, copies")
    copied = torch.randint(len(data.train), (len(others),), generator=random).to(others.device)
    noise = torch.randn(len(others), *data.train.shape, generator=random) * _NOISE
    copies = data.train.pixels(copied).float() + noise.to(others.device)
    labels = data.test.labels[others].cpu() if trained.sampler.conditional else None
    return {
        "samples": trained.sampler(len(others), labels=labels, seed=derive(trained.seed, "memorization")),
        "held-out images": data.test.pixels(others),
        "copies": copies.round().clamp(0, 255).to(torch.uint8),
        "compared": data.test.pixels(compared),
    }


def _in_features(trained: Trained, data: Dataset, images: Mapping[str, Tensor], held_out: Tensor) -> Distances:
    """Distances in features; empty without an extractor, or with one that takes too long for all training images."""
    try:
        extractor = trained.load_extractor()
    except NotApplicable:
        return {}
    training = load_reference(extractor, data.train, data.test, held_out, data.fingerprint).training
    if training is None:
        return {}
    return {kind: nearest(extractor.encode(each).vectors, training, k=_NEIGHBORS) for kind, each in images.items()}


def _in_pixels(data: Dataset, images: Mapping[str, Tensor]) -> Distances:
    """Distances in pixels of images of at most 32x32, so that those of all training images fit into memory."""
    side = min(_SIDE, data.train.shape[-1])

    def vectors(pixels: Tensor) -> Tensor:
        return resize(pixels, side).to(data.train.labels.device).flatten(1).float()

    training = vectors(data.train.images)
    return {kind: nearest(vectors(each), training, k=_NEIGHBORS) for kind, each in images.items()}


def _rows(space: str, distances: Distances) -> list[tuple[str, str, float]]:
    compared = distances["compared"]
    limit = _ratios(compared).quantile(SUSPICIOUS)
    rows = []
    for kind in KINDS:
        nearer = share_nearer(distances[kind].distances[:, 0].clone(), compared.distances[:, 0].clone())
        rows.append((f"memorization_{space}", kind, nearer))
        rows.append((f"suspicious_{space}", kind, (_ratios(distances[kind]) < limit).double().mean().item()))
    return rows


def _ratios(found: Nearest) -> Tensor:
    """Distance of the nearest over that of the third nearest training image, (N,): near 0 for a copy.

    Images of a class that are all alike have a ratio near 1, as near as they are.
    """
    return found.distances[:, 0] / found.distances[:, -1].clamp(min=1e-12)


def _draw(data: Dataset, samples: Tensor, found: Mapping[str, Distances]) -> list[Picture]:
    """The samples that are nearest to training images, beside these, and the distribution of distances."""
    halves = [_suspicious_first(data, samples, distances["samples"]) for distances in found.values()]
    width, height = halves[0].size
    both = Image.new("RGBA", (len(halves) * (width + _SPACE) - _SPACE, height), (0, 0, 0, 0))
    for place, half in enumerate(halves):
        both.paste(half, (place * (width + _SPACE), 0))
    sides = "left in features, right in pixels" if len(halves) == 2 else "in pixels"
    nearest_caption = f"The most suspicious samples, each beside its three nearest training images: {sides}."
    chart_caption = "Share of images within a distance of a training image; copies are training images with noise."
    return [
        Picture("nearest", nearest_caption, both, scale=2),
        Picture("distances", chart_caption, _chart(found), scale=charts.SCALE),
    ]


def _suspicious_first(data: Dataset, samples: Tensor, found: Nearest) -> Image.Image:
    """Rows of a sample and its nearest training images, the most suspicious first."""
    order = _ratios(found).argsort(stable=True)[:_ROWS]
    neighbors = data.train.pixels(found.indices[order].flatten()).unflatten(0, (len(order), -1)).cpu()
    own = tile(samples[order.to(samples.device)], 1, GAP)
    others = tile(neighbors.flatten(0, 1), _NEIGHBORS, GAP)
    canvas = Image.new("RGBA", (own.width + GAP + others.width, own.height), (0, 0, 0, 0))
    canvas.paste(own, (0, 0))
    canvas.paste(others, (own.width + GAP, 0))
    return canvas


@charts.style
def _chart(found: Mapping[str, Distances]) -> Image.Image:
    """Distribution functions of the distances to the nearest training image, a panel for each space."""
    figure = charts.new_figure(330 * len(found), 230)
    for axis, (space, distances) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        for kind, color in zip(KINDS, _COLORS, strict=True):
            axis.ecdf(distances[kind].distances[:, 0].cpu().numpy(), label=kind, color=color, linewidth=2)
        axis.set(xlim=(0, None), ylim=(0, 1), xlabel=f"distance in {space}")
        axis.legend(loc="lower right")
    return charts.as_image(figure)
