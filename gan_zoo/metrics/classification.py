"""Measures of what a classifier names in the images: Inception Score, modes, class histogram, label accuracy."""

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.checks import as_matrix

MODE_PERCENT = 1


def inception_score(logits: Tensor) -> float:
    """exp of the mean KL divergence of p(y|x) from p(y), between 1 and K; one split, in float64.

    Salimans et al. 2016, arXiv 1606.03498, section 4. The usual ten splits bias it by their smaller N, and give NaN
    where N is below their number.

    Args:
        logits: unnormalized class scores (N, K) of generated images.

    Raises:
        GanZooError: wrong shape, no rows, or a value that is not finite.
    """
    # Seconds to import, and not needed before something is measured.
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

    logits = as_matrix(logits, "logits")
    # exp underflows below -745, where a class that nobody names would give 0 * inf; e^-700 changes no digit.
    logits = (logits - logits.amax(dim=1, keepdim=True)).clamp(min=-700.0)
    return float(isc_features_to_metric(logits, splits=1, shuffle=False)[KEY_METRIC_ISC_MEAN])


def histogram(predicted: Tensor, classes: int) -> Tensor:
    """Images in each class, int64 (classes,), from predicted classes (N,).

    Raises:
        GanZooError: no images, or a class outside 0 to classes - 1.
    """
    if predicted.ndim != 1 or not len(predicted):
        raise GanZooError(f"classes must have shape (N,) with N at least 1, not {tuple(predicted.shape)}")
    low, high = (int(bound) for bound in predicted.aminmax())
    if low < 0 or high >= classes:
        raise GanZooError(f"classes run from {low} to {high}, outside 0 to {classes - 1}")
    return torch.bincount(predicted, minlength=classes)


def modes(predicted: Tensor, classes: int) -> int:
    """Number of classes with at least 1% of the images; after Srivastava et al. 2017, arXiv 1705.07761.

    Args:
        predicted: class found in each image, int64 (N,).
        classes: number of classes K.

    Raises:
        GanZooError: no images, or a class outside 0 to K - 1.
    """
    counts = histogram(predicted, classes)
    # In whole numbers: 0.01 * 700 is a little more than 7.
    return int((counts * 100 >= MODE_PERCENT * len(predicted)).sum())


def modes_hit(predicted: Tensor, classes: int) -> int:
    """Number of classes with at least one image: Srivastava et al. 2017, arXiv 1705.07761, with N = 26,000, K = 1,000.

    Args:
        predicted: class found in each image, int64 (N,).
        classes: number of classes K.

    Raises:
        GanZooError: no images, or a class outside 0 to K - 1.
    """
    return int((histogram(predicted, classes) > 0).sum())


def class_kl(fake: Tensor, real: Tensor, classes: int) -> float:
    """KL(p || q) in nats of the fakes' class histogram p from the real one q, sum of p log(p / q).

    A class without fakes adds nothing. A class with fakes but no real image would make it infinite: half an image is
    added to each such class of q, which is then normalized again. Equal histograms give exactly 0.

    Args:
        fake: class found in each fake, int64 (N,).
        real: class found by the same classifier in each real image, int64 (N,).
        classes: number of classes K.

    Raises:
        GanZooError: unequal N, no images, or a class outside 0 to K - 1.
    """
    if len(fake) != len(real):
        raise GanZooError(
            f"{len(fake)} fake images against {len(real)} real ones; N must be equal, take as many of each"
        )
    p, q = (histogram(side, classes).double() for side in (fake, real))
    q = torch.where((q == 0) & (p > 0), 0.5, q)
    p, q = p / p.sum(), q / q.sum()
    named = p > 0
    return float((p[named] * (p[named] / q[named]).log()).sum())


def label_accuracy(predicted: Tensor, asked: Tensor) -> float:
    """Share of images in which the classifier finds the class asked for: GAN-test, Shmelkov et al. arXiv 1807.09499.

    Args:
        predicted: class found in each image, int64 (N,).
        asked: class the generator was asked for, int64 (N,), in the same order, on any device.

    Raises:
        GanZooError: no images, or another number of labels than of images.
    """
    if predicted.shape != asked.shape or predicted.ndim != 1 or not len(predicted):
        raise GanZooError(f"{len(asked)} labels asked for {len(predicted)} images; there must be one for each")
    return float((predicted == asked.to(predicted.device)).double().mean())
