"""Which classes a generator draws over training: mode collapse, as shares of the classes of its samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from gan_zoo import text
from gan_zoo.device import derive
from gan_zoo.studies import charts
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

Array = NDArray[np.float64]

RARE = 0.01
"""A class with a smaller share of the samples counts as missing, as in the metric ``modes``."""
EARLY = 0.25
"""Share of the training before which a generator has no classes yet, so that distances say nothing."""
_LABELED = 0.03
"""Least share of a class at the end that has its name beside it."""


@dataclass(frozen=True)
class ClassShares:
    """Shares of the classes over training.

    Attributes:
        images: real images seen at each evaluation, (E,), rising.
        shares: of the generated samples, (E, K).
        real: of real images, (K,), by the same classifier.
        samples: generated samples of an evaluation.
        names: of the classes.
    """

    images: NDArray[np.int64]
    shares: Array
    real: Array
    samples: int
    names: tuple[str, ...]


@study(
    name="collapse",
    title="Class shares over training",
    question="Which classes does the generator draw, and does it lose some of them during training?",
    reading="The null is what as many real images give: sampling alone moves their shares. The shares are those of a "
    "classifier, which names a class for an image that shows none. A conditional generator draws the classes that it "
    "is requested: its shares say that it obeys, not that it would cover the classes by itself.",
    source="after Goodfellow 2016, arXiv 1701.00160, section 5.1.1",
    measures=[
        Measure("distance", "Distance from real", "lower", "Total variation of the class shares at the end.", (0, 1)),
        Measure("worst", "Largest distance", "lower", "Largest distance after a quarter of the training.", (0, 1)),
        Measure("missing", "Missing classes", "lower", "Classes with less than 1% of samples at the end.", (0, None)),
        Measure("least", "Rarest class", "higher", "Least ratio of a class's share to its real share.", (0, 1)),
    ],
)
def collapse(trained: Trained, *, draws: int = 2_000) -> Studied:
    """Compare the class shares of recorded evaluations with those of real images.

    Args:
        trained: of a results folder.
        draws: simulated histograms of real images, of which the null is the mean.

    Raises:
        NotApplicable: class counts of fewer than two evaluations are on record.
    """
    check_positive("draws", draws)
    found = read_shares(trained)
    random = np.random.default_rng(derive(trained.seed, "class shares"))
    late = found.shares[found.images >= EARLY * found.images[-1]]
    drawn = measure(late, found.real)
    # As many evaluations as the run has, since the largest of more distances is larger.
    counts = random.multinomial(found.samples, found.real, size=(draws, len(late)))
    null = measure(counts / found.samples, found.real)
    values = [
        (name, condition, float(each[name].mean()))
        for name in drawn
        for condition, each in (("trained", drawn), ("real images", null))
    ]
    caption = "Share of each class in the samples, over the real images seen; right: real images."
    return Studied(values, lambda: [Picture("shares", caption, draw(found), scale=charts.SCALE)])


def read_shares(trained: Trained) -> ClassShares:
    """The class shares on record, by the default extractor of the data set.

    Raises:
        NotApplicable: there are fewer than two evaluations of them.
    """
    rows: dict[int, dict[str, Any]] = {}
    if trained.record is not None and trained.is_images:
        name = trained.load_data().extractor
        for row in trained.record.metrics:
            if row["extractor"] == name and row.get("class_counts"):
                rows[row["images"]] = row
    if len(rows) < 2:
        raise NotApplicable(
            f"{trained.name}: class counts of {len(rows)} evaluations are on record; train it with `gan-zoo bench` on "
            "images with classes, and two evaluations or more"
        )
    data = trained.load_data()
    counts = np.array([rows[images]["class_counts"] for images in sorted(rows)], dtype=np.float64)
    predicted = trained.load_extractor().encode(data.test.images).predicted.cpu().numpy()
    real = np.bincount(predicted, minlength=counts.shape[1]) / len(predicted)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return ClassShares(np.array(sorted(rows)), shares, real, int(counts[-1].sum()), data.class_names)


def measure(shares: Array, real: Array) -> dict[str, Array]:
    """The measures of class shares (..., E, K) of E evaluations against real ones (K,), each (...)."""
    distances = np.abs(shares - real).sum(axis=-1) / 2
    last = shares[..., -1, :]
    shown = real > 0
    return {
        "distance": distances[..., -1],
        "worst": distances.max(axis=-1),
        "missing": (last < RARE).sum(axis=-1),
        "least": (last[..., shown] / real[shown]).min(axis=-1),
    }


@charts.style
def draw(found: ClassShares) -> Image.Image:
    """Stacked areas of the shares over images seen, and a bar of the real ones."""
    # seaborn takes a second to import.
    import seaborn as sns

    figure = charts.new_figure(560, 300)
    axes, bar = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [10, 1]})
    colors = sns.husl_palette(len(found.real), s=0.7, l=0.6)
    edges: dict[str, Any] = {"colors": colors, "edgecolor": "white", "linewidth": 0.8}
    axes.stackplot(found.images, found.shares.T, **edges)
    bar.stackplot([0, 1], np.stack([found.real, found.real], axis=1), **edges)
    _label(axes, found.shares[-1], found)
    _label(bar, found.real, found)
    axes.set(xlabel="real images seen", ylabel="share of samples", ylim=(0, 1), title="generated")
    axes.set_xscale("log")
    axes.set_xlim(found.images[0], found.images[-1])
    ticks = [each for place, each in enumerate(found.images) if place % (1 + len(found.images) // 6) == 0]
    axes.set_xticks(ticks, [text.short_count(each) for each in ticks])
    axes.minorticks_off()
    bar.set(xlim=(0, 1), xticks=[], title="real")
    bar.tick_params(left=False)
    return charts.as_image(figure)


def _label(axes: Axes, shares: Array, found: ClassShares) -> None:
    """Names of the classes at the right of their bands."""
    middles = np.cumsum(shares) - shares / 2
    for name, share, middle in zip(found.names, shares, middles, strict=True):
        if share >= _LABELED:
            axes.annotate(
                name,
                (1, middle),
                xytext=(4, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                verticalalignment="center",
                fontsize=7.5,
            )
