"""The tables of a results folder, from records with known values."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from gan_zoo.bench.results import default_extractor
from gan_zoo.bench.tables import TABLES, tables, write_tables
from gan_zoo.errors import GanZooError

NAMES = ["gan-seed0-aa", "gan-seed1-aa", "gan-seed2-aa", "cgan-seed0-bb", "cgan-seed1-bb", "real-seed0-cc"]


def begin(variant, seed, overrides=()):
    row = {"row": "begin", "variant": variant, "seed": seed, "data": "mnist", "preset": "quick", "title": variant}
    parameters = {"generator": 100, "discriminator": 20} if variant != "real" else {}
    row |= {"score_kind": "probability", "batch_size": 128, "parameters": parameters}
    return row | {"overrides": list(overrides)}


def at(step):
    return {"step": step, "images": step * 10, "seconds": step / 10}


def history(step, loss=0.5):
    counts = {"discriminator_steps": step, "generator_steps": step}
    return {"row": "history", **at(step), **counts, "values": {"generator_loss": loss, "D(real)": 0.7}}


def metrics(step, fid, selection=None, extractor="mnist-cnn", **values):
    row = {"row": "metrics", **at(step), "fraction": step / 100 or 1.0, "extractor": extractor}
    row |= {"num_samples": 2000, "weights": "raw", "reference": "test", "values": {"fid": fid, **values}}
    return row | ({"selection": {"fid": selection}} if selection is not None else {})


def end(status="ok", steps=100):
    row = {"row": "end", "status": status, "message": "" if status == "ok" else "why", "steps": steps}
    row |= {"images": steps * 10, "discriminator_steps": steps, "generator_steps": steps, "seconds": 12.5}
    return row | {"images_per_second": 80.0, "peak_memory_bytes": 1 << 20}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    overridden = begin("cgan", 0, ["batch 128", "narrow"])
    first = [history(50), metrics(50, 25.0, selection=18.0, **{"is": 5.0}), history(100)]
    first += [metrics(100, 20.0, selection=22.0, **{"is": 6.0}), metrics(100, 9.0, extractor="inception")]
    second = [history(100, loss=None), metrics(50, 50.0, selection=50.0)]
    second += [metrics(100, 80.0, selection=80.0, **{"is": 8.0})]
    resumed = [history(60), metrics(60, 999.0, selection=1.0), {"row": "resume", "step": 50}, history(50)]
    runs = {
        # The evaluation at 50 is better on the draw for selection and worse on the reported one.
        "gan-seed0-aa": [begin("gan", 0), *first, end()],
        "gan-seed1-aa": [begin("gan", 1), *second, end()],
        "gan-seed2-aa": [begin("gan", 2), history(40), metrics(40, 7.0, selection=7.0), end("diverged", 45)],
        "cgan-seed0-bb": [overridden, *resumed, metrics(100, 30.0, selection=30.0), end()],
        "cgan-seed1-bb": [overridden | {"seed": 1}, history(30)],
        "real-seed0-cc": [begin("real", 0), metrics(0, 3.0), end(steps=0)],
    }
    (tmp_path / "records").mkdir()
    for name, rows in runs.items():
        (tmp_path / "records" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = {"runs": NAMES, "data": {"name": "mnist", "title": "MNIST"}, "preset": "quick"}
    manifest |= {"variants": ["gan", "cgan", "real"], "seeds": [0, 1, 2]}
    manifest |= {"extractors": {"mnist-cnn": {}, "inception": {}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def line(summary: pd.DataFrame, variant: str, metric: str = "fid", extractor: str = "mnist-cnn") -> pd.Series:
    rows = summary.query("variant == @variant and metric == @metric and extractor == @extractor")
    assert len(rows) == 1
    return rows.iloc[0]


def test_runs_have_a_row_per_run_of_any_status(folder):
    runs = tables(folder)["runs"].set_index("run")
    assert list(runs.index) == NAMES
    assert list(runs["status"]) == ["ok", "ok", "diverged", "ok", "unfinished", "ok"]
    assert runs.loc["gan-seed0-aa", ["parameters", "overrides"]].tolist() == [120, ""]
    assert runs.loc["gan-seed2-aa", "message"] == "why"
    assert runs.loc["cgan-seed1-bb", ["steps", "overrides"]].tolist() == [30, "batch 128; narrow"]
    assert set(runs["precision"]) == {"fp32"}  # older records have none


def test_best_is_selected_on_one_draw_and_reported_on_the_other(folder):
    runs = tables(folder)["runs"].set_index("run")
    first = runs.loc["gan-seed0-aa"]
    assert (first["best_step"], first["best_fid_mnist-cnn"], first["final_fid_mnist-cnn"]) == (50, 25.0, 20.0)
    assert (first["best_is_mnist-cnn"], first["final_is_mnist-cnn"]) == (5.0, 6.0)
    assert first["final_fid_inception"] == 9.0
    # A seed that did not reach the end has no final value.
    assert runs.loc["gan-seed2-aa", "best_fid_mnist-cnn"] == 7.0
    assert math.isnan(runs.loc["gan-seed2-aa", "final_fid_mnist-cnn"])


def test_summary_leaves_failures_out_of_the_mean_and_counts_them(folder):
    row = line(tables(folder)["summary"], "gan")
    assert row["mean"] == pytest.approx(math.sqrt(20.0 * 80.0))
    assert (row["seeds"], row["failures"], row["unfinished"], row["method"]) == (2, 1, 0, "t on log")
    # t(1) at 97.5% is 12.7062; the deviation of two logarithms is |difference| / sqrt 2, their error |difference| / 2.
    half = 12.706204736174698 * math.log(4.0) / 2
    assert (row["low"], row["high"]) == (pytest.approx(40 * math.exp(-half)), pytest.approx(40 * math.exp(half)))
    assert row["median"] == 50.0
    assert row["best_mean"] == pytest.approx(math.sqrt(25.0 * 50.0))
    one = line(tables(folder)["summary"], "cgan")
    assert one[["mean", "seeds", "failures", "unfinished", "method"]].tolist() == [30.0, 1, 0, 1, "one seed"]
    assert math.isnan(one["low"])


def test_rows_voided_by_a_resume_are_left_out(folder):
    found = tables(folder)
    mine = found["metrics"].query("variant == 'cgan'")
    assert list(mine["value"]) == [30.0]
    assert list(found["history"].query("variant == 'cgan' and seed == 0")["step"]) == [50]


def test_extractors_share_no_row_and_no_column(folder):
    found = tables(folder)
    assert line(found["summary"], "gan", extractor="inception")["mean"] == 9.0
    assert "fid" not in found["runs"].columns
    assert default_extractor({"extractors": {"inception": {}, "digits-cnn": {}}}) == "digits-cnn"


def test_columns(folder):
    found = tables(folder)
    time = ["step", "images", "seconds", "discriminator_steps", "generator_steps"]
    expected = ["variant", "seed", *time, "metric", "extractor", "num_samples", "value"]
    assert list(found["metrics"].columns[:11]) == expected
    for frame in found.values():
        assert {"variant", "data", "preset", "precision", "overrides"} <= set(frame.columns)
    assert math.isnan(found["history"].query("variant == 'gan' and seed == 1")["generator_loss"].iloc[0])


def test_files_are_identical_each_time_and_hold_the_tables(folder):
    written = write_tables(folder)
    first = {name: (folder / f"{name}.csv").read_bytes() for name in TABLES}
    write_tables(folder)
    assert {name: (folder / f"{name}.csv").read_bytes() for name in TABLES} == first
    for name in TABLES:
        frame = getattr(written, name)
        read = pd.read_csv(folder / f"{name}.csv", dtype=frame.dtypes.to_dict())
        texts = frame.select_dtypes(exclude="number").columns
        read[texts] = read[texts].fillna("")
        pd.testing.assert_frame_equal(read, frame)


def test_a_folder_without_a_finished_run_gives_empty_tables(folder):
    for path in (folder / "records").iterdir():
        path.unlink()
    assert write_tables(folder).runs.empty


def test_bad_folders(folder, tmp_path):
    with pytest.raises(GanZooError, match="does not exist"):
        tables(tmp_path / "nowhere")
    (folder / "manifest.json").write_text('{"runs": [')
    with pytest.raises(GanZooError, match="damaged"):
        tables(folder)
