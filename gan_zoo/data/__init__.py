"""Data sets by name: images as one uint8 tensor per split, their labels, and a fingerprint of both."""

from gan_zoo.data import digits as digits
from gan_zoo.data import image_files as image_files
from gan_zoo.data import image_folder as image_folder
from gan_zoo.data import mixtures as mixtures
from gan_zoo.data import torchvision_sets as torchvision_sets
from gan_zoo.data.registry import (
    DATA_ENV,
    DataMissing,
    Request,
    default_root,
    descriptions,
    image_dataset,
    is_known,
    load,
    names,
    native_side,
    needs_root,
    register_dataset,
    revision,
)
from gan_zoo.data.splits import Dataset, Split, StreamedSplit, match_channels, resize, to_uint8

__all__ = [
    "DATA_ENV",
    "DataMissing",
    "Dataset",
    "Request",
    "Split",
    "StreamedSplit",
    "default_root",
    "descriptions",
    "image_dataset",
    "is_known",
    "load",
    "match_channels",
    "names",
    "native_side",
    "needs_root",
    "register_dataset",
    "resize",
    "revision",
    "to_uint8",
]
