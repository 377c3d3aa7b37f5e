"""Recorded iterations, with a recorder that runs what it recorded: the logic of CUDA graphs, on any machine.

Replaying is then the same arithmetic in the same order, so that all is equal to the bit. Recorders that replay wrongly
test the check of a new graph.
"""

import random
from dataclasses import replace

import pytest
import torch
from states import differing

from gan_zoo.data import StreamedSplit
from gan_zoo.engine import advance, flush, init
from gan_zoo.engine.cuda_graphs import RING, UNROLL, WARM_UP, Graphs
from gan_zoo.losses import Result, cross_entropy
from gan_zoo.losses.penalties import gradient_penalty, zero_centered
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data


def _small(spec):
    return mlp(spec, generator=(8,), discriminator=(8,))


def _variant(name="cgan", **changes):
    return replace(get(name), **{"networks": _small, "batch_size": 4, **changes})


ADAM = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=1e-2), "betas": (0.5, 0.999), "eps": 1e-7})
SHARED = {"shared_step_count": True, "generator_optimizer": ADAM, "discriminator_optimizer": ADAM}
WEIGHT = Schedule(10.0, "cosine", end=0.0, length=12)
VARIANTS = {
    "one step": _variant(),
    "penalty, noise and average": _variant(penalties=(gradient_penalty(),), ema=0.9),
    "several steps an iteration": _variant(discriminator_steps=3),
    "fresh fakes": _variant(generator_batch_size=6, generator_steps=2),
    "replacement": _variant(sampling="replacement", fake_batch_size=6),
    "packs": _variant("gan", packing=2),
    "packs with replacement": _variant("gan", packing=2, sampling="replacement", batch_size=5),
    "one full batch": _variant(),
    "shared step count": _variant(discriminator_steps=2, **SHARED),
    "schedules": _variant(
        "gan",
        penalties=(gradient_penalty(WEIGHT), zero_centered("real", WEIGHT)),
        ema=Schedule(0.5, "linear", end=0.9, length=100, over="images"),
        **SHARED,
    ),
}
SAMPLES = {"one full batch": 4}


def _start(name):
    return init(VARIANTS[name], random_data(8, n=SAMPLES.get(name, 45)), seed=3)


class _Replayed:
    """A graph that runs what it recorded, and then may do something else to the state."""

    def __init__(self, run, log, state=None, wrong=None):
        self.run, self.log, self.state, self.wrong = run, log, state, wrong

    def replay(self):
        self.log.append(self.run)
        self.run()
        if self.wrong is not None:
            self.wrong(self.state)


def _graphed(state, wrong=None):
    log = []
    state.recorded = Graphs(state, None, record=lambda run, _state: _Replayed(run, log, state, wrong))
    return state.recorded, log


DEAR = ("several steps an iteration", "fresh fakes")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in DEAR else []) for name in VARIANTS]
)
def test_recorded_iterations_are_the_eager_ones_to_the_bit(name):
    eager, recorded = _start(name), _start(name)
    graphs, log = _graphed(recorded)
    for iterations in (1, 7, 30, 2, 61):
        advance(eager, iterations)
        graphs.advance(recorded, iterations)
        assert (recorded.iterations, recorded.images) == (eager.iterations, eager.images)
        assert flush(recorded) == pytest.approx(flush(eager), rel=1e-6)  # means in another order
    assert differing(recorded, eager) == []
    assert log
    assert (recorded.execution, recorded.notices) == ("CUDA graphs", [])


def test_full_iterations_are_unrolled_and_each_shape_warms_up():
    """46 samples in batches of 4 are 11 full iterations and one of 2."""
    state = init(_variant(), random_data(8, n=46), seed=0)
    graphs, log = _graphed(state)
    graphs.advance(state, 12 * (WARM_UP + 2))
    assert set(graphs.recorded) == {((4,), UNROLL), ((4,), 1), ((2,), 1)}
    assert state.iterations == 12 * (WARM_UP + 2)
    full, last = 11 * (WARM_UP + 2) - WARM_UP, 2
    # Of the first epoch's 11 full iterations 8 are left to replay, one graph; then 8 and 3 single ones an epoch.
    assert len(log) == 1 + (full - 8) // 11 * 4 + last


def test_an_iteration_over_the_end_of_an_epoch_is_not_recorded():
    state = init(_variant(discriminator_steps=3), random_data(8, n=46), seed=0)
    graphs, _ = _graphed(state)
    graphs.advance(state, 60)
    assert all(len(set(sizes)) == 1 or sizes == (4, 4, 2) for sizes, _ in graphs.recorded)
    assert state.images > 3 * 46


@pytest.mark.slow
def test_the_ring_never_overflows():
    eager, state = _start("replacement"), _start("replacement")
    graphs, _ = _graphed(state)
    iterations = RING + 3 * UNROLL
    graphs.advance(state, iterations)
    advance(eager, iterations)
    assert sum(len(row) for row in state.history.pending) == iterations
    assert flush(state) == pytest.approx(flush(eager), rel=1e-5)


def test_streamed_images_are_never_recorded_and_train_the_same():
    eager, streamed = _start("one step"), _start("one step")
    streamed.data = StreamedSplit(streamed.data.images, streamed.data.labels)
    graphs, log = _graphed(streamed)
    graphs.advance(streamed, 2 * UNROLL)
    assert log == []
    assert "streamed from the host" in streamed.execution
    assert differing(streamed, advance(eager, 2 * UNROLL)) == []


def _wrong_weight(state, by=1e-3):
    with torch.no_grad():
        next(state.networks.discriminator.parameters()).view(-1)[0] += by


def _wrong_moment(state):
    next(iter(state.optimizers.generator.state.values()))["exp_avg"].zero_()


def _wrong_row(state):
    state.recorded.ring[0, 1] += 1e-3


def _wrong_random_state(state):
    torch.rand(1, generator=state.random["latent"])


def _wrong_default_random_state(_state):
    torch.rand(1)


def _raises(_state):
    raise RuntimeError("invalid argument\nmore")


WRONG = {
    "discriminator.": _wrong_weight,
    "generator_optimizer": _wrong_moment,
    "recorded values": _wrong_row,
    "random state 'latent'": _wrong_random_state,
    "random state 'default'": _wrong_default_random_state,
    "a CUDA graph cannot be recorded: invalid argument": _raises,
}


@pytest.mark.parametrize(
    "name", ["one step", "penalty, noise and average", "several steps an iteration", "replacement"]
)
@pytest.mark.parametrize("wrong", WRONG)
def test_after_a_graph_that_replays_wrongly_training_is_the_eager_one(name, wrong):
    eager, state = _start(name), _start(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        before = torch.get_rng_state()
        _graphed(state, WRONG[wrong])[0].advance(state, 30)
        assert torch.equal(torch.get_rng_state(), before)
    advance(eager, 30)
    assert state.execution.startswith("eager: ")
    assert wrong in state.execution
    assert [wrong in notice and "\n" not in notice for notice in state.notices] == [True]
    assert differing(state, eager) == []
    assert torch.equal(torch.cat(state.history.pending), torch.cat(eager.history.pending))


def _unrepeatable():
    """An objective whose steps do not repeat to the bit, as kernels that add in no fixed order do not."""
    base, noise = cross_entropy(), random.Random(0)

    def generator(step, state):
        result = base.generator(step, state)
        factor = 1 + 1e-6 * noise.random()
        return Result({name: value * factor for name, value in result.terms.items()})

    return replace(base, generator=generator)


@pytest.mark.parametrize(("wrong", "execution"), [(0.0, "CUDA graphs"), (1e-2, "eager: a replayed CUDA graph differs")])
def test_where_eager_steps_do_not_repeat_to_the_bit_a_replay_need_not_either(wrong, execution):
    state = init(_variant(objective=_unrepeatable()), random_data(8, n=45), seed=3)
    _graphed(state, lambda state: _wrong_weight(state, wrong))[0].advance(state, 30)
    assert state.execution.startswith(execution)
    assert state.iterations == 30


def test_a_count_that_a_graph_would_freeze_is_noticed():
    """A recording runs Python once; what that counts must be undone, and a replay that leaves it behind is wrong."""

    class Frozen(_Replayed):
        def replay(self):
            groups = [group for optimizer in state.optimizers for group in optimizer.param_groups]
            counts = [group["taken"] for group in groups]
            self.run()
            for group, count in zip(groups, counts, strict=True):
                group["taken"] = count

    def count_step(optimizer, _args=None, _kwargs=None):
        optimizer.param_groups[0]["taken"] += 1

    def record(run, state):
        for optimizer in state.optimizers:
            count_step(optimizer)  # as the step within the recording does
        return Frozen(run, [])

    state = _start("one step")
    for optimizer in state.optimizers:
        optimizer.param_groups[0]["taken"] = 0
        optimizer.register_step_post_hook(count_step)
    Graphs(state, None, record=record).advance(state, 30)
    assert "number that an optimizer keeps on the host" in state.execution
    assert [optimizer.param_groups[0]["taken"] for optimizer in state.optimizers] == [30, 30]


def test_the_seconds_of_recording_and_checking_are_counted_apart():
    state = _start("one step")
    graphs, _ = _graphed(state)
    seconds = []
    for iterations in (WARM_UP, 1, 1):
        graphs.advance(state, iterations)
        seconds.append(state.warmup_seconds)
    assert seconds[0] == 0 < seconds[1] == seconds[2]
