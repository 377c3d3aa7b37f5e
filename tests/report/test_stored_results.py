"""Results of earlier versions are read: their records give the numbers of the tables that are stored beside them."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from gan_zoo.bench.compare import compare
from gan_zoo.bench.folder import damages
from gan_zoo.bench.records import current
from gan_zoo.bench.tables import write_tables

RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = ["toy/mixture1d", "dcgan-rules-quick", "least-squares-quick", "precision/fp32", "mnist-quick"]


@pytest.mark.parametrize("name", FOLDERS)
def test_stored_tables_are_those_of_the_records(tmp_path, name):
    """Columns may have been added or renamed since."""
    stored = RESULTS / name
    shutil.copytree(stored, tmp_path / "copy", ignore=shutil.ignore_patterns("*.png", "*.html", "*.csv"))
    write_tables(tmp_path / "copy")
    read = {"dtype": str, "keep_default_na": False}
    for path in sorted(stored.glob("*.csv")):
        before, now = (pd.read_csv(folder / path.name, **read) for folder in (stored, tmp_path / "copy"))
        before.columns = list(current(dict.fromkeys(before.columns)))
        assert set(before.columns) <= set(now.columns)
        pd.testing.assert_frame_equal(now[before.columns], before)
    assert damages(tmp_path / "copy") == []


def test_stored_results_are_compared():
    found = compare([RESULTS / "precision" / "fp32", RESULTS / "precision" / "bf16"], ["precision"])
    assert set(found.ranking["folder"]) == {"fp32", "bf16"}
    assert found.ranking["mean"].notna().any()
    assert not [note for note in found.notes if "damaged" in note]
