import json

import matplotlib.text
import pytest
from matplotlib.figure import Figure
from timing import roofline
from timing.profiling import group
from timing.table import markdown

from gan_zoo.bench.records import write_json


def test_the_markdown_has_a_line_a_variant_and_mode(report):
    text = markdown(report)
    for name in ("gan", "cgan", "dcgan", "lsgan"):
        for mode in ("tutorial", "in_memory", "exact", "fast"):
            assert f"| `{name}` {mode} |" in text
    assert "3.64 [3.64, 3.64]" in text
    assert "| FID | 0.5 |" in text
    assert "| products | 40.00 | 20.00 |" in text
    assert "Left out, as the time was up: startup." in text


def test_every_line_of_a_table_has_as_many_cells(report):
    for block in markdown(report).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


@pytest.mark.parametrize("part", ["peaks", "evaluation", "quality", "together", "startup", "profile", "rows"])
def test_what_was_not_measured_is_left_out(report, part):
    report[part] = [] if part == "rows" else None
    assert markdown(report).startswith("# Speed on A CPU, 2 threads")


def test_evaluations_share_of_a_run_is_told(report):
    report["evaluation"]["share_of_run"] = {
        "results": "results/x", "cells": 8, "training_seconds": 90.0, "evaluation_seconds": 10.0, "share": 0.1,
        "peak_memory_bytes": 2**30,
    }  # fmt: skip
    assert "**10.0%** of both; peak memory 1,024 MiB" in markdown(report)


def test_what_fast_costs_is_told_with_its_interval(report):
    assert "| `gan` | 20.00 | 21.50 | +1.50 | -0.50 to +3.50 | 5, 4 |" in markdown(report)


def test_the_report_is_json(report, tmp_path):
    write_json(tmp_path / "x.json", report)
    assert json.loads((tmp_path / "x.json").read_text())["rows"] == report["rows"]


def test_labels_of_the_picture_do_not_overlap(report, tmp_path, monkeypatch):
    saved = []
    save = Figure.savefig

    def keep(figure, *arguments, **options):
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    roofline.draw(tmp_path / "roofline.png", report)
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
    (figure,) = saved
    assert [axis.get_title() for axis in figure.axes] == ["gan", "cgan", "dcgan", "lsgan"]
    for axis in figure.axes:
        boxes = [text.get_window_extent() for text in axis.texts]
        frame = axis.get_window_extent()
        assert all(isinstance(text, matplotlib.text.Text) for text in axis.texts)
        assert len(boxes) == 2 + 1 + 4
        assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
        assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])


def test_places_are_spread_in_their_order():
    assert roofline.spread([1.0, 3.0], 0.5) == [1.0, 3.0]
    moved = roofline.spread([2.0, 1.0, 2.0], 0.4)
    assert sorted(moved) == pytest.approx([sorted(moved)[0], sorted(moved)[0] + 1.0 - 0.0, sorted(moved)[0] + 1.4])
    assert moved[1] < moved[0] < moved[2]


@pytest.mark.parametrize(
    ("name", "callers", "expected"),
    [
        ("aten::addmm", (), "products"),
        ("aten::mkldnn_convolution", ("aten::convolution",), "convolutions"),
        ("aten::native_batch_norm_backward", (), "batch norm"),
        ("aten::leaky_relu_", (), "activations"),
        ("aten::mul", ("Optimizer.step#Adam.step",), "optimizer"),
        ("aten::_fused_adam_", (), "optimizer"),
        ("aten::index", (), "data"),
        ("aten::empty_strided", ("aten::copy_",), "casts and copies"),
        ("sm90_xmma_gemm_f32f32_tf32f32", (), "products"),
        ("void cudnn::bn_fw_tr_1C11_singleread", (), "batch norm"),
        ("sm90_xmma_dgrad_implicit_gemm_indexed_bf16", (), "convolutions"),
        ("aten::strange", ("aten::stranger",), "other"),
    ],
)
def test_groups_of_operations(name, callers, expected):
    assert group(name, callers) == expected
