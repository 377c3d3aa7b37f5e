"""Packed records: the same tables and report as the records that they replace, and runs that need not be repeated."""

import lzma
import re
import shutil

import pandas as pd
import pytest
from results_folders import assert_same_tables

from gan_zoo.bench import packed
from gan_zoo.bench.artifacts import unreadable
from gan_zoo.bench.folder import pack, read_runs
from gan_zoo.bench.tables import read_results, write_tables
from gan_zoo.errors import DamagedFileError, GanZooError
from gan_zoo.report.sheets import sheets

ROWS = [
    {"row": "begin", "seed": 0, "measurement": "01234567", "digest": "1e234567", "note": None, "budget": {"images": 9}},
    {"row": "history", "step": 1, "values": {"loss": 0.123456789, "nothing": None}},
    {"row": "metrics", "step": 1, "values": {"fid": 0.12345678901234567, "is": float("1e-30")}, "deviations": ["a, b"]},
    {"row": "end", "status": "ok", "message": '"quoted", and\nbroken', "empty": "", "title": "=1+1", "paper": "-x"},
]


def test_rows_are_read_as_they_were_written_but_for_digits_of_history(tmp_path):
    packed.write(tmp_path / "x.csv.xz", [("one", ROWS), ("two", ROWS[:1])])
    rounded = [*ROWS]
    rounded[1] = ROWS[1] | {"values": {"loss": 0.12346, "nothing": None}}
    assert list(packed.read(tmp_path / "x.csv.xz")) == [*(("one", row) for row in rounded), ("two", ROWS[0])]
    frame = pd.read_csv(tmp_path / "x.csv.xz")
    assert not frame["title"].dropna().str.startswith("=").any()
    assert frame.loc[frame["row"] == "metrics", "values/fid"].item() == 0.12345678901234567


@pytest.mark.parametrize("content", [b"", b"no table", b"\xfd7zXZ\x00\x00"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "x.csv.xz").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"x\.csv\.xz"):
        list(packed.read(tmp_path / "x.csv.xz"))


def test_a_small_file_that_unpacks_to_more_than_any_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_LARGEST", 1000)
    (tmp_path / "x.csv.xz").write_bytes(lzma.compress(b"run,row\n" + 500 * b"a,begin\n"))
    with pytest.raises(DamagedFileError, match=r"x\.csv\.xz"):
        list(packed.read(tmp_path / "x.csv.xz"))


def test_a_packed_folder_has_the_same_tables_and_images_and_trains_nothing_again(bench, tmp_path):
    out = bench(seeds=[0]).folder
    before_packing = sheets(out, read_results(out))
    assert before_packing.frames
    whole = shutil.copytree(out, tmp_path / "whole")
    pack(out)
    assert not list(out.glob("records/*.jsonl"))
    write_tables(out)
    assert_same_tables(whole, out, ("runs", "metrics", "summary"))
    history = [pd.read_csv(folder / "history.csv") for folder in (whole, out)]
    pd.testing.assert_frame_equal(*history, rtol=1e-4)
    results = read_results(out)
    assert sheets(out, results) == before_packing
    assert unreadable(out, results.manifest, results.records) == []
    next(out.glob("records/*/*.png")).unlink()
    assert len(unreadable(out, results.manifest, results.records)) == 1
    before = {run.name: run.end for run in read_runs(out)}
    # What a kill while it was unpacked leaves is no run.
    name = next(iter(before))
    (out / "records" / f".{name}.jsonl.part").write_text("half a row")
    bench(seeds=[0])
    assert not (out / packed.PACKED).exists()
    assert {run.name: run.end for run in read_runs(out)} == before


def test_a_folder_of_the_first_schema_is_refused_until_its_records_are_moved(bench):
    outcome = bench(seeds=[0])
    out, manifest = outcome.folder, outcome.results.manifest
    for path in (*out.glob("records/*.jsonl"), out / "manifest.json"):
        former = path.read_text().replace('"file":"records/', '"file":"cells/').replace('"runs":', '"cells":')
        path.write_text(re.sub(r',"(crc|digest)":"[0-9a-f]*"', "", former))
    (out / "records").rename(out / "cells")
    for use in (lambda: read_runs(out), lambda: bench(seeds=[0])):
        with pytest.raises(GanZooError, match="rename its folder cells to records"):
            use()
    (out / "cells").rename(out / "records")
    assert sheets(out, read_results(out)).frames
    assert unreadable(out, manifest, read_runs(out)) == []
