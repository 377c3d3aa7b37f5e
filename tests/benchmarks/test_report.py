"""The roofline and the speed report: costs and peaks, the tables, and a run from end to end."""

import json
from argparse import Namespace

import pytest
import torch

from benchmarks.speed import measure
from benchmarks.speed.report import OPTIONS, Speed, markdown
from benchmarks.speed.roofline import add_shares, cost, draw
from gan_zoo import registry
from gan_zoo.bench.records import write_json
from gan_zoo.errors import GanZooError

PEAKS = {
    "matrix": {"fp32": 100e9, "bf16": 400e9},
    "convolution": {"fp32": 120e9, "bf16": 380e9},
    "by_shape": {"fp32": {"product 8x8x8": 100e9}, "bf16": {"product 8x8x8": 400e9}},
    "copy_bytes_per_second": 20e9,
}
SHAPE, CLASSES = (1, 32, 32), 10


def test_the_mlp_by_hand():
    generator = [100 * 128, 128 * 256, 256 * 512, 512 * 1024, 1024 * 1024]
    discriminator = [1024 * 1024, 1024 * 512, 512 * 256, 256]
    # Forward and weight gradients everywhere, input gradients but for the first layer; the generator's step passes the
    # discriminator once more, forward and back to the image, without weight gradients.
    draws = 3 * sum(generator) - generator[0]
    learns = 2 * (3 * sum(discriminator) - discriminator[0])
    scores = 2 * sum(discriminator)
    counted = cost(registry.get("gan"), SHAPE, CLASSES)
    assert counted.flops == 2 * 512 * (draws + learns + scores)
    assert counted.weights == draws + learns + scores


def test_the_optimizer_moves_seven_floats_a_parameter():
    variant = registry.get("gan")
    parameters = sum(p.numel() for network in variant.build(SHAPE, CLASSES) for p in network.parameters())
    counted = cost(variant, SHAPE, CLASSES)
    assert counted.optimizer == 7 * 4 * parameters
    assert counted.bytes_moved(2) == 2 * (counted.activations + counted.weights) + counted.optimizer


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
    draw(tmp_path / "roofline.png", {"rows": found, "peaks": PEAKS, "machine": {"device": "A CPU"}})
    assert (tmp_path / "roofline.png").stat().st_size > 10_000


def row(variant="gan", mode="exact", **changes):
    facts = {"images_per_second": 9e3, "ms_per_step": 55.0, "ratio_median": 3.64, "ratio_min": 3.6, "ratio_max": 3.7}
    facts |= {"repeats": 3, "discarded": 0, "noisy": False, "flops_per_step": 6e9, "flops_per_second": 1e11, "note": ""}
    facts |= {"share_of_peak": 0.8, "flops_per_byte": 60.0, "share_of_roofline": 0.8, "ratio_at_peak": 4.0}
    facts |= {"peak_memory_bytes": 2**30, "warm_up_seconds": 0.5, "precision": "fp32"}
    return {"variant": variant, "mode": mode, **facts, **changes}


@pytest.fixture
def options(tmp_path):
    """The defaults, on a CPU, into a temporary folder."""
    defaults = {name[2:].replace("-", "_"): value for name, (value, _) in OPTIONS.items()}
    chosen = {name: None if isinstance(value, type) else value for name, value in defaults.items()}
    threads = torch.get_num_threads()
    return Namespace(**chosen | {"device": "cpu", "out": tmp_path, "threads": threads, "command": "x"})


def test_the_tables_have_a_line_a_row(options):
    report = Speed(options).report | {"rows": [row(), row("cgan", "tutorial", ratio_at_peak=None)], "peaks": PEAKS}
    text = markdown(report | {"left_out": ["dcgan"]})
    assert text.count("| gan | exact |") == text.count("| cgan | tutorial |") == 3
    assert "3.64" in text
    assert "dcgan" in text
    for block in text.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1
    assert markdown(report | {"rows": [], "peaks": None}).startswith("# Speed on ")


def test_a_variant_that_fails_leaves_the_others(options, monkeypatch):
    def measured(speed, name, _):
        if name == "cgan":
            raise GanZooError("mode fast: out of memory")
        speed.report["rows"].append(row(name))

    monkeypatch.setattr(Speed, "measure", measured)
    options.variants = ["gan", "cgan", "dcgan"]
    speed = Speed(options)
    speed.report["peaks"] = PEAKS
    with pytest.raises(GanZooError, match="cgan, mode fast: out of memory"):
        speed.run()
    assert [one["variant"] for one in json.loads(speed.path.read_text())["rows"]] == ["gan", "dcgan"]


def test_what_no_time_is_left_for_is_left_out(options, monkeypatch):
    monkeypatch.setattr(Speed, "measure", lambda speed, _variant, _until: setattr(speed, "until", 0.0))
    options.variants = ["gan", "cgan"]
    options.minutes = 1.0
    speed = Speed(options)
    speed.report["peaks"] = PEAKS
    speed.run()
    assert json.loads(speed.path.read_text())["left_out"] == ["cgan"]


def test_results_of_other_code_are_measured_again(options):
    options.resume = True
    speed = Speed(options)
    for code, rows in ((speed.report["code"], ["a row"]), ("other", [])):
        write_json(speed.path, speed.report | {"code": code, "rows": ["a row"]})
        assert Speed(options).report["rows"] == rows


@pytest.mark.slow
def test_a_run_from_end_to_end_resumes(options, monkeypatch):
    """Two modes are enough to see processes, turns and files."""
    monkeypatch.setattr(measure, "modes_of", lambda *_: ["tutorial", "exact"])
    monkeypatch.setattr(measure, "WORKERS", (0,))
    monkeypatch.setattr(measure, "CAP", 1)
    options.variants = ["gan"]
    options.repeats = 1
    options.seconds_per_repeat = 0.01
    options.resume = True
    speed = Speed(options)
    speed.report["peaks"] = PEAKS
    assert "| gan | exact |" in speed.run().read_text()
    first = json.loads(speed.path.read_text())["rows"]
    assert [one["mode"] for one in first] == ["tutorial", "exact"]
    assert all(one["images_per_second"] > 0 and one["peak_memory_bytes"] > 0 for one in first)
    assert first[1]["ratio_median"] > 0
    monkeypatch.setattr(Speed, "measure", None)
    again = Speed(options)
    again.run()
    assert json.loads(again.path.read_text())["rows"] == first
