"""The settings of trials: the same for a trial's number, however the search came to it, and kept by optuna."""

import math
import time
import warnings

import pytest
from full_disk import full_disk
from optuna.trial import TrialState
from scipy import stats

from gan_zoo import GanZooError
from gan_zoo.errors import StorageError
from gan_zoo.search import studies
from gan_zoo.search.space import Range, Space
from gan_zoo.search.studies import JOURNAL, Studies, derived

SPACE = Space(
    {"lr": Range(low=1e-5, high=1e-2, log=True), "beta1": Range(low=0.0, high=1.0), "norm": ("batch", "none")}, kept={}
)


def test_a_trial_has_its_settings_whatever_was_drawn_before_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = Studies(tmp_path / "a", seed=3)
    expected = {name: whole.trials(name, SPACE, 6) for name in ("gan", "cgan")}
    assert expected["gan"] != expected["cgan"]
    for count in (1, 4, 6):
        for name in ("cgan", "gan"):
            assert Studies(tmp_path / "b", seed=3).trials(name, SPACE, count) == expected[name][:count]
    assert Studies(tmp_path / "b", seed=3).trials("gan", SPACE, 2) == expected["gan"][:2]


def test_another_seed_gives_other_trials(tmp_path):
    (tmp_path / "b").mkdir()
    assert Studies(tmp_path, seed=0).trials("gan", SPACE, 3) != Studies(tmp_path / "b", seed=1).trials("gan", SPACE, 3)
    assert len({derived(seed, name, number) for seed in range(9) for name in "abc" for number in range(9)}) == 243


def test_the_draws_are_uniform_on_the_scale_that_is_declared(tmp_path):
    drawn = Studies(tmp_path, seed=0).trials("gan", SPACE, 400)
    rates = [(math.log10(params["lr"]) + 5) / 3 for params in drawn]
    for values in (rates, [params["beta1"] for params in drawn]):
        assert stats.kstest(values, "uniform").pvalue > 0.001
    batch = sum(params["norm"] == "batch" for params in drawn)
    assert stats.binomtest(batch, 400, 0.5).pvalue > 0.001
    assert all(params["beta1"] < 1 for params in drawn)


def test_what_is_on_record_is_kept(tmp_path, monkeypatch):
    first = Studies(tmp_path, seed=0).trials("gan", SPACE, 2)
    monkeypatch.setattr(studies, "derived", lambda _seed, _name, number: number)
    again = Studies(tmp_path, seed=0).trials("gan", SPACE, 3)
    assert again[:2] == first


def test_ends_are_told_once(states, tmp_path):
    found = Studies(tmp_path, seed=0)
    found.trials("gan", SPACE, 3)
    found.tell("gan", 0, 12.5)
    found.tell("gan", 0, 99.0)
    found.tell("gan", 2, None)
    again = Studies(tmp_path, seed=0)
    again.trials("gan", SPACE, 3)
    again.tell("gan", 2, 3.0)
    expected = [(0, TrialState.COMPLETE, 12.5), (1, TrialState.RUNNING, None), (2, TrialState.FAIL, None)]
    assert states(tmp_path, "gan") == expected


def test_a_journal_on_a_full_disk_is_named_and_resumed(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = Studies(tmp_path / "whole", seed=0).trials("gan", SPACE, 3)
    found = Studies(tmp_path, seed=0)
    with full_disk(1000), pytest.raises(StorageError, match=str(tmp_path / JOURNAL)):
        found.trials("gan", SPACE, 3)
    again = Studies(tmp_path, seed=0)
    assert again.trials("gan", SPACE, 3) == whole
    with full_disk(1000), pytest.raises(StorageError, match=str(tmp_path / JOURNAL)):
        again.tell("gan", 0, 12.5)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_journal_that_a_kill_cut_off_is_gone_on_with(states, tmp_path, cut):
    whole = Studies(tmp_path, seed=0).trials("gan", SPACE, 3)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-cut])
    again = Studies(tmp_path, seed=0)
    assert again.trials("gan", SPACE, 4)[:3] == whole
    again.tell("gan", 3, 1.0)
    assert [number for number, *_ in states(tmp_path, "gan")] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _whole: b"no journal\n",
        lambda _whole: b"no journal",
        lambda _whole: b"\x80\x00\xff\n\x00",
        lambda _whole: b"3\n",
        lambda whole: whole.replace(b'"op_code"', b'"code"', 1),
        lambda whole: whole + b"\xff\n",
    ],
    ids=["text", "text in one line", "binary", "JSON", "no operation", "damaged end"],
)
def test_a_damaged_journal_is_one_line_and_stays(tmp_path, damage):
    Studies(tmp_path, seed=0).trials("gan", SPACE, 2)
    studies.check(tmp_path)
    journal = tmp_path / JOURNAL
    damaged = damage(journal.read_bytes())
    journal.write_bytes(damaged)
    with pytest.raises(GanZooError, match=r"optuna\.journal is damaged \(.*\); name another --out$") as error:
        studies.check(tmp_path)
    assert "\n" not in str(error.value)
    assert journal.read_bytes() == damaged


@pytest.mark.parametrize("cut", [0, 1, 40, 200])
def test_what_a_kill_leaves_is_no_damage(tmp_path, cut):
    studies.check(tmp_path)
    Studies(tmp_path, seed=0).trials("gan", SPACE, 2)
    journal = tmp_path / JOURNAL
    text = journal.read_bytes()
    journal.write_bytes(text[: len(text) - cut])
    studies.check(tmp_path)
    assert journal.read_bytes() == text[: len(text) - cut]


def test_a_lock_that_a_kill_left_is_no_wait(tmp_path):
    Studies(tmp_path, seed=0).trials("gan", SPACE, 1)
    (tmp_path / f"{JOURNAL}.lock").symlink_to(tmp_path / JOURNAL)
    before = time.monotonic()
    Studies(tmp_path, seed=0).trials("gan", SPACE, 2)
    assert time.monotonic() - before < 10


def test_optuna_says_nothing(tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=UserWarning)
        found = Studies(tmp_path, seed=0)
        found.trials("gan", SPACE, 2)
        found.tell("gan", 0, None)
    assert capfd.readouterr() == ("", "")
