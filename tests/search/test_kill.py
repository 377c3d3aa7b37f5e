"""kill -9 in the middle of a real `gan-zoo search` with worker processes, and the same command again."""

import pandas as pd
import pytest
from killing import kill_when, kinds, rows

from gan_zoo.search import search_suite

LONG = (("images = 160", "images = 3200"), ("[0.4, 1.0]", "[0.2, 0.4, 0.6, 0.8, 1.0]"))


def a_trial_is_done_and_one_is_half_way(runs):
    trials = {name: run for name, run in runs.items() if "_trial" in name}
    done = any(kinds(run, "end") for run in trials.values())
    # The first checkpoint is written between the first two evaluations.
    return done and any(len(kinds(run, "metrics")) > 1 and not kinds(run, "end") for run in trials.values())


@pytest.mark.slow
def test_a_killed_search_is_resumed(suite, toys, tmp_path):
    out, settings = tmp_path / "out", {"trials": 2, "preset": "smoke", "plugins": [toys], "threads": 1}
    words = ["search", suite(*LONG), "--preset", "smoke", "--plugin", toys, "--out", out, "--threads", "1"]
    kill_when(a_trial_is_done_and_one_is_half_way, out / "trials", [*words, "--trials", "2", "--jobs", "2"])
    before = rows(out / "trials")
    finished = {name for name, run in before.items() if kinds(run, "end")}
    begun = {name for name in before if "_trial" in name}
    assert begun & finished
    assert begun - finished

    search_suite(suite(*LONG), out, jobs=1, **settings)
    search_suite(suite(*LONG), tmp_path / "whole", jobs=1, **settings)
    after = rows(out / "trials")
    assert set(after) == set(rows(tmp_path / "whole" / "trials")), "the same settings, and so the same runs"
    for name in finished:
        assert after[name] == before[name]
    assert any(kinds(after[name], "resume") for name in begun - finished)
    for name in ("trials", "curve", "search"):
        frames = [
            pd.read_csv(folder / f"{name}.csv").drop(columns="seconds", errors="ignore")
            for folder in (out, tmp_path / "whole")
        ]
        pd.testing.assert_frame_equal(*frames)
    assert (out / "winners.toml").read_bytes() == (tmp_path / "whole" / "winners.toml").read_bytes()
