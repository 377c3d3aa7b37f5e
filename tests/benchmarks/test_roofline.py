import pytest

from benchmarks.speed.roofline import add_shares, cost, draw
from gan_zoo import registry

SHAPE, CLASSES = (1, 32, 32), 10


def test_the_mlp_by_hand():
    generator = [100 * 128, 128 * 256, 256 * 512, 512 * 1024, 1024 * 1024]
    discriminator = [1024 * 1024, 1024 * 512, 512 * 256, 256]
    # Forward and weight gradients everywhere, input gradients but for the first layer; the generator's step passes the
    # discriminator once more, forward and back to the image, without weight gradients.
    draws = 3 * sum(generator) - generator[0]
    learns = 2 * (3 * sum(discriminator) - discriminator[0])
    judges = 2 * sum(discriminator)
    counted = cost(registry.get("gan"), SHAPE, CLASSES)
    assert counted.flops == 2 * 512 * (draws + learns + judges)
    assert counted.weights == draws + learns + judges


def test_the_optimizer_moves_seven_floats_a_parameter():
    variant = registry.get("gan")
    parameters = sum(p.numel() for network in variant.build(SHAPE, CLASSES) for p in network.parameters())
    counted = cost(variant, SHAPE, CLASSES)
    assert counted.optimizer == 7 * 4 * parameters
    assert counted.bytes_moved(2) == 2 * (counted.activations + counted.weights) + counted.optimizer


PEAKS = {
    "matrix": {"fp32": 100e9, "bf16": 400e9},
    "convolution": {"fp32": 120e9, "bf16": 380e9},
    "by_shape": {"fp32": {"product 8x8x8": 100e9}, "bf16": {"product 8x8x8": 400e9}},
    "copy_bytes_per_second": 20e9,
}


def _rows(*modes):
    """Rows by mode, precision and FLOP/s."""
    keys = ("mode", "precision", "flops_per_second", "flops_per_byte")
    return [{"variant": "gan", **dict(zip(keys, (*mode, 60.0), strict=True))} for mode in modes]


def test_the_peak_is_the_higher_one_in_the_modes_precision():
    found = _rows(("tutorial", "fp32", 30e9), ("exact", "fp32", 100e9), ("fast", "bf16", 200e9))
    add_shares(found, None)
    assert found[1]["share_of_peak"] is None
    add_shares(found, PEAKS)
    assert [row["share_of_peak"] for row in found] == pytest.approx([0.25, 100 / 120, 0.5])
    assert [row["ratio_at_peak"] for row in found] == pytest.approx([4.0, 4.0, 400 / 30])
    assert [row["share_of_roofline"] for row in found] == [row["share_of_peak"] for row in found]
    add_shares(found, PEAKS | {"copy_bytes_per_second": 0.5e9})
    assert found[0]["share_of_roofline"] == pytest.approx(30e9 / (0.5e9 * 60))


def test_on_cuda_the_baseline_convolves_in_tf32():
    cuda = {"matrix": {"fp32": 50e12, "tf32": 400e12}, "convolution": {"fp32": 40e12, "tf32": 300e12}}
    found = _rows(("tutorial", "fp32", 3e12), ("exact", "fp32", 6e12))
    add_shares(found, cuda | {"copy_bytes_per_second": 3e12})
    assert [row["share_of_peak"] for row in found] == pytest.approx([3e12 / 300e12, 6e12 / 50e12])


def test_the_figure_is_written(tmp_path):
    found = _rows(("tutorial", "fp32", 30e9), ("fast", "bf16", 200e9))
    add_shares(found, PEAKS)
    draw(tmp_path / "roofline.png", found, PEAKS, "A CPU")
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
