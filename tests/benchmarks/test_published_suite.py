"""The suite of the published protocol."""

from gan_zoo.bench.suite import read_suite


def test_the_published_suite_is_the_studys_protocol():
    """Lucic et al. 2018: 10,000 fakes, Inception, 20 epochs of MNIST in batches of 64, seven models."""
    suite = read_suite("published")
    full = suite.preset("full")
    assert (full.num_samples, full.budget, suite.shared["batch_size"]) == (10_000, {"epochs": 20}, 64)
    assert suite.data == "mnist"
    assert "inception" in (full.extractors or suite.extractors)
    assert set(suite.variants) == {"mmgan", "nsgan", "lsgan_dcgan", "wgan", "wgan_gp", "dragan", "began"}
