"""The digits embedded in scikit-learn: 1,797 grey images of 8x8, here offline and always."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gan_zoo.data.registry import Request, dataset, image_dataset
from gan_zoo.data.splits import Dataset, Split

TEST_SIZE = 500
_SPLIT_SEED = 0
_LEVELS = 16


@dataset("digits")
def digits(request: Request) -> Dataset:
    """1,297 training and 500 test images, split by class with a fixed seed, enlarged bilinearly.

    Source: the test part of UCI's "Optical Recognition of Handwritten Digits", as `sklearn.datasets.load_digits`.
    """
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).mul(255 / _LEVELS).round().to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).long()
    train, test = train_test_split(range(len(labels)), test_size=TEST_SIZE, stratify=labels, random_state=_SPLIT_SEED)
    return image_dataset(
        request,
        name="digits",
        title="Digits 8x8",
        train=Split(images[train], labels[train]),
        test=Split(images[test], labels[test]),
        class_names=[str(name) for name in bunch.target_names],
        extractor="digits-cnn",
        note="embedded 8x8 digits: for trying the suite, figures are not comparable with MNIST's",
    )
