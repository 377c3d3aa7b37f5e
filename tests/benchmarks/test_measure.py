"""Interleaved timing: what is timed, what is discarded, and the rows of the table."""

import math
import os

import pandas as pd
import pytest
import torch

from benchmarks.speed import measure, timed_modes
from benchmarks.speed.baseline_loop import Training
from benchmarks.speed.measure import Setting, cpu_seconds, modes_of, others_share, rows_of
from benchmarks.speed.roofline import Cost
from benchmarks.speed.timed_modes import BaselineMode, EngineMode, ModeProcess, Turn
from gan_zoo import data, registry
from gan_zoo.errors import GanZooError

COST = Cost(flops=6_000_000_000, activations=10e6, weights=5e6, optimizer=40_000_000)


def rows(*repeats, variant="gan"):
    """Rows by mode of repeats at given ms a step, with the share of other processes under ``others``."""
    turns = []
    for repeat, times in enumerate(repeats):
        shared = {"repeat": repeat, "others": times.pop("others", 0.0), "workers": 2}
        turns += [
            {**shared, "mode": mode, "images_per_second": 512e3 / ms, "ms_per_step": ms} for mode, ms in times.items()
        ]
    facts = {mode: {"peak_memory_bytes": 2**30, "warm_up_seconds": 0.5, "note": ""} for mode in times}
    return {row["mode"]: row for row in rows_of(variant, pd.DataFrame(turns), facts, COST)}


def test_ratios_are_taken_within_a_repeat():
    found = rows({"tutorial": 100, "exact": 20}, {"tutorial": 200, "exact": 50}, {"tutorial": 120, "exact": 40})
    exact = found["exact"]
    assert (exact["ratio_median"], exact["ratio_min"], exact["ratio_max"]) == pytest.approx((4.0, 3.0, 5.0))
    assert found["tutorial"]["ratio_median"] == found["tutorial"]["ratio_max"] == 1.0
    assert (exact["ms_per_step"], exact["repeats"]) == (40, 3)
    assert exact["images_per_second"] == pytest.approx(512e3 / 40)
    assert exact["flops_per_second"] == pytest.approx(6e9 / 40e-3)
    assert found["tutorial"]["workers"] == 2


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        ([(10, 0.0), (12, 0.05), (99, 0.06)], (11, 2, 1, False)),
        ([(10, 0.0), (50, 0.5), (60, 0.5)], (10, 1, 2, True)),
        ([(50, 0.5), (60, 0.5)], (55, 2, 2, True)),
    ],
)
def test_disturbed_repeats_are_discarded_and_counted(repeats, expected):
    row = rows(*({"exact": ms, "others": others} for ms, others in repeats))["exact"]
    assert (row["ms_per_step"], row["repeats"], row["discarded"], row["noisy"]) == expected


def test_a_variant_without_a_baseline_has_no_ratio():
    found = rows({"exact": 10, "fast": 5}, variant="dcgan28")
    assert all(math.isnan(row["ratio_median"]) for row in found.values())
    assert found["fast"]["flops_per_byte"] == 6e9 / (2 * 15e6 + 40e6)


def test_modes_of_a_variant():
    assert modes_of("gan", "cpu") == ["tutorial", "in_memory", "exact", "fast"]
    assert modes_of("dcgan28", "cuda") == ["exact", "tf32", "fast"]


def test_it_is_repeated_until_enough_repeats_are_undisturbed_up_to_a_cap(monkeypatch):
    class FakeProcess:
        def __init__(self, mode, *_):
            self.mode = mode
            self.facts = {}

        def await_start(self):
            pass

    monkeypatch.setattr(measure, "ModeProcess", FakeProcess)
    monkeypatch.setattr(measure, "modes_of", lambda *_: ["exact"])

    def repeats(*others):
        left = iter(others)
        monkeypatch.setattr(measure, "timed", lambda *_: {"others": next(left), "ms_per_step": 10.0})
        return len(measure.interleaved("gan", Setting("cpu", 1, 0.1, 2), float("inf"))[0])

    assert repeats(0.0, 0.0, 0.0) == 2
    assert repeats(0.0, 0.5, 0.0, 0.0) == 3
    assert repeats(*[0.5] * 9) == 6


def test_the_fastest_number_of_workers_counts(monkeypatch):
    turns = {0: Turn(2, 1024, 1.0), 2: Turn(3, 1536, 1.0), 4: Turn(2, 1024, 2.0)}

    class FakeMode:
        mode = "tutorial"
        facts = {}  # noqa: RUF012

        def call(self, _function, _seconds, workers):
            return turns[workers], {"note": workers}

    found = measure.timed(FakeMode(), 1.0)
    assert (found["workers"], found["images_per_second"], found["ms_per_step"]) == (2, 1536, pytest.approx(1e3 / 3))


def test_others_are_what_is_used_without_us():
    before = (1000.0, 510.0, 200.0)
    assert others_share(before, (1400.0, 870.0, 540.0)) == pytest.approx(20 / 400)
    # Rounding of clock ticks must not count as less than nothing.
    assert others_share(before, (1400.0, 870.0, 570.0)) == 0.0
    assert others_share(before, before) == 0.0


def test_our_own_time_is_counted():
    before = cpu_seconds()
    started = os.times().user
    while os.times().user - started < 0.2:
        pass
    after = cpu_seconds()
    assert 0.15 < after[2] - before[2] <= after[0] - before[0]


def test_a_turn_of_the_engine_counts_what_it_trains():
    engine = EngineMode(registry.get("gan"), data.load("digits"), "fp32")
    engine.warm_up()
    engine.step_seconds = 1.0
    images = engine.state.images
    turn = engine.turn(1e-9)
    assert turn.steps == 3
    assert turn.images == engine.state.images - images > 512
    assert engine.note == engine.state.execution


def test_a_turn_of_the_baseline_continues_over_epochs():
    batch = (torch.rand(6, 1, 32, 32), torch.arange(6))
    mode = BaselineMode(Training("gan", torch.device("cpu")), lambda _: [batch])
    mode.warm_up()
    turn = mode.turn(1e-9)
    assert (turn.steps, turn.images) == (3, 18)


@pytest.mark.slow
def test_a_process_that_fails_or_dies_is_named():
    with timed_modes.process(1) as executor:
        mode = ModeProcess("exact", "gna", "cpu", executor)
        with pytest.raises(GanZooError, match=r"mode exact: .*'gna'"):
            mode.await_start()
        with pytest.raises(GanZooError, match="mode exact: "):
            mode.call(os._exit)
