"""The speed report: its tables, its options, and a run from end to end."""

import json
from argparse import Namespace

import pytest
import torch

from benchmarks.speed import measure
from benchmarks.speed.report import OPTIONS, Speed, main, markdown
from gan_zoo.bench.records import write_json
from gan_zoo.errors import GanZooError

PEAKS = {
    "matrix": {"fp32": 100e9, "bf16": 400e9},
    "convolution": {"fp32": 120e9, "bf16": 380e9},
    "by_shape": {"fp32": {"product 8x8x8": 100e9}, "bf16": {"product 8x8x8": 400e9}},
    "copy_bytes_per_second": 20e9,
}


def row(variant="gan", mode="exact", **changes):
    facts = {"images_per_second": 9e3, "ms_per_step": 55.0, "ratio_median": 3.64, "ratio_min": 3.6, "ratio_max": 3.7}
    facts |= {"rounds": 3, "discarded": 0, "noisy": False, "flops_per_step": 6e9, "flops_per_second": 1e11, "note": ""}
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


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--variants", "cgna"], "'cgna'"),
        (["--rounds", "0"], "--rounds 0"),
        (["--seconds-per-round", "-1"], "--seconds-per-round -1"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_bad_input_is_one_line(arguments, word, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert word in line
    assert not list(tmp_path.iterdir())


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


def test_results_of_other_code_are_not_kept(options):
    options.resume = True
    speed = Speed(options)
    for code, kept in ((speed.report["code"], ["a row"]), ("other", [])):
        write_json(speed.path, speed.report | {"code": code, "rows": ["a row"]})
        assert Speed(options).report["rows"] == kept


@pytest.mark.slow
def test_a_run_from_end_to_end_resumes(options, monkeypatch):
    """Two modes are enough to see processes, turns and files."""
    monkeypatch.setattr(measure, "modes_of", lambda *_: ["tutorial", "exact"])
    monkeypatch.setattr(measure, "WORKERS", (0,))
    monkeypatch.setattr(measure, "CAP", 1)
    options.variants = ["gan"]
    options.rounds = 1
    options.seconds_per_round = 0.01
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
