"""What all tests share: real data where it is, skips for what is not here, and a small suite of toys."""

import os
from pathlib import Path

import pytest
import torch

from gan_zoo import api, registry
from gan_zoo.bench.tables import write_tables
from gan_zoo.data import registry as data_registry
from gan_zoo.metrics import custom
from gan_zoo.metrics import registry as metric_registry
from gan_zoo.metrics.registry import METRICS

SUITE = """
title = "Toys"
data = "digits"
variants = ["by_heart", "sibling"]
extractors = ["digits-cnn"]

[presets.smoke]
seeds = 2
budget = { images = 160 }
evaluate_at = [0.4, 1.0]
num_samples = 140
batch_size = 16

[presets.full]
seeds = 1
budget = { images = 320 }
num_samples = 140
"""


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What is cached between runs is this session's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GAN_ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def data_root():
    """The folder of the real Fashion-MNIST files, from GAN_ZOO_DATA."""
    root = os.environ.get("GAN_ZOO_DATA")
    if not root:
        pytest.skip("needs the real Fashion-MNIST files: set GAN_ZOO_DATA")
    return Path(root)


@pytest.fixture
def own_registry(monkeypatch):
    """What a test registers is gone after it."""
    registry.names()
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.setattr(custom, "_registered", dict(custom._registered))
    monkeypatch.setattr(data_registry, "_DATASETS", dict(data_registry._DATASETS))
    before = set(METRICS)
    yield
    for name in set(METRICS) - before:
        del METRICS[name]
        metric_registry._FUNCTIONS.pop(name, None)


@pytest.fixture
def toys(tmp_path, own_registry):
    """A copy of the toys' plugin file, to be named or edited."""
    path = tmp_path / "toys.py"
    path.write_text((Path(__file__).parent / "toys.py").read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def suite(tmp_path):
    """The suite of the toys; with pairs of texts, one in which the first is replaced by the second."""

    def write(*changes, name="toys.toml"):
        text = SUITE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def no_report(monkeypatch):
    """Runs end with their tables: figures take seconds."""

    def write(folder):
        write_tables(folder)
        return folder / "report.html"

    monkeypatch.setattr(api, "write_report", write)


@pytest.fixture
def bench(tmp_path, toys, suite, no_report):
    """Run the suite of the toys into a folder, in this process, with tables for a report."""

    def run(out="out", *changes, **options):
        settings = {"preset": "smoke", "plugins": [toys], "jobs": 1} | options
        return api.run_suite(suite(*changes), tmp_path / out, **settings)

    return run


# Not of the session: Playwright's event loop runs as long as the browser, and other tests start loops of their own.
@pytest.fixture(scope="module")
def browser():
    """The Chromium of this machine."""
    from browsers import CHROMIUM
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()
