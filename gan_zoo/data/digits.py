"""The digits that scikit-learn contains: 1,797 grey images of 8x8."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from gan_zoo.data.registry import Request, image_dataset, register_dataset
from gan_zoo.data.splits import Dataset, Split

TEST_SIZE = 500
_LEVELS, _SIDE = 16, 8
_ORDER = Path(__file__).parent / "digits_split.txt"
"""Indices of all images, the test split last, by scikit-learn's stratified ``train_test_split`` with seed 0."""


@register_dataset("digits", files=False, side=8)
def digits(request: Request) -> Dataset:
    """1,297 training and 500 test images, split by class with a fixed seed, enlarged bilinearly.

    Source: the test part of UCI's "Optical Recognition of Handwritten Digits", as `sklearn.datasets.load_digits`.
    """
    table = torch.from_numpy(_table())
    images = table[:, :-1].mul(255 / _LEVELS).round().to(torch.uint8).view(-1, 1, _SIDE, _SIDE)
    labels = table[:, -1].long()
    order = torch.tensor([int(number) for number in _ORDER.read_text(encoding="utf-8").split()])
    train, test = order[:-TEST_SIZE], order[-TEST_SIZE:]
    return image_dataset(
        request,
        name="digits",
        title="Digits 8x8",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        class_names=[str(digit) for digit in range(10)],
        extractor="digits-cnn",
        note="embedded 8x8 digits, for trying the suite: results are not comparable with MNIST",
    )


def _table() -> np.ndarray:
    """float64 (1797, 65): 64 pixels from 0 to 16, and the label."""
    # scikit-learn takes as long to import as torch: its file is read without importing it.
    package = importlib.util.find_spec("sklearn")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return np.loadtxt(file, delimiter=",")
