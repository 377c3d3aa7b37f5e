"""Arithmetic of latents: A - B + C of means as in the DCGAN paper, and classes exchanged by the means of classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gan_zoo.device import derive, seeded
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.metrics.features import Extractor
from gan_zoo.samples import GAP, tile
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

_QUARTER = 4
"""The dimmest and the brightest images of a class are each one part in four."""
_LEAST = 40
"""Images of a class that it needs for its quarters and its mean latent."""
_NOISE = 0.25
"""Around the result of a figure, in each latent value: the paper's scale."""
ANY = -1
"""Samples of any class."""
Concept = tuple[int, str]
"""A class, or ``ANY``, and ``dim`` (its dimmest quarter), ``bright`` (its brightest) or ``any``."""
CONDITIONS = ("analogies", "A and B of two classes", "random triples")
_SPACE = 12
"""Pixels between the parts of a picture."""
_CLEAR = (0, 0, 0, 0)
_GRAY = (128, 136, 144, 255)
"""Of signs: contrast above 3:1 on a white and on a dark page."""


@study(
    name="arithmetic",
    title="Arithmetic of latents",
    question="Can images be calculated: is a bright A minus a dim A plus a dim C a bright C?",
    reading=(
        "As in the paper, each term is the mean latent of a few exemplars (option exemplars), here of the brightest or "
        "the dimmest quarter of a class by mean pixel, on MNIST the weight of the stroke. Bright A - dim A + dim C is "
        "expected to be of class C, and brighter than the median of C. Random triples are the same arithmetic with "
        "exemplars of any class and brightness, so that their latents are as long. With A and B of two classes, of any "
        "brightness, no result is known: the row shows how often C remains. Classes are requested of a conditional "
        "generator, whose result has the label C in every condition, so that brightness alone tests its latents; of "
        "others they are what the default extractor finds in the samples. Exchanged classes: a sample's latent minus "
        "the mean latent of its class plus that of another one; or another label. Limits: the classifier errs on poor "
        "images, and brightness is the one attribute that all data sets have."
    ),
    source="Radford et al. 2016, arXiv 1511.06434, section 6.3.2 and figure 7",
    measures=[
        Measure(
            "as_expected",
            "A - B + C as expected",
            "higher",
            "Share of the results that are classified as C and brighter than the median of C.",
            (0, 1),
        ),
        Measure("classified", "A - B + C of class C", "higher", "Share of the results classified as C.", (0, 1)),
        Measure("bright", "A - B + C bright", "higher", "Share of the results brighter than the median of C.", (0, 1)),
        Measure(
            "exchanged",
            "Class exchanged",
            "higher",
            "Share of samples classified as another class after the mean latent of theirs is replaced by that one's.",
            (0, 1),
        ),
        Measure(
            "brightness_kept",
            "Brightness kept",
            "higher",
            "Correlation of the brightness, less the mean of its class, before and after the exchange of classes.",
            (-1, 1),
        ),
    ],
)
def arithmetic(
    trained: Trained,
    *,
    classes: str | None = None,
    exemplars: int = 3,
    triples: int = 1_000,
    num_samples: int = 10_000,
) -> Studied:
    """Decode ``triples`` of A - B + C, and exchange the classes of as many samples.

    Args:
        trained: the GAN.
        classes: names of A and C with a comma, e.g. ``4,7``; None: any two.
        exemplars: latents of a mean.
        triples: results, and samples with exchanged classes.
        num_samples: samples that exemplars and means are of.

    Raises:
        NotApplicable: points, no classifier of the classes, or fewer than two classes among the samples.
    """
    check_positive("exemplars", exemplars)
    check_positive("triples", triples)
    check_positive("num_samples", num_samples)
    pool = _draw_pool(trained, num_samples)
    pairs = _pairs(trained, pool, classes)
    random = seeded(trained.seed, "arithmetic, triples")
    rows = []
    # With two classes there is no B besides A and C.
    for condition in CONDITIONS if len(pool.classes) > 2 else (CONDITIONS[0], CONDITIONS[-1]):
        chosen = _choose(pairs, triples, random)
        terms = [_terms(pool, condition, first, last, random) for first, last in chosen.tolist()]
        latents = torch.stack([combine(pool, each, exemplars, random) for each in terms])
        rows += [(measure, condition, share) for measure, share in _shares(pool, latents, chosen[:, 1]).items()]
    rows += _exchange(pool, pairs, triples, random)
    missing = [name for place, name in enumerate(pool.names) if place not in pool.classes]
    notes = [f"{trained.name}, seed {trained.seed}: too few samples of class {', '.join(missing)}"] if missing else []
    return Studied(rows, lambda: _draw(pool, pairs, exemplars), notes)


@dataclass(frozen=True)
class Pool:
    """Samples with their latents.

    Attributes:
        trained, extractor: the generator and the classifier.
        names: of the classes.
        latents: (N, size).
        labels: int64 (N,), requested of a conditional generator, else found by the classifier.
        brightness: float64 (N,), mean pixel.
    """

    trained: Trained
    extractor: Extractor
    names: Sequence[str]
    latents: Tensor
    labels: Tensor
    brightness: Tensor

    @cached_property
    def classes(self) -> list[int]:
        """Classes with samples enough."""
        counts = torch.bincount(self.labels, minlength=len(self.names))
        return (counts >= _LEAST).nonzero()[:, 0].tolist()

    @cached_property
    def groups(self) -> "dict[Concept, Tensor]":
        """Indices of the samples of each concept."""
        found = {(ANY, "any"): torch.arange(len(self.latents))}
        for label in self.classes:
            index = (self.labels == label).nonzero()[:, 0]
            index = index[self.brightness[index].argsort(stable=True)]
            quarter = len(index) // _QUARTER
            found |= {(label, "dim"): index[:quarter], (label, "bright"): index[-quarter:], (label, "any"): index}
        return found

    def of_classes(self, values: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """A function of the values of each class, stacked; zero for classes without samples enough."""
        found = torch.zeros(len(self.names), *values.shape[1:], dtype=values.dtype, device=values.device)
        for label in self.classes:
            found[label] = function(values[self.groups[label, "any"]])
        return found

    def mean(self, concept: "Concept", exemplars: int, random: torch.Generator) -> Tensor:
        """Mean latent (size,) of random exemplars of a concept."""
        return self.latents[_choose(self.groups[concept], exemplars, random)].mean(dim=0)

    def decode(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Images uint8 (n, C, H, W) of latents; of a conditional generator of these classes (n,)."""
        sampler = self.trained.sampler
        return sampler(len(latents), latents=latents, labels=labels if sampler.conditional else None)


def analogy(first: int, last: int) -> list[Concept]:
    """A, B and C: a bright class, the same class dim, and another class dim."""
    return [(first, "bright"), (first, "dim"), (last, "dim")]


def _terms(pool: Pool, condition: str, first: int, last: int, random: torch.Generator) -> list[Concept]:
    """A, B and C of a condition, for the classes of A and C."""
    if condition == "analogies":
        return analogy(first, last)
    if condition == "random triples":
        return [(ANY, "any")] * 3
    others = torch.tensor([label for label in pool.classes if label not in (first, last)])
    return [(first, "any"), (int(_choose(others, 1, random)), "any"), (last, "any")]


def combine(pool: Pool, concepts: Sequence[Concept], exemplars: int, random: torch.Generator) -> Tensor:
    """The latent A - B + C (size,) of three concepts."""
    first, other, last = (pool.mean(concept, exemplars, random) for concept in concepts)
    return first - other + last


def _choose(values: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Random rows of a tensor, with replacement."""
    return values[torch.randint(len(values), (count,), generator=random)]


def _draw_pool(trained: Trained, num_samples: int) -> Pool:
    if not trained.is_images:
        raise NotApplicable(f"{trained.name}: the study arithmetic classifies images, and the run's samples are points")
    extractor = trained.load_extractor()
    latents, *labels = trained.sampler.draw(num_samples, seed=derive(trained.seed, "arithmetic"))
    images = trained.sampler.generate(latents, *labels)
    features = extractor.encode(images)
    if features.logits is None or features.logits.shape[1] != trained.classes or trained.classes < 2:
        raise NotApplicable(
            f"{trained.name}: the study arithmetic needs a classifier of at least two classes, and extractor "
            f"{extractor.name!r} is none of {trained.data_name!r}"
        )
    found = labels[0] if labels else features.predicted
    brightness = images.double().mean(dim=(1, 2, 3))
    pool = Pool(trained, extractor, trained.load_data().class_names, latents.cpu(), found.cpu(), brightness.cpu())
    if len(pool.classes) < 2:
        raise NotApplicable(
            f"{trained.name}, seed {trained.seed}: the study arithmetic needs {_LEAST} samples of each of two classes, "
            f"and there are {len(pool.classes)} such classes among {num_samples:,}"
        )
    return pool


def _pairs(trained: Trained, pool: Pool, classes: str | None) -> Tensor:
    """Classes (n, 2) of A and C, all that may be chosen."""
    if classes is None:
        return torch.tensor([[first, last] for first in pool.classes for last in pool.classes if first != last])
    chosen = [name.strip() for name in str(classes).split(",")]
    if len(set(chosen)) != 2:
        raise GanZooError(f"option classes is {classes!r}; name the two classes of A and C, e.g. classes=4,7")
    for name in chosen:
        check_known("class", name, pool.names)
    places = [list(pool.names).index(name) for name in chosen]
    if few := [pool.names[place] for place in places if place not in pool.classes]:
        raise NotApplicable(f"{trained.name}, seed {trained.seed}: too few samples of class {few[0]!r}")
    return torch.tensor([places])


def _shares(pool: Pool, latents: Tensor, expected: Tensor) -> dict[str, float]:
    """Shares of results of the expected classes (n,), of bright ones, and of both."""
    images = pool.decode(latents, expected)
    is_class = pool.extractor.encode(images).predicted.cpu() == expected
    median = pool.of_classes(pool.brightness, lambda values: values.quantile(0.5))
    is_bright = images.double().mean(dim=(1, 2, 3)).cpu() > median[expected]
    shares = {"as_expected": is_class & is_bright, "classified": is_class, "bright": is_bright}
    return {measure: found.double().mean().item() for measure, found in shares.items()}


def _exchange(pool: Pool, pairs: Tensor, count: int, random: torch.Generator) -> list[tuple[str, str, float]]:
    """Rows of samples of A moved to C, against moves between random classes, and brightness that is shuffled."""
    chosen = _choose(pairs, count, random)
    index = torch.cat([_choose(pool.groups[first, "any"], 1, random) for first in chosen[:, 0].tolist()])
    known = torch.tensor(pool.classes)
    anywhere = known[torch.randint(len(known), (count, 2), generator=random)]
    images = pool.decode(exchanged(pool, index, chosen), chosen[:, 1])
    randomly = pool.decode(exchanged(pool, index, anywhere), anywhere[:, 1])
    shares = [
        (pool.extractor.encode(each).predicted.cpu() == chosen[:, 1]).double().mean().item()
        for each in (images, randomly)
    ]
    after = images.double().mean(dim=(1, 2, 3)).cpu()
    center = pool.of_classes(pool.brightness, lambda values: values.mean(dim=0))
    before = pool.brightness[index] - center[chosen[:, 0]]
    after = after - center[chosen[:, 1]]
    shuffled = after[torch.randperm(count, generator=random)]
    kept = torch.corrcoef(torch.stack([before, after, shuffled]))[0, 1:].tolist()
    names = ("means of the classes", "means of random classes")
    if pool.trained.sampler.conditional:
        names = ("label of the class", "label of a random class")
    return [
        *(("exchanged", name, share) for name, share in zip(names, shares, strict=True)),
        ("brightness_kept", names[0], kept[0]),
        ("brightness_kept", "shuffled", kept[1]),
    ]


def exchanged(pool: Pool, index: Tensor, pairs: Tensor) -> Tensor:
    """Latents (n, size) of samples (n,), with the mean latent of one class replaced by another's, for classes (n, 2).

    Those of a conditional generator stay, as the label is exchanged.
    """
    if pool.trained.sampler.conditional:
        return pool.latents[index]
    means = pool.of_classes(pool.latents, lambda values: values.mean(dim=0))
    return pool.latents[index] - means[pairs[:, 0]] + means[pairs[:, 1]]


def _draw(pool: Pool, pairs: Tensor, exemplars: int) -> list[Picture]:
    """Four results of arithmetic beside their exemplars, and samples with their class exchanged for each other."""
    random = seeded(pool.trained.seed, "arithmetic, picture")
    chosen = pairs[torch.randperm(len(pairs), generator=random)].repeat(4, 1)[:4].tolist()
    figures = [_figure(pool, first, last, exemplars, random) for first, last in chosen]
    width, height = figures[0].size
    both = Image.new("RGBA", (2 * width + _SPACE, 2 * height + _SPACE), _CLEAR)
    for place, figure in enumerate(figures):
        both.paste(figure, (place % 2 * (width + _SPACE), place // 2 * (height + _SPACE)))
    return [
        Picture(
            "analogies",
            "Bright A - dim A + dim C: three exemplars above the image of each mean; right, the result, and above it "
            "with noise.",
            both,
            scale=2,
        ),
        Picture("exchanged", "Each row: a sample, and its latent with the class exchanged.", _rows(pool), scale=2),
    ]


def _figure(pool: Pool, first: int, last: int, exemplars: int, random: torch.Generator) -> Image.Image:
    """Columns of three exemplars above the image of their mean, and 3x3 images of the result with noise above it."""
    labels = (first, first, last)
    index = [_choose(pool.groups[concept], exemplars, random) for concept in analogy(first, last)]
    means = [pool.latents[each].mean(dim=0) for each in index]
    result = means[0] - means[1] + means[2]
    noise = torch.empty(9, len(result)).uniform_(-_NOISE, _NOISE, generator=random)
    columns = [(pool.latents[each][:3], mean, label) for each, mean, label in zip(index, means, labels, strict=True)]
    columns.append((result + noise, result, last))
    height, width = pool.trained.shape[1:]
    sign = width // 2
    base = 3 * height + 3 * GAP
    canvas = Image.new("RGBA", (6 * width + 3 * sign, base + height), _CLEAR)
    left = 0
    for place, (above, below, label) in enumerate(columns):
        top = tile(pool.decode(above, torch.full((len(above),), label)), 3 if len(above) > 3 else 1)
        canvas.paste(top, (left, 0))
        canvas.paste(tile(pool.decode(below[None], torch.tensor([label])), 1), (left + (top.width - width) // 2, base))
        left += top.width + sign
        if place < len(labels):
            _sign(canvas, "-+="[place], left - sign // 2, base + height // 2)
    return canvas


def _sign(canvas: Image.Image, sign: str, x: int, y: int) -> None:
    """Draw a sign around a point."""
    draw = ImageDraw.Draw(canvas)
    for offset in (-2, 2) if sign == "=" else (0,):
        draw.line([(x - 4, y + offset), (x + 4, y + offset)], fill=_GRAY)
    if sign == "+":
        draw.line([(x, y - 4), (x, y + 4)], fill=_GRAY)


def _rows(pool: Pool) -> Image.Image:
    """Samples of up to eight classes, and each as every class of up to ten."""
    targets = pool.classes[:10]
    rows = []
    for source in targets[:8]:
        ordered = pool.groups[source, "any"]  # By brightness: the sample is a typical one.
        index = ordered[len(ordered) // 2].repeat(len(targets) + 1)
        pairs = torch.tensor([[source, target] for target in (source, *targets)])
        rows.append(pool.decode(exchanged(pool, index, pairs), pairs[:, 1]))
    images = torch.stack(rows)
    first = tile(images[:, 0], 1, GAP)
    others = tile(images[:, 1:].flatten(0, 1), len(targets), GAP)
    canvas = Image.new("RGBA", (first.width + _SPACE + others.width, first.height), _CLEAR)
    canvas.paste(first, (0, 0))
    canvas.paste(others, (first.width + _SPACE, 0))
    return canvas
