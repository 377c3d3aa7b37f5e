"""Data sets by name: images as one uint8 tensor a split, labels beside them, and a fingerprint of both."""

from gan_zoo.data import digits as digits
from gan_zoo.data import torchvision_sets as torchvision_sets
from gan_zoo.data.registry import (
    DATA_ENV,
    DataMissing,
    Request,
    dataset,
    default_root,
    image_dataset,
    load,
    names,
    needs_root,
)
from gan_zoo.data.splits import Dataset, Split, match_channels, resize, to_uint8

__all__ = [
    "DATA_ENV",
    "DataMissing",
    "Dataset",
    "Request",
    "Split",
    "dataset",
    "default_root",
    "image_dataset",
    "load",
    "match_channels",
    "names",
    "needs_root",
    "resize",
    "to_uint8",
]
