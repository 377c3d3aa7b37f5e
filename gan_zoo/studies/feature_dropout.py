"""Feature-map dropout: the generator's last hidden maps that draw a thing are found and zeroed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_zoo.device import derive
from gan_zoo.errors import GanZooError, check_known, shown
from gan_zoo.metrics.features import Extractor
from gan_zoo.samples import tile
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

Order = NDArray[np.int64]
"""Maps, those that are zeroed first in front."""
REGIONS = {
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "center": (0.3, 0.3, 0.7, 0.7),
}
"""Regions of an image by name: left, top, right and bottom edge as shares of its side."""
INK = 64
"""Pixels brighter than this are drawn, on a dark background."""
_POSITIONS = 10_000
"""Positions of maps that a logistic regression learns from."""
_INVERSE_PENALTY = 0.01
"""C of the logistic regression, whose loss is a sum: hidden units are as many as the images."""
_COLUMNS = 10
_FEWEST = 5
"""Images of a class, to find its maps in and to see what stays; a class with fewer is left out."""


@dataclass(frozen=True)
class Thing:
    """A class by its label, or a region by its edges: left, top, right and bottom as shares of the side."""

    label: int = -1
    edges: tuple[float, float, float, float] | None = None

    def __str__(self) -> str:
        return f"class {self.label}" if self.edges is None else f"region {','.join(map(str, self.edges))}"

    def mask(self, classes: Tensor, height: int, width: int) -> Tensor:
        """Where the thing is in images of these classes (N,): bool (N, height, width)."""
        if self.edges is None:
            return classes.eq(self.label)[:, None, None].expand(-1, height, width)
        left, top, right, bottom = self.edges
        found = torch.zeros(len(classes), height, width, dtype=torch.bool, device=classes.device)
        found[:, round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
        return found


@dataclass(frozen=True)
class Generated:
    """Images, and the last hidden maps that they are made of.

    Attributes:
        inputs: of the generator.
        images: uint8 (N, C, H, W).
        maps: float32 (N, M, h, w), or hidden units (N, M).
        classes: predicted, int64 (N,); zeros without a classifier.
    """

    inputs: tuple[Tensor, ...]
    images: Tensor
    maps: Tensor
    classes: Tensor


@study(
    name="dropout",
    title="Feature-map dropout",
    question="Does the generator draw a thing with maps of its own, so that without them the thing is gone and the "
    "rest stays?",
    reading="A logistic regression on the activations of the last hidden maps (of an MLP, hidden units) finds those "
    "that speak for the thing; they are zeroed in other images. Of a class, what stays is the share of images that the "
    "classifier still takes for it; of a region, the correlation of its pixels before and after. If thing and "
    "rest stay to the same extent, the maps draw both. The classifier names a class for an image without one too. "
    "Deviations from the paper: at most a quarter of the maps, not all of positive weight; ink elsewhere, not "
    "random boxes.",
    source="Radford et al. 2016, arXiv 1511.06434, section 6.3.1",
    measures=[
        Measure("thing", "Thing that stays", "lower", "Share of the thing that is left without the maps.", (0, 1)),
        Measure("rest", "Rest that stays", "higher", "Share of all else that is left without the maps.", (0, 1)),
        Measure("selectivity", "Selectivity", "higher", "What stays of the rest minus what stays of it.", (-1, 1)),
    ],
)
def dropout(
    trained: Trained, *, thing: str = "classes", share: float = 0.25, draws: int = 5, num_samples: int = 1_000
) -> Studied:
    """Zero the maps that draw a thing, and as many others.

    Args:
        trained: on images.
        thing: ``classes`` (each in turn, of which the numbers are means), one class by its name, a region of
            ``REGIONS``, or its edges ``left,top,right,bottom`` as shares of the side.
        share: of all maps, those that are zeroed at most: of the largest positive weights.
        draws: sets of random maps.
        num_samples: images to find the maps in, and as many others to see what they draw.

    Raises:
        NotApplicable: points, or classes without a classifier.
        GanZooError: an unknown thing, or a share that is not above 0 and at most 1.
    """
    check_positive("draws", draws, 100)
    check_positive("num_samples", num_samples, 100_000)
    if not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise GanZooError(f"option share is {shown(share)}; it must be above 0 and at most 1")
    if not trained.is_images:
        raise NotApplicable(f"{trained.name}: it draws points, and no thing in an image")
    things = _things(trained, thing)
    ablation = Ablation(trained, trained.load_extractor() if things[0].edges is None else None)
    learned, tested = (ablation.generate(num_samples, purpose) for purpose in ("find", "test"))
    things = [each for each in things if each.edges is not None or _is_drawn(each, learned, tested)]
    if not things:
        raise NotApplicable(f"{trained.name}: it draws fewer than {_FEWEST} images of {shown(thing)}, or of others")
    random = np.random.default_rng(derive(trained.seed, "random maps"))
    orders = [random.permutation(learned.maps.shape[1]) for _ in range(draws)]
    strongest = learned.maps.abs().transpose(0, 1).flatten(1).mean(dim=1).argsort(descending=True).cpu().numpy()
    found = [find_maps(each, learned, share, random) for each in things]
    sets = {"found maps": [[each] for each in found], "random maps": [orders] * len(things)}
    sets["strongest maps"] = [[strongest]] * len(things)
    values = [row for name, chosen in sets.items() for row in _rows(name, ablation, tested, things, found, chosen)]
    return Studied(values, lambda: [_picture(ablation, tested, things, found, orders[0])])


def _rows(
    condition: str,
    ablation: "Ablation",
    tested: Generated,
    things: Sequence[Thing],
    found: Sequence[Order],
    orders: Sequence[Sequence[Order]],
) -> list[tuple[str, str, float]]:
    """The measures of a condition: means over the things and, of each, over orders of maps.

    Of an order the first maps are zeroed, as many as were found.
    """
    kept = [
        stays(thing, tested, *ablation.without(tested, order[: len(maps)]))
        for thing, maps, each in zip(things, found, orders, strict=True)
        for order in each
    ]
    thing_stays, rest_stays = np.mean(kept, axis=0).tolist()
    return [
        ("thing", condition, thing_stays),
        ("rest", condition, rest_stays),
        ("selectivity", condition, rest_stays - thing_stays),
    ]


def _things(trained: Trained, thing: str) -> list[Thing]:
    """The things that an option names.

    Raises:
        NotApplicable: a data set without classes.
        GanZooError: an unknown name, or edges that bound no region.
    """
    thing = str(thing)
    if thing in REGIONS:
        return [Thing(edges=REGIONS[thing])]
    if "," in thing:
        return [Thing(edges=_edges(thing))]
    names = trained.load_data().class_names
    if not names:
        raise NotApplicable(f"{trained.name}: its data set has no classes; name a region with thing=top")
    check_known("thing", thing, ["classes", *names, *REGIONS])
    return [Thing(label) for label, name in enumerate(names) if thing in ("classes", name)]


def _edges(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(edge) for edge in text.split(","))
    except ValueError:
        left = top = right = bottom = 0.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise GanZooError(f"thing {text!r} is no region; give left,top,right,bottom from 0 to 1, e.g. 0,0,1,0.5")
    return left, top, right, bottom


def _is_drawn(thing: Thing, *generated: Generated) -> bool:
    """Whether there are images of the class, and of others."""
    counts = [int(each.classes.eq(thing.label).sum()) for each in generated]
    return all(_FEWEST <= count <= len(each.classes) - _FEWEST for count, each in zip(counts, generated, strict=True))


@dataclass(frozen=True)
class Ablation:
    """A generator whose last hidden maps can be seen and zeroed, and the classifier of its images if one is needed."""

    trained: Trained
    extractor: Extractor | None
    done: dict[tuple[int, ...], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def generate(self, num_samples: int, purpose: str) -> Generated:
        """Images of latents of their own for each purpose, and their maps."""
        inputs = self.trained.sampler.draw(num_samples, seed=derive(self.trained.seed, f"dropout {purpose}"))
        seen: list[Tensor] = []
        with _before(self._layer(), lambda maps: seen.append(maps.clone())):
            images = self.trained.sampler.generate(*inputs)
        return Generated(inputs, images, torch.cat(seen), self._classify(images))

    def without(self, generated: Generated, maps: Order) -> tuple[Tensor, Tensor]:
        """The images without some maps, and their predicted classes; drawn once for the same maps."""
        key = tuple(sorted(maps.tolist()))
        if key not in self.done:
            dropped = torch.from_numpy(maps).to(generated.maps.device)

            def zero(before: Tensor) -> Tensor:
                return before.index_fill(1, dropped, 0)

            with _before(self._layer(), zero):
                images = self.trained.sampler.generate(*generated.inputs)
            self.done[key] = images, self._classify(images)
        return self.done[key]

    def _layer(self) -> nn.Module:
        """The layer with weights that is called last, which makes the image."""
        called: list[nn.Module] = []
        hooks = [
            module.register_forward_hook(lambda module, _input, _output: called.append(module))
            for module in self.trained.sampler.generator.modules()
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))
        ]
        try:
            self.trained.sampler(1)
        finally:
            for hook in hooks:
                hook.remove()
        if not called:
            raise NotApplicable(f"{self.trained.name}: its generator has no linear layer or convolution")
        return called[-1]

    def _classify(self, images: Tensor) -> Tensor:
        if self.extractor is None:
            return torch.zeros(len(images), dtype=torch.int64, device=images.device)
        features = self.extractor.encode(images)
        if features.logits is None:
            raise NotApplicable(f"{self.trained.name}: {self.extractor.name} has no classes; name a region, thing=top")
        return features.predicted


@contextmanager
def _before(layer: nn.Module, function: Callable[[Tensor], Any]) -> Iterator[None]:
    """Within it the function gets the input of a layer, and replaces it unless it returns None."""
    hook = layer.register_forward_pre_hook(lambda _layer, inputs: function(inputs[0]))
    try:
        yield
    finally:
        hook.remove()


def find_maps(thing: Thing, generated: Generated, share: float, random: np.random.Generator) -> Order:
    """The maps of the largest positive weights in a logistic regression, at most this share of all, at least one.

    It tells ink of the thing from other ink by the activations at a position. Hidden units have no position: there it
    tells images of the class from others, or images with more ink in the region than the median.

    Raises:
        NotApplicable: all ink is the thing's, or none.
    """
    # scikit-learn takes a second to import.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    activations, is_thing = _examples(thing, generated)
    chosen = random.permutation(len(is_thing))[:_POSITIONS]
    if not 0 < is_thing[chosen].sum() < len(chosen):
        raise NotApplicable(f"there is no ink in {thing}, or nowhere else; name a thing that is a part of the images")
    scaled = StandardScaler().fit_transform(activations[chosen])
    model = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=500)
    weights = model.fit(scaled, is_thing[chosen]).coef_[0]
    most = max(1, min(round(share * len(weights)), int((weights > 0).sum())))
    return np.argsort(-weights)[:most]


def _examples(thing: Thing, generated: Generated) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Activations (P, M) at positions with ink, or of images, and whether it is the thing (P,)."""
    maps, gray = generated.maps, generated.images.float().mean(dim=1, keepdim=True)
    if maps.dim() == 2:
        is_thing = generated.classes.eq(thing.label)
        if thing.edges is not None:
            inside = thing.mask(generated.classes, *gray.shape[2:])
            ink = torch.where(inside, gray[:, 0], 0).flatten(1).sum(dim=1)
            is_thing = ink > ink.median()
        return maps.cpu().numpy(), is_thing.cpu().numpy()
    height, width = maps.shape[2:]
    ink = interpolate(gray, size=(height, width), mode="area")[:, 0] > INK
    is_thing = thing.mask(generated.classes, height, width)[ink]
    return maps.permute(0, 2, 3, 1)[ink].cpu().numpy(), is_thing.cpu().numpy()


def stays(thing: Thing, before: Generated, images: Tensor, classes: Tensor) -> tuple[float, float]:
    """What stays of the thing and of the rest in the images after (N, C, H, W), of predicted classes (N,).

    Of a class: the share of images that keep their class. Of a region: the correlation of pixels before and after, 0 if
    it is negative or nothing varies, to which a brighter background does not matter.
    """
    if thing.edges is None:
        is_same = classes.eq(before.classes).float()
        own = before.classes.eq(thing.label)
        return float(is_same[own].mean()), float(is_same[~own].mean())
    inside = thing.mask(before.classes, *images.shape[2:])[:, None].expand_as(images)
    in_thing, in_rest = (_correlation(before.images[part], images[part]) for part in (inside, ~inside))
    return in_thing, in_rest


def _correlation(first: Tensor, second: Tensor) -> float:
    both = torch.corrcoef(torch.stack([first.double(), second.double()]))
    return max(0.0, float(both[0, 1].nan_to_num()))


def _picture(
    ablation: Ablation, tested: Generated, things: Sequence[Thing], found: Sequence[Order], order: Order
) -> Picture:
    """Columns: a class each, or images; rows: an image, without the found maps, without as many random ones."""
    columns: list[Sequence[Tensor]] = []
    if things[0].edges is not None:
        without, by_chance = (ablation.without(tested, maps)[0] for maps in (found[0], order[: len(found[0])]))
        columns += list(zip(tested.images[:_COLUMNS], without, by_chance, strict=False))
        caption = "Columns: samples. Rows: the sample, without the maps of the region, without as many random maps."
    else:
        caption = (
            "Columns: classes. Rows: a sample, without the maps of its class, without random maps; a sample of another "
            "class, without the same maps."
        )
    for place, (thing, maps) in enumerate(zip(things[:_COLUMNS], found, strict=False)):
        if thing.edges is None:
            without, by_chance = (ablation.without(tested, each)[0] for each in (maps, order[: len(maps)]))
            own = int(tested.classes.eq(thing.label).nonzero()[0])
            others = tested.classes.ne(thing.label).nonzero()
            other = int(others[place % len(others)])
            columns.append((tested.images[own], without[own], by_chance[own], tested.images[other], without[other]))
    rows = [image for row in zip(*columns, strict=True) for image in row]
    return Picture("pairs", caption, tile(torch.stack(rows), len(columns), gap=1), scale=2)
