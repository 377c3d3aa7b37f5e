"""What a suite shows while it runs: bars on a terminal, lines without one."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gan_zoo import registry
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.records import records_path
from gan_zoo.bench.suite import read_suite
from gan_zoo.bench.train import single_options, single_suite
from gan_zoo.cli import console
from gan_zoo.cli.cluster import ClusterListener
from gan_zoo.cli.console import BenchListener
from gan_zoo.options import Budget, DataOptions, RunOptions

VALUES = {"discriminator_loss": 0.5, "generator_loss": 1.25}


@pytest.fixture
def plan(suite, toys):
    return make_plan(RunOptions(suite=read_suite(suite()), preset="smoke", plugins=(toys,), device="cpu", jobs=2))


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(console.time, "monotonic", lambda: Clock.now)
    return Clock


def listener(*, terminal=False):
    output = io.StringIO()
    return BenchListener(Console(width=80, file=output, force_terminal=terminal)), output


def runs(plan):
    return [run for run in plan.runs() if run.variant is not None]


def test_a_line_every_ten_seconds_has_what_is_trained_and_how_far(plan, clock, tmp_path):
    one, output = listener()
    first, second, *_ = runs(plan)
    one.plan(plan, tmp_path, runs(plan))
    head = output.getvalue()
    one.begin(first)
    one.begin(second)
    for seconds, share in ((3, 0.1), (6, 0.2), (12, 0.4), (15, 0.5), (23, 0.8), (33, None), (43, 0.9)):
        clock.now = 1000.0 + seconds
        if share is None:
            one.evaluate(first)
        else:
            one.block(first, share, 800.0, VALUES)
        one.tick()
    lines = output.getvalue().removeprefix(head).splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"{first.title} {share}, {second.title} 0%" for share in ("40%", "80%", "80% (evaluating)", "90%")
    ]
    # A fifth of the four runs took 23 s, so the rest takes four times as long.
    assert lines[1].endswith("0 of 4 runs ended, 23 s, about 92 s left")


def test_a_run_counts_by_the_time_that_it_takes(plan, clock, tmp_path):
    one, output = listener(terminal=True)
    slow = next(run for run in runs(plan) if run.variant_name == "sibling")
    with one:
        one.plan(plan, tmp_path, runs(plan))
        one.estimate("by_heart", 60.0)
        assert "estimate:" not in output.getvalue()
        one.estimate("sibling", 240.0)
        # Two seeds of each, two at a time.
        assert "estimate: about 5.0 min of training" in output.getvalue()
        one.begin(slow)
        one.block(slow, 0.5, 800.0, VALUES)
        (bar,) = [task for task in one.bars.tasks if task.description == "all runs"]
        assert bar.percentage == pytest.approx(100 * 120 / 600)


def test_bars_fit_eighty_columns(plan, clock):
    one, _ = listener(terminal=True)
    with one:
        one.plan(plan, Path("runs/out"), runs(plan))
        for run in runs(plan)[:2]:
            one.begin(run)
            one.block(run, 0.33, 12_345.0, VALUES)
        one.bars.refresh()
        lines = [line for line in one.console.render_lines(one.bars.get_renderable()) if line]
    text = ["".join(part.text for part in line).rstrip() for line in lines]
    assert len(text) == 3
    assert all(word in text[1] for word in ("by_heart seed 0", "33%", "12,345 images/s", "D 0.50", "G 1.25"))
    assert max(map(len, text)) <= 80
    assert "…" not in "".join(text)


def test_a_single_run_has_one_bar_with_the_time_that_is_left(clock, toys, tmp_path):
    registry.load_plugin(toys)
    suite = single_suite(registry.get("by_heart"), "digits", Budget("images", 64), seed=0, data_options=DataOptions())
    plan = make_plan(single_options(suite, RunOptions(plugins=(toys,), device="cpu")))
    one, output = listener(terminal=True)
    (run,) = runs(plan)
    with one:
        one.plan(plan, tmp_path, [run])
        one.begin(run)
        clock.now += 30.0
        one.block(run, 0.25, 800.0, VALUES)
        (bar,) = [task for task in one.bars.tasks if task.visible]
    assert (bar.description, bar.fields["facts"]) == ("by_heart", "800 images/s  D 0.50  G 1.25  90 s left")
    assert "64 images, seed 0" in output.getvalue()


def test_an_ended_run_has_its_result(bench):
    one, output = listener()
    metrics = bench(listener=one).results.metrics.query("variant == 'sibling' and seed == 1 and metric == 'fid'")
    line = next(line for line in output.getvalue().splitlines() if "sibling seed 1:" in line)
    assert line.startswith("[")
    result = float(line.partition("FID ")[2].split(",")[0])
    assert result == pytest.approx(metrics[metrics["fraction"] == 1]["value"].item(), rel=5e-3)


def test_what_a_resumed_run_had_done_before_takes_no_time(plan, clock, tmp_path):
    one, output = listener()
    (run,) = runs(plan)[:1]
    records_path(tmp_path, run.name).parent.mkdir()
    records_path(tmp_path, run.name).touch()
    one.plan(plan, tmp_path, [run])
    one.begin(run)
    for seconds, share in ((10, 0.8), (20, 0.9)):
        clock.now = 1000.0 + seconds
        one.block(run, share, 800.0, VALUES)
        one.tick()
    assert output.getvalue().splitlines()[-1].endswith("20 s, about 20 s left")


def test_the_share_of_a_run_that_begins_again_counts_once(plan, clock, tmp_path):
    one, _ = listener()
    first, *_ = runs(plan)
    one.plan(plan, tmp_path, runs(plan))
    for share in (0.4, 0.5):
        # A run whose worker has died begins again from its checkpoint.
        one.begin(first)
        one.block(first, share, 800.0, VALUES)
    total, done, before = one._lengths()
    assert (total, done, before) == (len(runs(plan)), 0.5, 0)


def test_a_cluster_has_a_bar_for_each_variant(plan, clock, tmp_path):
    one = ClusterListener(Console(width=100, file=io.StringIO(), force_terminal=True))
    heart, sibling, *_ = runs(plan)
    with one:
        one.plan(plan, tmp_path, runs(plan))
        one.begin(heart)
        one.begin(sibling)
        clock.now += 30.0
        one.block(sibling, 0.5, 800.0, VALUES)
        # Its node has died: it begins again elsewhere.
        one.begin(sibling)
        one.block(sibling, 0.5, 800.0, VALUES)
        records_path(tmp_path, heart.name).parent.mkdir(parents=True)
        records_path(tmp_path, heart.name).touch()
        one.end(heart, {"status": "error", "message": "why", "seconds": 1.0})
        one.tick()
        shown = {task.description: (task.completed, task.fields["facts"]) for task in one.bars.tasks if task.visible}
    assert shown["by_heart"] == (1.0, "1 of 2 ended, 0 running, 1 failed, about 30 s left")
    assert shown["sibling"] == (0.5, "0 of 2 ended, 1 running, 0 failed, about 90 s left")
