"""The discriminator's features: how well a linear classifier of few labels does on them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, one_hot

from gan_zoo.data import DataMissing, Dataset, Split
from gan_zoo.device import seeded
from gan_zoo.studies import charts
from gan_zoo.studies.activations import BATCH, Probe, probe
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

Encoder = Callable[[Tensor], list[Tensor]]
"""Images (B, C, H, W) in [-1, 1] to blocks of features (B, D)."""

GRID = 4
"""Side of the maps after max-pooling."""
COSTS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Costs C of the support vector machine that are tried."""
ALL = "all"
_PARTS = 5
"""Of the labelled images: the cost is chosen by cross-validation, or of many images on one part."""
_FEW = 5_000
_ITERATIONS = 300


@study(
    name="features",
    title="Discriminator features for classification",
    question="Has the discriminator learned features that help a classifier with few labels?",
    reading="The discriminators of conditional variants and of those with a class loss were trained with the labels of "
    "all training images, so that theirs is no result of few labels: a note names them. A trained discriminator "
    "that is no better than an untrained one adds nothing to its architecture: random filters, max-pooled, are "
    "strong features by themselves. All conditions share the labelled images, the test split and the choice of "
    "the cost. The interval over seeds includes the choice of the labelled images.",
    source="Radford et al. 2016, arXiv 1511.06434, section 5",
    measures=[
        Measure(
            "accuracy",
            "Accuracy, own data set",
            "higher",
            "Share of the test split of the training data set that a linear L2 support vector machine classifies "
            "correctly.",
            (0, 1),
        ),
        Measure(
            "transfer",
            "Accuracy, other data set",
            "higher",
            "The same on a data set that the discriminator was not trained on.",
            (0, 1),
        ),
    ],
)
def features(
    trained: Trained, *, labels: int | str = 1_000, other: str = "fashion_mnist", components: int = 100
) -> Studied:
    """Accuracy of a linear L2 support vector machine on the discriminator's features.

    The activations of every convolution, after its norm and nonlinearity, are max-pooled to 4x4, flattened and joined,
    as in the paper and its code; of an MLP, the units of every hidden layer are joined. Unlike there, each layer's
    block is centered and divided by its root mean squared norm, which helps trained and untrained networks alike, and
    the cost is chosen by cross-validation among the labelled images, not on ten thousand further labels. A conditional
    discriminator is given the mean embedding of all classes, not the label of the image; in training it had the labels.

    Args:
        trained: the trained GAN.
        labels: labelled training images, equally many a class, or ``all``, which takes about 12 bytes
            of memory a feature and image.
        other: a further labelled data set; empty for none.
        components: principal components of the PCA, which is fit on all training images without labels.

    Raises:
        NotApplicable: points, a discriminator without a hidden nonlinearity, or no data set with labels.
        GanZooError: an option that does not fit.
    """
    if labels != ALL:
        check_positive("labels", labels)
    check_positive("components", components)
    encoders = {
        "trained discriminator": _of_discriminator(probe(trained, trained.discriminator)),
        "untrained discriminator": _of_discriminator(probe(trained, trained.untrained().discriminator)),
        "raw pixels": _pixels,
    }
    notes = [_described(trained, encoders["trained discriminator"])]
    if trained.variant.discriminator_is_conditional or "label" in trained.variant.heads:
        notes.append(f"{trained.name}: its discriminator was trained with the labels of all training images")
    values = []
    titles = {}
    for measure, data in _data_sets(trained, other, notes).items():
        try:
            index = _labelled(data, labels, trained.seed, notes)
        except NotApplicable as error:
            notes.append(str(error))
            continue
        titles[measure] = data.title
        last = {f"PCA, {components} components": _principal(data, components)}
        for condition, encode in (encoders | last).items():
            values.append((measure, condition, _accuracy(encode, data, index)))
    if not values:
        raise NotApplicable(notes[-1])
    return Studied(values, lambda: [_chart(values, titles, labels)], notes)


def _data_sets(trained: Trained, other: str, notes: list[str]) -> dict[str, Dataset]:
    own = trained.load_data()
    found = {"accuracy": own}
    if other and other != own.name:
        try:
            found["transfer"] = trained.load_data(other)
        except DataMissing as error:
            notes.append(f"left out {other}: {error}")
    found = {measure: data for measure, data in found.items() if data.classes > 1}
    if not found:
        raise NotApplicable(f"{own.name} has no labels to classify; name a labelled data set with other=mnist")
    return found


def _labelled(data: Dataset, labels: int | str, seed: int, notes: list[str]) -> Tensor:
    """Indices of the labelled training images, in random order, equally many a class unless all are taken."""
    given = data.train.labels.cpu()
    random = seeded(seed, "labelled images")
    order = torch.randperm(len(given), generator=random)
    if labels == ALL:
        return order
    rarest = int(given.bincount(minlength=data.classes).min())
    each = min(int(labels) // data.classes, rarest)
    if each < _PARTS:
        raise NotApplicable(
            f"option labels is {labels}: {each} for each of {data.classes} classes of {data.name}, of which it has "
            f"{rarest} or more; {_PARTS} each are needed, labels={_PARTS * data.classes}"
        )
    if each < int(labels) // data.classes:
        notes.append(f"{data.title} has {rarest} images of its rarest class: {each * data.classes} labels are used")
    chosen = torch.cat([order[given[order] == label][:each] for label in range(data.classes)])
    return chosen[torch.randperm(len(chosen), generator=random)]


def _of_discriminator(network: Probe) -> Encoder:
    def encode(images: Tensor) -> list[Tensor]:
        return [_pooled(output).flatten(1) for output in network.activations(images).values()]

    return encode


def _pooled(output: Tensor) -> Tensor:
    if output.dim() != 4:
        return output
    return adaptive_max_pool2d(output, [min(GRID, side) for side in output.shape[2:]])


def _pixels(images: Tensor) -> list[Tensor]:
    return [images.flatten(1)]


def _principal(data: Dataset, components: int) -> Encoder:
    """Projections on the principal components of all training images."""
    split = data.train
    pixels = split.pixels(torch.arange(len(split), device=split.labels.device)).flatten(1).cpu().numpy()
    solver = "covariance_eigh" if len(pixels) > pixels.shape[1] else "full"
    pca = PCA(min(components, *pixels.shape), svd_solver=solver).fit(pixels.astype(np.float32))
    axes = torch.from_numpy(pca.components_).float().to(split.labels.device)
    return lambda images: [images.flatten(1) @ axes.T]


def _described(trained: Trained, encode: Encoder) -> str:
    split = trained.load_data().train
    with torch.no_grad():
        blocks = encode(split.take(torch.arange(1, device=split.labels.device))[0])
    widths = " + ".join(f"{block.shape[1]:,}" for block in blocks)
    return f"{trained.name}: {sum(block.shape[1] for block in blocks):,} features ({widths} of its layers)"


@torch.no_grad()
def _encode(encode: Encoder, split: Split, index: Tensor) -> list[Tensor]:
    """Blocks of features (N, D) of the images at an index (N,)."""
    batches = [encode(split.take(part)[0]) for part in index.to(split.labels.device).split(BATCH)]
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


def _accuracy(encode: Encoder, data: Dataset, index: Tensor) -> float:
    """Accuracy on the test split of a machine trained on the labelled images."""
    blocks = _encode(encode, data.train, index)
    means = [block.mean(dim=0) for block in blocks]
    scales = [block.var(dim=0, correction=0).sum().sqrt().clamp(min=1e-12) for block in blocks]

    def joined(blocks: Sequence[Tensor]) -> Tensor:
        """Scaled in place: of all images they take gigabytes."""
        for block, mean, scale in zip(blocks, means, scales, strict=True):
            block.sub_(mean).div_(scale)
        return torch.cat([*blocks, blocks[0].new_ones(len(blocks[0]), 1)], dim=1)

    inputs = joined(blocks)
    targets = data.train.labels[index.to(data.train.labels.device)]
    del blocks
    # The weights lie in the span of the inputs, which has no more dimensions than there are images.
    basis = torch.linalg.qr(inputs.T).Q if len(inputs) < inputs.shape[1] else None
    inputs = inputs if basis is None else inputs @ basis
    weights = fit_machine(inputs, targets, data.classes, _best_cost(inputs, targets, data.classes))
    weights = weights if basis is None else basis @ weights
    del inputs
    test = joined(_encode(encode, data.test, torch.arange(len(data.test))))
    return _share_correct(test, data.test.labels, weights)


def _best_cost(inputs: Tensor, targets: Tensor, classes: int) -> float:
    """The cost of the highest accuracy on held-out labelled images; of equal ones the lowest."""
    parts = torch.arange(len(inputs), device=inputs.device) % _PARTS
    correct = [0.0] * len(COSTS)
    for part in range(_PARTS if len(inputs) <= _FEW else 1):
        held = parts == part
        weights = None
        for place, cost in enumerate(COSTS):
            weights = fit_machine(inputs[~held], targets[~held], classes, cost, weights, tolerance=1e-5)
            correct[place] += _share_correct(inputs[held], targets[held], weights)
    return COSTS[correct.index(max(correct))]


def fit_machine(
    inputs: Tensor,
    targets: Tensor,
    classes: int,
    cost: float,
    start: Tensor | None = None,
    *,
    tolerance: float = 1e-6,
) -> Tensor:
    """Weights (D, classes) of linear L2 support vector machines, one class against the rest.

    They minimize ``|w|^2 / 2 + C * sum(max(0, 1 - y * w.x)^2)``, the objective of scikit-learn's ``LinearSVC``, which
    takes many minutes for 60,000 images: here L-BFGS fits all classes at once.

    Args:
        inputs: features (N, D), a constant one among them for the bias.
        targets: classes (N,).
        classes: number of classes.
        cost: C.
        start: weights to begin with, by default 0.
        tolerance: relative decrease of the objective at which it ends.
    """
    signs = 2.0 * one_hot(targets, classes).float() - 1
    shape = (inputs.shape[1], classes)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat.astype(np.float32)).to(inputs.device).view(shape)
        slack = (1 - signs * (inputs @ weights)).clamp_(min=0)
        loss = weights.double().square().sum() / 2 + cost * slack.double().square().sum()
        gradient = weights - 2 * cost * (inputs.T @ (signs * slack))
        return loss.item(), gradient.double().cpu().numpy().ravel()

    first = np.zeros(shape) if start is None else start.double().cpu().numpy()
    options = {"maxiter": _ITERATIONS, "ftol": tolerance}
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(found.x).float().to(inputs.device).view(shape)


def _share_correct(inputs: Tensor, targets: Tensor, weights: Tensor) -> float:
    return (inputs @ weights).argmax(dim=1).eq(targets).float().mean().item()


@charts.style
def _chart(values: Sequence[tuple[str, str, float]], titles: dict[str, str], labels: int | str) -> Picture:
    """A row for each condition, a column for each data set."""
    figure = charts.new_figure(300 + 240 * len(titles), 200)
    axes = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    colors = (charts.COLORS[0], charts.COLORS[1], charts.GRAY, charts.GRAY)
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        rows = [(condition, value) for name, condition, value in values if name == measure]
        for place, (_condition, value) in enumerate(rows):
            axis.plot(100 * value, place, "o", color=colors[place], clip_on=False)
            axis.annotate(f"{value:.1%}", (100 * value, place), (7, 0), textcoords="offset points", va="center")
        axis.set_yticks(range(len(rows)), [condition for condition, _value in rows])
        axis.set(title=title, xlabel="test accuracy (%)")
        axis.margins(x=0.25, y=0.15)
        axis.grid(axis="x", color=charts.GRAY, alpha=0.3, linewidth=0.6)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    axes[0].invert_yaxis()
    number = labels if labels == ALL else f"{labels:,}"
    caption = f"Test accuracy of a linear classifier by its features, with {number} labels, one training run."
    return Picture("accuracy", caption, charts.as_image(figure), scale=charts.SCALE)
