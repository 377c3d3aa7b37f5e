"""What all tests share: the real data where it is, and the skip of tests for which something is not here."""

import os
from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def mnist_root():
    """The folder of the real MNIST files, from GAN_ZOO_DATA."""
    root = os.environ.get("GAN_ZOO_DATA")
    if not root:
        pytest.skip("needs the real MNIST files: set GAN_ZOO_DATA")
    return Path(root)
