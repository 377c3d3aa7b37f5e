"""What each measure is called, which way is better, what it means and when it misleads: plain data, no torch.

It stands outside `gan_zoo.metrics` because the report reads it, and the report never imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measure, described for a reader of the report; ``kind`` is what it measures."""

    name: str
    title: str
    better: Literal["lower", "higher", "half"]
    range: str
    meaning: str
    misleads: str
    source: str
    kind: Literal["images", "points"] = "images"

    @property
    def arrow(self) -> str:
        """The direction that is better, as one character for a table's head; ½ where one half is best."""
        return {"lower": "↓", "higher": "↑", "half": "½"}[self.better]


_ALL = (
    Metric(
        name="fid",
        title="FID",
        better="lower",
        range="0 to infinity",
        meaning="Fréchet distance between two Gaussians fitted to the features of generated and of real images.",
        misleads="Not comparable between different num_samples (the bias is proportional to 1 / num_samples) or "
        "different extractors (the scale is that of the features).",
        source="Heusel et al. 2017, arXiv 1706.08500",
    ),
    Metric(
        name="is",
        title="Inception Score",
        better="higher",
        range="1 to the number of classes of the extractor",
        meaning="Exponential of the mean KL divergence of the class distribution predicted for one image from the "
        "mean over all images.",
        misleads="Ignores the real data. One perfect image per class scores the maximum, and so do unrecognizable "
        "images with confident predictions.",
        source="Salimans et al. 2016, arXiv 1606.03498",
    ),
    Metric(
        name="kid",
        title="KID",
        better="lower",
        range="about 0 to infinity (an unbiased estimate can be slightly negative)",
        meaning="Squared maximum mean discrepancy, with a cubic polynomial kernel, between the features of generated "
        "and of real images.",
        misleads="Unbiased but noisy: a difference smaller than the spread over draws of samples means nothing. The "
        "scale is that of the features.",
        source="Bińkowski et al. 2018, arXiv 1801.01401",
    ),
    Metric(
        name="precision",
        title="Precision",
        better="higher",
        range="0 to 1",
        meaning="Share of generated images inside the estimated manifold of real images: fidelity.",
        misleads="Outliers among the real images inflate the manifold. A generator that repeats one good image "
        "scores 1.",
        source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    ),
    Metric(
        name="recall",
        title="Recall",
        better="higher",
        range="0 to 1",
        meaning="Share of real images inside the estimated manifold of generated images: diversity.",
        misleads="Outliers among the generated images inflate the manifold: a few of them can appear to cover "
        "everything.",
        source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    ),
    Metric(
        name="density",
        title="Density",
        better="higher",
        range="0 to infinity, about 1 for real data",
        meaning="Mean number of real neighborhoods that contain a generated image, relative to the number expected "
        "of real images.",
        misleads="Exceeds 1 if the generator concentrates on the densest region of the data.",
        source="Naeem et al. 2020, arXiv 2002.09797",
    ),
    Metric(
        name="coverage",
        title="Coverage",
        better="higher",
        range="0 to 1, about 0.97 for real data with k = 5",
        meaning="Share of real images whose neighborhood contains at least one generated image.",
        misleads="Depends on num_samples. Exact duplicates among the real images shrink their neighborhoods to a "
        "point.",
        source="Naeem et al. 2020, arXiv 2002.09797",
    ),
    Metric(
        name="modes",
        title="Modes",
        better="higher",
        range="0 to the number of classes",
        meaning="Number of classes that the classifier assigns to at least 1% of the generated images.",
        misleads="Noise is assigned to a class as well. A class counts even if all of its images look the same.",
        source="after Srivastava et al. 2017, arXiv 1705.07761",
    ),
    Metric(
        name="modes_hit",
        title="Modes hit",
        better="higher",
        range="0 to the number of classes",
        meaning="Number of classes that the classifier assigns to at least one generated image.",
        misleads="Increases with num_samples. Noise is assigned to many classes by chance.",
        source="Srivastava et al. 2017, arXiv 1705.07761",
    ),
    Metric(
        name="class_kl",
        title="Class KL",
        better="lower",
        range="0 to infinity, in nats",
        meaning="KL divergence of the class distribution of generated images from that of real images.",
        misleads="Measures the class distribution only: poor images that are spread evenly over the classes score "
        "well.",
        source="after Srivastava et al. 2017, arXiv 1705.07761",
    ),
    Metric(
        name="label_accuracy",
        title="Label accuracy",
        better="higher",
        range="0 to 1",
        meaning="Share of generated images that the classifier assigns to the requested class.",
        misleads="Caricatures of a class score well, and so does one good image per class that is repeated.",
        source="GAN-test, Shmelkov et al. 2018, arXiv 1807.09499",
    ),
    Metric(
        name="memorization",
        title="Memorization",
        better="half",
        range="0 to 1, about 0.5 for unseen real data",
        meaning="Share of pairs in which the generated image is closer to its nearest training image than the test "
        "image is to its own; ties count one half.",
        misleads="Poor images are far from all data and score 0, even if they are copies. Real training images (the "
        "floor) score 1 by definition.",
        source="Meehan et al. 2020, arXiv 2004.05675",
    ),
    Metric(
        name="jsd",
        title="JSD",
        better="lower",
        range="0 to ln 2 = 0.693, in nats",
        meaning="Jensen-Shannon divergence between the histogram of generated points and the exact probabilities of "
        "the same bins.",
        misleads="Depends on num_samples: points of the true density score about (occupied bins - 1) / (8 "
        "num_samples). Differences inside a bin are invisible.",
        source="Lin 1991, IEEE Trans. Inf. Theory 37",
        kind="points",
    ),
    Metric(
        name="modes_found",
        title="Modes found",
        better="higher",
        range="0 to the number of modes",
        meaning="Number of modes that are the nearest mode of at least one high-quality point among the first 2,500.",
        misleads="One stray point counts as a mode. How evenly the modes are used is not measured.",
        source="Srivastava et al. 2017, arXiv 1705.07761; Lin et al. 2018, arXiv 1712.04086",
        kind="points",
    ),
    Metric(
        name="high_quality",
        title="High quality",
        better="higher",
        range="0 to 1; true density: 0.997 in one dimension, 0.989 in two",
        meaning="Share of generated points within three standard deviations of the nearest mode.",
        misleads="A generator that collapses to the center of one mode scores 1, which is above the true density.",
        source="Srivastava et al. 2017, arXiv 1705.07761",
        kind="points",
    ),
    Metric(
        name="d_gap",
        title="D gap",
        better="lower",
        range="0 to 1; only if the optimal D is known (cross-entropy, no packing, no labels)",
        meaning="Mean absolute difference between the learned D and the optimal D* = p_data / (p_data + p_g) at the "
        "points.",
        misleads="Not a measure of quality: it shows how far the discriminator is from the optimum for its "
        "generator. p_g is a histogram of num_samples points, so even a perfect D scores slightly above 0.",
        source="after Goodfellow et al. 2014, arXiv 1406.2661, proposition 1",
        kind="points",
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every measure by its name, in the order in which tables show them."""
