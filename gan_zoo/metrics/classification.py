"""Metrics of predicted classes: Inception Score, modes, class histogram, label accuracy."""

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.features import Features, as_matrix
from gan_zoo.metrics.reference import Comparison
from gan_zoo.metrics.registry import register

MODE_PERCENT = 1
"""The least share of the images, in percent, of a class that counts as a mode."""


@register(
    name="is",
    title="Inception Score",
    better="higher",
    range="1 to the number of classes of the extractor",
    bounds=(1, None),
    meaning="Exponential of the mean KL divergence of the class distribution predicted for one image from the "
    "mean over all images.",
    limitations="Ignores the real data. One perfect image per class scores the maximum, and so do unrecognizable "
    "images with confident predictions.",
    source="Salimans et al. 2016, arXiv 1606.03498",
    needs=("logits",),
    extractors=("classifier", "inception"),
    order=2,
)
def inception_score(compared: Comparison) -> float:
    """Section 4 of the paper, on one split in float64: the usual ten splits bias it by their smaller N."""
    # It takes seconds to import.
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

    logits = as_matrix(compared.fake.require_logits(), "logits")
    # exp underflows below -745, where a class without any image would give 0 * inf; e^-700 changes no digit.
    logits = (logits - logits.amax(dim=1, keepdim=True)).clamp(min=-700.0)
    return float(isc_features_to_metric(logits, splits=1, shuffle=False)[KEY_METRIC_ISC_MEAN])


@register(
    name="modes",
    title="Modes",
    better="higher",
    range="0 to the number of classes",
    bounds=(0, None),
    meaning="Number of classes that the classifier assigns to at least 1% of the generated images.",
    limitations="Noise is assigned to a class as well. A class counts even if all of its images look the same.",
    source="after Srivastava et al. 2017, arXiv 1705.07761",
    needs=("logits",),
    extractors=("classifier",),
    order=8,
    in_ranking=False,
)
def modes(compared: Comparison) -> float:
    counts = _histogram(compared.fake)
    # In whole numbers: 0.01 * 700 is a little more than 7.
    return float((counts * 100 >= MODE_PERCENT * len(compared.fake)).sum())


@register(
    name="modes_hit",
    title="Modes hit",
    better="higher",
    range="0 to the number of classes",
    bounds=(0, None),
    meaning="Number of classes that the classifier assigns to at least one generated image.",
    limitations="Increases with num_samples. Noise is assigned to many classes by chance.",
    source="Srivastava et al. 2017, arXiv 1705.07761",
    needs=("logits",),
    extractors=("stacked",),
    order=9,
    in_ranking=False,
)
def modes_hit(compared: Comparison) -> float:
    """The paper uses N = 26,000 and K = 1,000."""
    return float((_histogram(compared.fake) > 0).sum())


@register(
    name="class_kl",
    title="Class KL",
    better="lower",
    range="0 to infinity, in nats",
    bounds=(0, None),
    meaning="KL divergence of the class distribution of generated images from that of real images.",
    limitations="Measures the class distribution only: poor images that are spread evenly over the classes score well.",
    source="after Srivastava et al. 2017, arXiv 1705.07761",
    needs=("logits",),
    extractors=("classifier", "stacked"),
    order=10,
    in_ranking=False,
)
def class_kl(compared: Comparison) -> float:
    """KL(p || q), the sum of p log(p / q), of the fakes' class histogram p from the real one q.

    A class with fakes but no real image would make it infinite: half an image is added to each such class of q, which
    is then normalized again. Equal histograms give exactly 0.
    """
    p = _histogram(compared.fake).double()
    q = _histogram(compared.real.features).double()
    q = torch.where((q == 0) & (p > 0), 0.5, q)
    p = p / p.sum()
    q = q / q.sum()
    occupied = p > 0
    return float((p[occupied] * (p[occupied] / q[occupied]).log()).sum())


@register(
    name="label_accuracy",
    title="Label accuracy",
    better="higher",
    range="0 to 1",
    bounds=(0, 1),
    meaning="Share of generated images that the classifier assigns to the requested class.",
    limitations="Caricatures of a class score well, and so does one good image per class that is repeated.",
    source="GAN-test, Shmelkov et al. 2018, arXiv 1807.09499",
    needs=("logits", "labels"),
    extractors=("classifier", "stacked"),
    order=11,
)
def label_accuracy(compared: Comparison) -> float:
    """Raises GanZooError if there is another number of labels than of images."""
    predicted = compared.fake.predicted
    labels = compared.labels
    if labels is None or predicted.shape != labels.shape:
        raise GanZooError(f"labels must be one class for each of {len(predicted)} images")
    return float((predicted == labels.to(predicted.device)).double().mean())


def _histogram(features: Features) -> Tensor:
    """Images predicted in each class, int64 (K,)."""
    return torch.bincount(features.predicted, minlength=features.require_logits().shape[1])
