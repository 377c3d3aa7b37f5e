"""An empty cache, and small data sets that torchvision accepts."""

import pytest
from small_sets import SMALL_SETS, expect_digests
from torchvision.datasets import utils as torchvision_utils

from gan_zoo.data import DATA_ENV
from gan_zoo.io import CACHE_ENV


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The parent of a cache folder that does not exist yet; no root in the environment, and every download fails."""
    folder = tmp_path / "cache"
    monkeypatch.delenv(DATA_ENV, raising=False)
    monkeypatch.setenv(CACHE_ENV, str(folder / "gan-zoo"))

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setattr(torchvision_utils, "_get_redirect_url", refuse)
    return folder


@pytest.fixture
def make_small(cache, monkeypatch):
    """A function that makes a small data set, whose MD5s torchvision expects from then on."""

    def make(name):
        small = SMALL_SETS[name]()
        expect_digests(monkeypatch, name, small.archives | small.files)
        return small

    return make
