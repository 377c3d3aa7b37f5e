"""Stacked MNIST: three digits in the three channels of an image, 1,000 modes that can be counted."""

import torch

from gan_zoo.data.registry import Request, dataset, image_dataset
from gan_zoo.data.splits import Dataset, Split, resize
from gan_zoo.data.torchvision_sets import mnist_splits
from gan_zoo.errors import GanZooError

TRAIN_SIZE = 60_000
TEST_SIZE = 26_000
"""As many as the articles draw samples to count modes in."""
_TRAIN_SEED, _TEST_SEED = 0, 1


@dataset("stacked_mnist", files=False)
def stacked_mnist(request: Request) -> Dataset:
    """60,000 training and 26,000 test images, RGB, composed at random with fixed seeds from MNIST's own splits.

    The class of an image is the number that its digits make: 100 red + 10 green + blue. Sources: Srivastava et al.
    2017 (arXiv 1705.07761), Lin et al. 2018 (arXiv 1712.04086).

    Raises:
        GanZooError: one channel was requested, in which the digits would be mixed.
        StorageError: MNIST cannot be unpacked into the cache folder.
    """
    if request.channels == 1:
        raise GanZooError("stacked_mnist has a digit in each of 3 channels and cannot be had in 1: ask for 3, or none")
    train, test = mnist_splits()
    return image_dataset(
        request,
        name="stacked_mnist",
        title="Stacked MNIST",
        train=_stack(train, request.side, TRAIN_SIZE, _TRAIN_SEED),
        test=_stack(test, request.side, TEST_SIZE, _TEST_SEED),
        class_names=[f"{number:03}" for number in range(1000)],
        extractor="stacked-mnist-cnn",
    )


def _stack(digits: Split, side: int, size: int, seed: int) -> Split:
    """Images (size, 3, side, side) and labels (size,) of digits drawn with replacement, each resized once, alone."""
    drawn = torch.randint(len(digits), (size, 3), generator=torch.Generator().manual_seed(seed))
    labels = digits.labels[drawn] @ torch.tensor([100, 10, 1])
    return Split(resize(digits.images, side).squeeze(1)[drawn], labels)
