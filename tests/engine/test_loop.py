"""Budgets, milestones, history, the clock, and how a run may end."""

import math
import time
from dataclasses import replace

import pytest
import torch

from gan_zoo import losses
from gan_zoo.device import _CLEAR_REFS, peak_memory
from gan_zoo.engine import Budget, advance, draw, flush, init, train_run, train_to
from gan_zoo.engine.loop import HISTORY_INTERVAL
from gan_zoo.engine.sampler import Sampler
from gan_zoo.errors import GanZooError
from gan_zoo.losses import Result
from gan_zoo.optimizer import Optimizer


def _begun(variant, data):
    return init(variant, data, seed=0)


def _reached(state, budget, fractions):
    return [(fraction, state.iterations, state.images) for fraction in train_to(state, budget, fractions)]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        # An epoch of 21 is 8, 8, 5: the images after each round are 8 16 21 29 37 42 50 58 63 71 79 84.
        (Budget("images", 84), [(0.1, 2, 16), (0.25, 3, 21), (0.5, 6, 42), (1.0, 12, 84)]),
        (Budget("images", 60), [(0.1, 1, 8), (0.25, 2, 16), (0.5, 5, 37), (1.0, 9, 63)]),
        (Budget("epochs", 4), [(0.1, 2, 16), (0.25, 3, 21), (0.5, 6, 42), (1.0, 12, 84)]),
        (Budget("epochs", 1.5), [(0.1, 1, 8), (0.25, 1, 8), (0.5, 2, 16), (1.0, 5, 37)]),
        (Budget("steps", 10), [(0.1, 1, 8), (0.25, 3, 21), (0.5, 5, 37), (1.0, 10, 71)]),
    ],
    ids=str,
)
def test_a_milestone_is_the_first_round_that_reaches_it(tiny, numbered, budget, expected):
    assert _reached(init(tiny(), numbered(21), seed=0), budget, (0.1, 0.25, 0.5, 1.0)) == expected


def test_images_are_those_of_every_discriminator_step(tiny, numbered):
    """Three steps of 8, 8, 5 a round: 21 images."""
    state = init(tiny(discriminator_steps=3), numbered(21), seed=0)
    assert _reached(state, Budget("images", 63), (0.5, 1.0)) == [(0.5, 2, 42), (1.0, 3, 63)]
    assert (state.discriminator_steps, state.generator_steps) == (9, 3)


def test_a_second_run_over_the_same_milestones_trains_no_more(tiny, numbered):
    state = init(tiny(), numbered(21), seed=0)
    _reached(state, Budget("steps", 6), (1.0,))
    assert _reached(state, Budget("steps", 6), (0.5, 1.0)) == [(0.5, 6, 42), (1.0, 6, 42)]


def test_seconds_of_training_are_a_budget(tiny, pixels):
    state = init(tiny(), pixels(), seed=0)
    started = time.perf_counter()
    for _ in train_to(state, Budget("seconds", 0.3), (0.5, 1.0)):
        pass
    assert 0.3 <= state.seconds <= time.perf_counter() - started
    assert state.iterations > 0


def test_the_clock_stands_still_at_a_milestone(tiny, pixels):
    started = time.perf_counter()
    run = train_run(
        _begun(tiny(), pixels()), Budget("steps", 4), fractions=(0.5, 1.0), on_milestone=lambda *_: time.sleep(0.4)
    )
    elapsed = time.perf_counter() - started
    assert elapsed > 0.8
    assert 0 < run.seconds < elapsed - 0.8 + 1e-6
    assert run.history["seconds"].iloc[-1] == run.seconds


def test_milestones_are_called_with_the_state_as_it_stands(tiny, pixels):
    seen = []
    budget = Budget("steps", 10)
    run = train_run(
        _begun(tiny(), pixels()),
        budget,
        fractions=(0.3, 1.0),
        on_milestone=lambda state, f: seen.append((f, state.iterations)),
    )
    assert (seen, run.status, run.message) == ([(0.3, 3), (1.0, 10)], "ok", "")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Budget("image", 5), "unknown budget unit 'image'; did you mean 'images'"),
        (lambda: Budget("images", 0), "budget of 0 images"),
        (lambda: Budget("steps", -1), "must be above 0"),
        (lambda: Budget("steps", 2.5), "2.5 steps: steps are whole numbers; use 3"),
        (lambda: Budget("steps", math.nan), "must be above 0"),
        (lambda: Budget("steps", math.inf), "must be above 0"),
        (lambda: Budget.of({}), "exactly one of images, epochs, steps, seconds"),
        (lambda: Budget.of({"images": 5, "steps": 3}), "exactly one"),
        (lambda: Budget.of({"step": 3}), "did you mean 'steps'"),
    ],
)
def test_what_is_no_budget_is_one_clear_line(make, said):
    with pytest.raises(GanZooError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_budget_in_words():
    assert str(Budget.of({"images": 256_000})) == "256,000 images"
    assert str(Budget("epochs", 0.5)) == "0.5 epochs"


@pytest.mark.parametrize("unit", ["steps", "images"])
def test_history_rows_are_the_means_of_fixed_intervals(tiny, pixels, unit):
    """Whatever the budget and the milestones: the steps after the last interval are a row of the run's table alone."""
    slow = Optimizer("SGD", {"lr": 1e-3})
    variant = tiny(generator_optimizer=slow, discriminator_optimizer=slow)
    state, rounds = init(variant, pixels(48), seed=0), 2 * HISTORY_INTERVAL + 7
    single = init(variant, pixels(48), seed=0)
    each = [flush(advance(single, 1)) for _ in range(rounds)]
    reported = []
    budget = Budget(unit, rounds * (8 if unit == "images" else 1))
    run = train_run(
        state, budget, fractions=(6 / rounds, 60 / rounds, 1), on_block=lambda _state, values: reported.append(values)
    )
    ends = [HISTORY_INTERVAL, 2 * HISTORY_INTERVAL]
    assert [row["step"] for row in state.history.rows] == ends
    assert reported == [row["values"] for row in state.history.rows]
    table = run.history
    assert table["step"].tolist() == [*ends, rounds]
    for start, end, (_, row) in zip([0, *ends], table["step"], table.iterrows(), strict=True):
        counts = {name: row[name] for name in ("images", "discriminator_steps", "generator_steps")}
        assert counts == {"images": 8 * end, "discriminator_steps": end, "generator_steps": end}
        for name in each[0]:
            assert row[name] == pytest.approx(sum(values[name] for values in each[start:end]) / (end - start), rel=1e-5)
    assert table["seconds"].is_monotonic_increasing
    assert "values" not in table.columns


@pytest.mark.parametrize("first", [1, HISTORY_INTERVAL - 1, HISTORY_INTERVAL, HISTORY_INTERVAL + 1])
def test_a_larger_budget_goes_on_with_the_same_rows(tiny, pixels, first):
    whole = train_run(_begun(tiny(), pixels()), Budget("steps", 2 * HISTORY_INTERVAL)).state
    state = train_run(_begun(tiny(), pixels()), Budget("steps", first), fractions=(0.5, 1.0)).state
    extended = train_run(state, Budget("steps", 2 * HISTORY_INTERVAL)).state
    rows = [[{**row, "seconds": 0} for row in state.history.rows] for state in (whole, extended)]
    assert len(rows[0]) == 2
    assert rows[0] == rows[1]


def test_on_chunk_comes_between_two_steps_and_may_end_the_training(tiny, pixels):
    state, seen = _begun(tiny(), pixels()), []

    def stop(state):
        seen.append(state.iterations)
        if state.iterations >= 7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train_to(state, Budget("steps", 1000), on_chunk=stop))
    assert seen[0] == 1
    assert seen == sorted(set(seen))
    assert state.iterations == seen[-1] < 50
    assert len(torch.cat(state.history.pending)) == state.iterations


def test_an_injected_draw_is_what_is_trained_on(tiny, pixels):
    drawn = []

    def watched(state):
        drawn.append(draw(state))
        return drawn[-1]

    state = init(tiny(), pixels(), seed=0)
    assert list(train_to(state, Budget("steps", 3), draw=watched)) == [1.0]
    assert len(drawn) == 3


def _nan_from(step_number, player="discriminator"):
    base, calls = losses.cross_entropy(), []

    def loss(step, state):
        calls.append(step)
        result = getattr(base, player)(step, state)
        return result if len(calls) < step_number else Result({k: v * math.nan for k, v in result.terms.items()})

    return replace(base, **{player: loss})


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_is_not_a_number_has_diverged(tiny, pixels, player):
    run = train_run(_begun(tiny(objective=_nan_from(4, player)), pixels()), Budget("steps", 10))
    assert run.status == "diverged"
    assert f"{player}_loss" in run.message
    assert "step 4" in run.message
    assert math.isnan(run.history[f"{player}_loss"].iloc[-1])


def test_a_learning_rate_out_of_all_bounds_diverges(tiny, pixels):
    wild = Optimizer("SGD", {"lr": 1e30})
    run = train_run(_begun(tiny(generator_optimizer=wild, discriminator_optimizer=wild), pixels()), Budget("steps", 10))
    assert run.status == "diverged"


def test_weights_that_blow_up_in_the_last_step_have_diverged_too(tiny, pixels):
    """The losses before that step were finite: it is the milestone's images that show it."""
    wild = Optimizer("SGD", {"lr": math.inf})
    run = train_run(
        _begun(tiny(generator_optimizer=wild), pixels()),
        Budget("steps", 1),
        on_milestone=lambda state, _fraction: Sampler.of(state)(4),
    )
    assert run.history.map(math.isfinite).all(axis=None)
    assert (run.status, "not finite" in run.message) == ("diverged", True)


def _failing(error):
    def fail(_step, _state):
        raise error

    return replace(losses.cross_entropy(), discriminator=fail)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.5 GiB. GPU 0 ... setting PYTORCH_ALLOC_CONF=x"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError("no memory for an array of 9 bytes"),
    ],
)
def test_memory_that_runs_out_is_a_status(tiny, pixels, error):
    run = train_run(_begun(tiny(objective=_failing(error)), pixels()), Budget("steps", 3))
    assert run.status == "out_of_memory"
    assert "--set batch_size=4" in run.message
    assert "PYTORCH_ALLOC_CONF" not in run.message
    assert run.state.iterations == 0


@pytest.mark.skipif(not _CLEAR_REFS.exists(), reason="peak memory of a process is Linux's")
def test_peak_memory_is_that_of_training_alone(tiny, pixels):
    size, seen = 200 * 2**20, []

    def evaluate(state, _fraction):
        block = torch.ones(size // 4)
        seen.append(peak_memory(block.device))

    run = train_run(_begun(tiny(), pixels()), Budget("steps", 20), fractions=(0.5, 1.0), on_milestone=evaluate)
    assert len(seen) == 2
    assert run.state.peak_memory < min(seen) - size / 2


def test_warming_up_is_not_on_the_clock(tiny, pixels, monkeypatch):
    def slow(state, rounds, **_options):
        time.sleep(0.2)
        state.warmup_seconds += 0.2
        return advance(state, rounds)

    monkeypatch.setattr("gan_zoo.engine.loop.advance", slow)
    state = _begun(tiny(), pixels())
    train_run(state, Budget("steps", 1))
    assert state.warmup_seconds == 0.2
    assert 0 < state.seconds < 0.2


def test_a_notice_of_the_engine_is_a_warning(tiny, pixels):
    state = _begun(tiny(), pixels())
    state.notices.append("no graphs")
    with pytest.warns(UserWarning, match="no graphs"):
        train_run(state, Budget("steps", 1))


@pytest.mark.parametrize(
    "error", [ValueError("of the variant"), RuntimeError("shapes"), GanZooError("bad input"), KeyboardInterrupt("stop")]
)
def test_any_other_error_is_raised(tiny, pixels, error):
    with pytest.raises(type(error), match=str(error)):
        train_run(_begun(tiny(objective=_failing(error)), pixels()), Budget("steps", 3))
