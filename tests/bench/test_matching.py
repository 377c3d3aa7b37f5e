"""A variant in two results folders: the same, rerun and different runs, and what is missing or differs."""

import numpy as np
import pytest
from scipy import stats

from gan_zoo.bench.compare import REGRESSION, SAME, compare


def test_the_same_runs_in_two_folders_are_not_tested(write):
    values = {"gan": [20.0, 21.0, 22.0, 23.0]}
    folders = write("a", run="r", **values), write("b", run="r", **values)
    found = compare(folders)
    assert found.contrasts["verdict"].tolist() == [SAME]
    assert "gan: seeds 0, 1, 2, 3 in a and b: the same runs, not tested" in found.notes
    assert found.contrasts[["seeds_earlier", "seeds_later"]].to_numpy().tolist() == [[4, 4]]
    other = compare([folders[0], write("c", **values)])
    assert "gan: seeds 0, 1, 2, 3 in a and c: different runs, tested as independent" in other.notes


def test_runs_of_one_name_with_other_values_are_tested(write):
    old = write("old", run="r", gan=[20.0, 21.0, 22.0, 21.5], cgan=[20.0, 21.0, 22.0])
    new = write("new", run="r", gan=[60.0, 61.0, 62.0, 61.5], cgan=[20.0, 21.0, 22.0])
    found = compare([old, new])
    assert found.contrasts["verdict"].tolist() == [REGRESSION, SAME]
    assert any(
        note.startswith("gan: seeds 0, 1, 2, 3 in old and new: same settings, other values") for note in found.notes
    )
    failed = compare([old, write("failed", run="r", gan=["diverged"] * 4, cgan=[20.0, 21.0, 22.0])])
    assert failed.regressions == ["gan (failed)"]


def test_shared_seeds_are_left_out_and_the_others_are_tested(write):
    old = write("old", run="r", gan=[20.0, 21.0, 22.0, 21.5])
    new = write("new", run="r", gan=[20.0, 61.0, 62.0, 61.5])
    found = compare([old, new])
    row = found.contrasts.iloc[0]
    assert (row["verdict"], row["seeds_earlier"], row["seeds_later"]) == (REGRESSION, 4, 3)
    logs = np.log([61.0, 62.0, 61.5]), np.log([20.0, 21.0, 22.0, 21.5])
    assert row["ratio"] == pytest.approx(np.exp(logs[0].mean() - logs[1].mean()))
    assert row["p"] == pytest.approx(stats.ttest_ind(*logs, equal_var=False).pvalue)
    assert "gan: seed 0 in old and new: the same runs, left out of new in the test" in found.notes


def test_a_failed_later_seed_beside_successful_shared_ones_is_no_loss(write):
    old = write("old", run="r", gan=[20.0, 21.0, 22.0])
    found = compare([old, write("new", run="r", gan=[20.0, 21.0, 22.0, "diverged"])])
    assert found.regressions == []


def test_a_resumed_run_is_neither_shared_nor_different(write):
    old = write("old", run="r", gan=[20.0, None])
    notes = compare([old, write("new", run="r", gan=[20.0, 21.0])]).notes
    assert [note for note in notes if note.startswith("gan: seed")] == [
        "gan: seed 0 in old and new: the same runs, left out of new in the test"
    ]


def test_a_variant_that_a_later_folder_lacks_is_named(write):
    folders = write("a", gan=[20.0], nsgan=[20.0]), write("b", gan=[20.0]), write("c", gan=[20.0], nsgan=[20.0])
    found = compare(folders)
    assert found.missing == ("nsgan (b)",)
    assert "nsgan is in a and not in b" in found.notes
    assert found.contrasts["variant"].tolist() == ["gan", "gan", "nsgan"]
    assert compare([folders[1], folders[2]]).missing == ()


def test_other_settings_and_another_device_are_noted(write):
    found = compare([write("a", gan=[20.0]), write("b", gan=[20.0], settings={"batch_size": 512}, device="cuda")])
    assert "gan differs in settings: batch_size 64 and 512 in a and b" in found.notes
    assert "device: cpu in a and cuda in b" in found.notes


def test_each_later_folder_is_tested_against_the_first_that_has_the_variant(write):
    folders = write("a", gan=[20.0, 21.0]), write("b", gan=[20.0], cgan=[20.0]), write("c", gan=[20.0], cgan=[20.0])
    pairs = compare(folders).contrasts[["variant", "later", "earlier"]].to_numpy().tolist()
    assert pairs == [["gan", "b", "a"], ["gan", "c", "a"], ["cgan", "c", "b"]]
