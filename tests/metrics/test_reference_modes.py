"""The classes of real images, against which a collapse is told."""

import torch

from gan_zoo.metrics.features import Features
from gan_zoo.metrics.reference import Reference


def _features(classes, counts):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    logits = torch.nn.functional.one_hot(labels, classes).float()
    return Features(torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(0)), logits, "made up")


def test_modes_of_a_reference_hold_one_percent_of_it_each():
    assert Reference(_features(4, [980, 10, 9, 1])).modes == 2
    assert Reference(_features(10, [100] * 10)).modes == 10


def test_with_many_classes_no_class_holds_one_percent():
    """So a collapse is told against the real images' own count, not against the number of classes."""
    assert Reference(_features(150, [10] * 150)).modes == 0
