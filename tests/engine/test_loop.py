"""Budgets, milestones, history, the clock, the first state, and how a run may end."""

import math
import time
from dataclasses import replace

import pytest
import torch
from states import differing

from gan_zoo import losses
from gan_zoo.device import _CLEAR_REFS, peak_memory
from gan_zoo.engine import Budget, advance, draw, flush, init, loop, start, train_run, train_to
from gan_zoo.engine.loop import HISTORY_INTERVAL, MARGIN
from gan_zoo.engine.sampler import Sampler
from gan_zoo.errors import GanZooError
from gan_zoo.losses import Result
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get
from gan_zoo.validation import random_data


@pytest.fixture
def begun(tiny, pixels):
    """Makes the first state of a tiny variant."""
    return lambda **changes: init(tiny(**changes), pixels(), seed=0)


def _reached(state, budget, fractions):
    return [(fraction, state.iterations, state.images) for fraction in train_to(state, budget, fractions)]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        # An epoch of 21 is 8, 8, 5: the images after each iteration are 8 16 21 29 37 42 50 58 63 71 79 84.
        (Budget("images", 84), [(0.1, 2, 16), (0.25, 3, 21), (0.5, 6, 42), (1.0, 12, 84)]),
        (Budget("images", 60), [(0.1, 1, 8), (0.25, 2, 16), (0.5, 5, 37), (1.0, 9, 63)]),
        (Budget("epochs", 4), [(0.1, 2, 16), (0.25, 3, 21), (0.5, 6, 42), (1.0, 12, 84)]),
        (Budget("epochs", 1.5), [(0.1, 1, 8), (0.25, 1, 8), (0.5, 2, 16), (1.0, 5, 37)]),
        (Budget("steps", 10), [(0.1, 1, 8), (0.25, 3, 21), (0.5, 5, 37), (1.0, 10, 71)]),
    ],
    ids=str,
)
def test_a_milestone_is_the_first_iteration_that_reaches_it(tiny, numbered, budget, expected):
    state = init(tiny(), numbered(21), seed=0)
    assert _reached(state, budget, (0.1, 0.25, 0.5, 1.0)) == expected
    assert _reached(state, budget, (0.5, 1.0)) == [(0.5, *expected[-1][1:]), (1.0, *expected[-1][1:])]


def test_images_are_those_of_every_discriminator_step(tiny, numbered):
    """Three steps of 8, 8, 5 an iteration: 21 images."""
    state = init(tiny(discriminator_steps=3), numbered(21), seed=0)
    assert _reached(state, Budget("images", 63), (0.5, 1.0)) == [(0.5, 2, 42), (1.0, 3, 63)]
    assert (state.discriminator_steps, state.generator_steps) == (9, 3)


def test_seconds_of_training_are_a_budget(begun):
    state = begun()
    started = time.perf_counter()
    list(train_to(state, Budget("seconds", 0.3), (0.5, 1.0)))
    assert 0.3 <= state.seconds <= time.perf_counter() - started
    assert state.iterations > 0


def test_the_clock_is_stopped_at_a_milestone(begun):
    seen = []

    def evaluate(state, fraction):
        seen.append((fraction, state.iterations))
        time.sleep(0.4)

    started = time.perf_counter()
    run = train_run(begun(), Budget("steps", 10), fractions=(0.3, 1.0), on_milestone=evaluate)
    elapsed = time.perf_counter() - started
    assert elapsed > 0.8
    assert 0 < run.seconds < elapsed - 0.8 + 1e-6
    assert run.history["seconds"].iloc[-1] == run.seconds
    assert (seen, run.status, run.message) == ([(0.3, 3), (1.0, 10)], "ok", "")


@pytest.mark.parametrize(
    ("make", "key_words"),
    [
        (lambda: Budget("image", 5), "unknown budget unit 'image'; did you mean 'images'"),
        (lambda: Budget("images", 0), "budget of 0 images"),
        (lambda: Budget("steps", -1), "must be above 0"),
        (lambda: Budget("steps", 1e300), r"above 0, and at most 1e\+15"),
        (lambda: Budget("steps", 2.5), "2.5 steps: steps are whole numbers; use 3"),
        (lambda: Budget("steps", math.nan), "must be above 0"),
        (lambda: Budget("steps", math.inf), "must be above 0"),
        (lambda: Budget.of({}), "exactly one of images, epochs, steps, seconds"),
        (lambda: Budget.of({"images": 5, "steps": 3}), "exactly one"),
        (lambda: Budget.of({"step": 3}), "did you mean 'steps'"),
    ],
)
def test_what_is_no_budget_is_one_clear_line(make, key_words):
    with pytest.raises(GanZooError, match=key_words) as error:
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
    state, single = (init(variant, pixels(48), seed=0) for _ in range(2))
    steps = 2 * HISTORY_INTERVAL + 7
    each = [flush(advance(single, 1)) for _ in range(steps)]
    reported = []
    run = train_run(
        state,
        Budget(unit, steps * (8 if unit == "images" else 1)),
        fractions=(6 / steps, 60 / steps, 1),
        on_block=lambda _state, values: reported.append(values),
    )
    ends = [HISTORY_INTERVAL, 2 * HISTORY_INTERVAL]
    assert [row["step"] for row in state.history.rows] == ends
    assert reported == [row["values"] for row in state.history.rows]
    table = run.history
    assert table["step"].tolist() == [*ends, steps]
    for begin, end, (_, row) in zip([0, *ends], table["step"], table.iterrows(), strict=True):
        counts = {name: row[name] for name in ("images", "discriminator_steps", "generator_steps")}
        assert counts == {"images": 8 * end, "discriminator_steps": end, "generator_steps": end}
        for name in each[0]:
            mean = sum(values[name] for values in each[begin:end]) / (end - begin)
            assert row[name] == pytest.approx(mean, rel=1e-5)
    assert table["seconds"].is_monotonic_increasing
    assert "values" not in table.columns


@pytest.mark.parametrize("first", [1, HISTORY_INTERVAL - 1, HISTORY_INTERVAL, HISTORY_INTERVAL + 1])
def test_a_run_with_a_larger_budget_has_the_same_rows(begun, first):
    whole = train_run(begun(), Budget("steps", 2 * HISTORY_INTERVAL)).state
    state = train_run(begun(), Budget("steps", first), fractions=(0.5, 1.0)).state
    extended = train_run(state, Budget("steps", 2 * HISTORY_INTERVAL)).state
    rows = [[{**row, "seconds": 0} for row in state.history.rows] for state in (whole, extended)]
    assert len(rows[0]) == 2
    assert rows[0] == rows[1]


def test_on_chunk_comes_between_two_steps_and_may_end_the_training(begun):
    state, seen = begun(), []

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


def test_an_injected_draw_is_what_is_trained_on(begun):
    drawn = []

    def noting(state):
        drawn.append(draw(state))
        return drawn[-1]

    assert list(train_to(begun(), Budget("steps", 3), draw=noting)) == [1.0]
    assert len(drawn) == 3


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_is_not_a_number_has_diverged(begun, player):
    base, calls = losses.cross_entropy(), []

    def nan_from_the_fourth(step, state):
        calls.append(step)
        result = getattr(base, player)(step, state)
        return result if len(calls) < 4 else Result({k: v * math.nan for k, v in result.terms.items()})

    run = train_run(begun(objective=replace(base, **{player: nan_from_the_fourth})), Budget("steps", 10))
    assert run.status == "diverged"
    assert f"{player}_loss" in run.message
    assert "step 4" in run.message
    assert math.isnan(run.history[f"{player}_loss"].iloc[-1])


def test_a_learning_rate_out_of_all_bounds_diverges(begun):
    wild = Optimizer("SGD", {"lr": 1e30})
    run = train_run(begun(generator_optimizer=wild, discriminator_optimizer=wild), Budget("steps", 10))
    assert run.status == "diverged"


def test_weights_that_overflow_in_the_last_step_have_diverged_too(begun):
    """The losses before that step were finite: the milestone's images are not."""
    state = begun(generator_optimizer=Optimizer("SGD", {"lr": math.inf}))
    run = train_run(state, Budget("steps", 1), on_milestone=lambda state, _fraction: Sampler.of(state)(4))
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
def test_out_of_memory_is_a_status(begun, error):
    run = train_run(begun(objective=_failing(error)), Budget("steps", 3))
    assert run.status == "out_of_memory"
    assert "--set batch_size=4" in run.message
    assert "PYTORCH_ALLOC_CONF" not in run.message
    assert run.state.iterations == 0


@pytest.mark.parametrize(
    "error", [ValueError("of the variant"), RuntimeError("shapes"), GanZooError("bad input"), KeyboardInterrupt("stop")]
)
def test_any_other_error_is_raised(begun, error):
    with pytest.raises(type(error), match=str(error)):
        train_run(begun(objective=_failing(error)), Budget("steps", 3))


@pytest.mark.skipif(not _CLEAR_REFS.exists(), reason="peak memory of a process is Linux's")
def test_peak_memory_is_that_of_training_alone(begun):
    size, seen = 200 * 2**20, []

    def evaluate(state, _fraction):
        block = torch.ones(size // 4)
        seen.append(peak_memory(block.device))

    run = train_run(begun(), Budget("steps", 20), fractions=(0.5, 1.0), on_milestone=evaluate)
    assert len(seen) == 2
    assert run.state.peak_memory < min(seen) - size / 2


def test_warming_up_is_not_on_the_clock(begun, monkeypatch):
    def slow(state, iterations, **_options):
        time.sleep(0.2)
        state.warmup_seconds += 0.2
        return advance(state, iterations)

    monkeypatch.setattr(loop, "advance", slow)
    state = begun()
    train_run(state, Budget("steps", 1))
    assert state.warmup_seconds == 0.2
    assert 0 < state.seconds < 0.2


def test_a_notice_of_the_engine_is_a_warning(begun):
    state = begun()
    state.notices.append("no graphs")
    with pytest.warns(UserWarning, match="no graphs"):
        train_run(state, Budget("steps", 1))


# The trial before training on CUDA, as far as a CPU can run it.
DCGAN = get("dcgan", width=4, batch_size=8)


def _is_channels_last(state):
    return any(w.dim() == 4 and w.stride(1) == 1 and w.shape[1] > 1 for w in state.networks.discriminator.parameters())


@pytest.mark.parametrize(("other", "chosen"), [(0.5, False), (1 / MARGIN + 0.01, True), (1.5, True)])
def test_the_faster_layout_is_chosen_in_float32(monkeypatch, other, chosen):
    seconds = {True: 1.0, False: other}
    monkeypatch.setattr(loop, "_iteration_seconds", lambda state: seconds[_is_channels_last(state)])
    assert loop._channels_last_is_faster(DCGAN, random_data(32, n=20), 0, "fp32") is chosen


@pytest.mark.parametrize(("name", "precision"), [("dcgan", "bf16"), ("gan", "fp32")])
def test_there_is_no_choice_in_lower_precision_and_without_convolutions(monkeypatch, name, precision):
    tried = []
    monkeypatch.setattr(loop, "_iteration_seconds", lambda state: tried.append(state) or 1.0)
    assert loop._channels_last_is_faster(get(name, batch_size=8), random_data(32, n=20), 0, precision)
    assert len(tried) == 1


def test_a_trial_leaves_random_states_and_data_as_they_were():
    data = random_data(32, n=20)
    images, before = data.train.images.clone(), torch.get_rng_state()
    assert loop._iteration_seconds(init(DCGAN, data, 0)) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(data.train.images, images)


def test_a_run_on_a_cpu_begins_without_a_trial(monkeypatch):
    monkeypatch.setattr(loop, "_iteration_seconds", lambda state: pytest.fail("a trial"))
    data = random_data(32, n=20)
    state = start(DCGAN, data, 0, graphs=False)
    assert (state.warmup_seconds, state.graphs) == (0.0, False)
    assert differing(advance(state, 3), advance(init(DCGAN, data, 0), 3)) == []
