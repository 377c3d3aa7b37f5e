"""Interleaved rounds: what is timed, what is discarded, and the rows of the table."""

import os

import pytest
import torch

from benchmarks.speed import measure, timed_modes
from benchmarks.speed.baseline_loop import Training
from benchmarks.speed.measure import Setting, Timing, Timings, cpu_seconds, modes_of, others_share, rows_of
from benchmarks.speed.roofline import Cost
from benchmarks.speed.timed_modes import BaselineMode, EngineMode, ModeProcess
from gan_zoo import data, registry
from gan_zoo.errors import GanZooError

COST = Cost(flops=6_000_000_000, activations=10e6, weights=5e6, optimizer=40_000_000)


def timings(*rounds, variant="gan"):
    """Rounds of a variant at given ms a step: a dict a round, with the share of other processes under ``others``."""
    made = []
    for one in rounds:
        others = one.get("others", 0.0)
        modes = {mode: milliseconds for mode, milliseconds in one.items() if mode != "others"}
        workers = {mode: {0: 512e3 / ms, 2: 256e3 / ms} if mode == "tutorial" else {} for mode, ms in modes.items()}
        made.append({mode: Timing(512e3 / ms, ms, others, workers[mode]) for mode, ms in modes.items()})
    facts = {"peak_memory_bytes": 2**30, "warm_up_seconds": 0.5, "note": ""}
    return Timings(variant, made, {mode: dict(facts) for mode in made[0]})


def rows(made):
    return {row["mode"]: row for row in rows_of(made, COST)}


def test_ratios_are_taken_within_a_round():
    one, two, three = {"tutorial": 100, "exact": 20}, {"tutorial": 200, "exact": 50}, {"tutorial": 120, "exact": 40}
    found = rows(timings(one, two, three))
    exact = found["exact"]
    assert (exact["ratio_median"], exact["ratio_min"], exact["ratio_max"]) == pytest.approx((4.0, 3.0, 5.0))
    assert found["tutorial"]["ratio_median"] == found["tutorial"]["ratio_max"] == 1.0
    assert (exact["ms_per_step"], exact["rounds"]) == (40, 3)
    assert exact["images_per_second"] == pytest.approx(512e3 / 40)
    assert exact["flops_per_second"] == pytest.approx(6e9 / 40e-3)
    assert found["tutorial"]["workers"] == 0


def test_disturbed_rounds_are_discarded_and_counted():
    made = timings({"exact": 10}, {"exact": 12}, {"exact": 99, "others": 0.06})
    assert not made.noisy
    row = rows(made)["exact"]
    assert (row["ms_per_step"], row["rounds"], row["discarded"], row["noisy"]) == (11, 2, 1, False)


def test_if_most_rounds_are_disturbed_the_table_is_noisy():
    one = timings({"exact": 10}, {"exact": 50, "others": 0.5}, {"exact": 60, "others": 0.5})
    assert one.noisy
    assert rows(one)["exact"]["ms_per_step"] == 10
    none = timings({"exact": 50, "others": 0.5}, {"exact": 60, "others": 0.5})
    assert none.noisy
    assert rows(none)["exact"]["ms_per_step"] == 55


def test_a_variant_without_a_baseline_has_no_ratio():
    found = rows(timings({"exact": 10, "fast": 5}, variant="dcgan28"))
    assert {row["ratio_median"] for row in found.values()} == {None}
    assert found["fast"]["flops_per_byte"] == 6e9 / (2 * 15e6 + 40e6)


def test_modes_of_a_variant():
    assert modes_of("gan", "cpu") == ["tutorial", "in_memory", "exact", "fast"]
    assert modes_of("dcgan28", "cuda") == ["exact", "tf32", "fast"]


def test_rounds_continue_until_enough_are_clean_up_to_a_cap(monkeypatch):
    disturbed, clean = (timings({"exact": 10, "others": others}).rounds[0]["exact"] for others in (0.5, 0.0))

    class FakeProcess:
        def __init__(self, mode, *_):
            self.mode = mode
            self.facts = {}

        def await_start(self):
            pass

    monkeypatch.setattr(measure, "ModeProcess", FakeProcess)
    monkeypatch.setattr(measure, "modes_of", lambda *_: ["exact"])

    def rounds(*turns):
        left = iter(turns)
        monkeypatch.setattr(measure, "timed", lambda *_: next(left))
        return measure.interleaved("gan", Setting("cpu", 1, 0.1, 2), float("inf")).rounds

    assert len(rounds(clean, clean, clean)) == 2
    assert len(rounds(clean, disturbed, clean, clean)) == 3
    assert len(rounds(*[disturbed] * 9)) == 6


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
    mode = BaselineMode(Training("gan", torch.device("cpu")), lambda _: lambda: [batch])
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
