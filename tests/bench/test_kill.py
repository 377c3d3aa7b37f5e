"""kill -9 in the middle of a real `gan-zoo bench` with worker processes, and the same command again."""

import pytest
from killing import kill_when, kinds, rows
from results_folders import assert_same_tables

from gan_zoo import GanZooError

pytestmark = pytest.mark.slow

LONG = (("images = 160", "images = 4800"), ("[0.4, 1.0]", "[0.2, 0.4, 0.6, 0.8, 1.0]"))


def a_run_is_done_and_one_is_half_way(runs):
    done = any(kinds(rows, "end") for name, rows in runs.items() if not name.startswith("real"))
    # The first checkpoint is written between the first two evaluations.
    return done and any(len(kinds(rows, "metrics")) > 1 and not kinds(rows, "end") for rows in runs.values())


def test_a_killed_bench_resumes(bench, suite, toys, tmp_path):
    out = tmp_path / "out"
    options = ["--preset", "smoke", "--threads", "1", "--jobs", "2"]
    kill_when(a_run_is_done_and_one_is_half_way, out, ["bench", suite(*LONG), "--plugin", toys, "--out", out, *options])
    before = rows(out)
    finished = {name for name, run in before.items() if kinds(run, "end")}
    trained = {name for name in before if not name.startswith("real")}
    assert trained & finished
    assert trained - finished

    bench("out", *LONG, threads=1)
    bench("whole", *LONG, threads=1)
    after = rows(out)
    assert all(len(kinds(run, "end")) == 1 for run in after.values())
    for name in finished:
        assert after[name] == before[name]
        assert len(kinds(after[name], "begin")) == 1
    assert any(kinds(after[name], "resume") for name in trained - finished)
    assert_same_tables(out, tmp_path / "whole", ("metrics", "summary", "history"))


DEADLY = """

from dataclasses import replace
import os

from gan_zoo.registry import get

calls = []


def die(*_):
    calls.append(1)
    if len(calls) > {after}:
        os.kill(os.getpid(), 9)


@register("deadly")
def deadly():
    return replace(get("sibling"), {part}=die)
"""


@pytest.mark.parametrize(("part", "after"), [("networks", 0), ("after_discriminator_step", 2)])
def test_a_run_whose_process_is_killed_is_an_error_and_the_others_go_on(bench, toys, tmp_path, part, after):
    toys.write_text(toys.read_text() + DEADLY.format(part=part, after=after), encoding="utf-8")
    outcome = bench("out", ('"by_heart"', '"deadly"'), jobs=2)
    why = "its process was killed, probably for memory before the run did; the same command runs it again"
    assert sorted(outcome.errors) == [f"deadly seed {seed}: {why}" for seed in (0, 1)]
    runs = outcome.results.runs.set_index("variant")
    assert runs.loc["deadly", "status"].tolist() == ["error", "error"]
    assert set(runs.loc[["real", "sibling"], "status"]) == {"ok"}
    dead = [run for name, run in rows(tmp_path / "out").items() if name.startswith("deadly")]
    assert [len(kinds(run, "end")) for run in dead] == [1, 1], "a killed run is not tried again in the same run"


LATE = """

import os

from gan_zoo.bench.callbacks import ProgressFile

ProgressFile.end = lambda *_: os._exit(3)
"""


def test_a_run_that_has_ended_is_no_error_if_its_process_dies_before_reporting_it(bench, toys, tmp_path):
    toys.write_text(toys.read_text() + LATE, encoding="utf-8")
    outcome = bench("out", ('"by_heart", "sibling"', '"by_heart"'), jobs=2)
    assert outcome.errors == ()
    assert set(outcome.results.runs["status"]) == {"ok"}
    assert [len(kinds(run, "end")) for run in rows(tmp_path / "out").values()] == [1] * 4


def test_what_a_worker_cannot_do_is_one_line(bench, toys):
    """A variant that is another one in every process."""
    text = toys.read_text().replace("import torch\n", "import os\n\nimport torch\n", 1)
    toys.write_text(text.replace("batch_size=32", "batch_size=32 + os.getpid()"), encoding="utf-8")
    with pytest.raises(GanZooError, match="has another identity in a worker process"):
        bench("out", ("batch_size = 16\n", ""), jobs=2)
