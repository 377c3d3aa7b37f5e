"""A run with nothing to measure with: it trains, records history and samples, ends well, and says what is missing."""

import re

import pytest

from gan_zoo import api
from gan_zoo.bench import plan as plan_module
from gan_zoo.bench.records import read_cells
from gan_zoo.bench.tables import write_tables
from gan_zoo.report.context import write_report
from gan_zoo.report.findings import ranking_table

WHY = "every measure is left out: there are no labels and no Inception weights"


@pytest.fixture
def folder(tmp_path, toys, suite, no_report, monkeypatch):
    monkeypatch.setattr(plan_module, "_extractors", lambda *_a, **_k: ((), [WHY]))
    return lambda: (
        api.run_suite(suite(), tmp_path / "out", preset="smoke", plugins=[toys], jobs=1, device="cpu")
        and tmp_path / "out"
    )


def test_it_trains_and_says_so(folder):
    out = folder()
    results = write_tables(out)
    assert set(results.runs["status"]) == {"ok"}
    assert len(results.history) > 0
    assert results.metrics.empty
    assert all(cell.samples for cell in read_cells(out) if cell.begin["variant"] != "real")
    table = ranking_table(out)
    assert set(table["variant"].str.rstrip("†")) == {"by_heart", "sibling"}
    assert set(table["rank"]) == {""}


def test_its_report_says_what_is_missing_and_why(folder):
    report = write_report(folder())
    for name in ("report.html", "report.md"):
        said = re.sub(r'base64,[^"]*', "", (report.parent / name).read_text(encoding="utf-8"))
        assert "Nothing was measured" in said
        assert WHY in said
        assert "final FID" not in said
    assert {path.stem for path in (report.parent / "figures").iterdir()} == {"losses", "scores"}


def test_a_run_that_goes_on_ends_well(folder):
    out = folder()
    for path in (out / "cells").glob("by_heart*.jsonl"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if '"row":"end"' not in line) + "\n")
    assert set(write_tables(folder()).runs["status"]) == {"ok"}
