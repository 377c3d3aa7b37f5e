"""Recorded rounds, with a recorder that runs what it recorded: the logic of CUDA graphs, on any machine.

Replaying is then the same arithmetic in the same order, so that all is equal to the bit. Recorders that replay wrongly
test the check of a new graph.
"""

import random
from dataclasses import replace

import pytest
import torch

from gan_zoo.data import StreamedSplit
from gan_zoo.engine import advance, flush, init
from gan_zoo.engine.cuda_graphs import RING, UNROLL, WARM_UP, Graphs
from gan_zoo.losses import Result, cross_entropy
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data


class _Replayed:
    def __init__(self, run, log):
        self.run, self.log = run, log

    def replay(self):
        self.log.append(self.run)
        self.run()


def _small(spec):
    return mlp(spec, generator=(8,), discriminator=(8,))


def _variant(name="cgan", **changes):
    return replace(get(name), networks=_small, batch_size=4, **changes)


ADAM = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=1e-2), "betas": (0.5, 0.999), "eps": 1e-7})
VARIANTS = {
    "one step": _variant(),
    "penalty, noise and average": _variant(penalties=(gradient_penalty(),), ema=0.9),
    "several steps a round": _variant(discriminator_steps=3),
    "fresh fakes": _variant(generator_batch_size=6, generator_steps=2),
    "replacement": _variant(sampling="replacement", fake_batch_size=6),
    "packs": _variant("gan", packing=2),
    "packs with replacement": replace(_variant("gan", packing=2, sampling="replacement"), batch_size=5),
    "one full batch": _variant(),
    "shared step count": _variant(
        shared_step_count=True, generator_optimizer=ADAM, discriminator_optimizer=ADAM, discriminator_steps=2
    ),
}
SAMPLES = {"one full batch": 4}


def _start(name):
    return init(VARIANTS[name], random_data(8, n=SAMPLES.get(name, 45)), seed=3)


def _graphed(state):
    log = []
    return Graphs(state, None, record=lambda run, _state: _Replayed(run, log)), log


def _numbers(state):
    weights = [p.detach().flatten() for network in state.networks for p in network.parameters()]
    moments = [
        value.flatten()
        for optimizer in state.optimizers
        for values in optimizer.state.values()
        for value in values.values()
    ]
    return torch.cat([*weights, *moments])


COUNTS = ("images", "discriminator_steps", "generator_steps", "iterations", "cursor")


@pytest.mark.parametrize("name", VARIANTS)
def test_recorded_rounds_are_the_plain_ones_to_the_bit(name):
    plain, recorded = _start(name), _start(name)
    graphs, log = _graphed(recorded)
    for rounds in (1, 7, 30, 2, 61):
        advance(plain, rounds)
        graphs.advance(recorded, rounds)
        assert [getattr(plain, count) for count in COUNTS] == [getattr(recorded, count) for count in COUNTS]
        assert flush(recorded) == pytest.approx(flush(plain), rel=1e-6)  # means in another order
    assert torch.equal(_numbers(recorded), _numbers(plain))
    assert torch.equal(recorded.order, plain.order)
    assert all(torch.equal(recorded.random[use].get_state(), plain.random[use].get_state()) for use in plain.random)
    assert log
    assert recorded.execution == "CUDA graphs"
    assert recorded.notices == []


def test_full_rounds_are_unrolled_and_each_shape_warms_up():
    """46 samples in batches of 4 are 11 full rounds and one of 2."""
    state = init(_variant(), random_data(8, n=46), seed=0)
    graphs, log = _graphed(state)
    graphs.advance(state, 12 * (WARM_UP + 2))
    assert set(graphs.recorded) == {((4,), UNROLL), ((4,), 1), ((2,), 1)}
    assert state.iterations == 12 * (WARM_UP + 2)
    full, last = 11 * (WARM_UP + 2) - WARM_UP, 2
    # Of the first epoch's 11 full rounds 8 are left to replay, one graph; then 8 and 3 single ones an epoch.
    assert len(log) == 1 + (full - 8) // 11 * 4 + last


def test_a_round_over_the_end_of_an_epoch_is_not_recorded():
    state = init(_variant(discriminator_steps=3), random_data(8, n=46), seed=0)
    graphs, _ = _graphed(state)
    graphs.advance(state, 60)
    assert all(len(set(sizes)) == 1 or sizes == (4, 4, 2) for sizes, _ in graphs.recorded)
    assert state.images > 3 * 46


def test_the_ring_never_overflows():
    plain, state = _start("replacement"), _start("replacement")
    graphs, _ = _graphed(state)
    rounds = RING + 3 * UNROLL
    graphs.advance(state, rounds)
    advance(plain, rounds)
    assert sum(len(row) for row in state.history.pending) == rounds
    assert flush(state) == pytest.approx(flush(plain), rel=1e-5)


def test_what_cannot_be_recorded_is_run_round_by_round_and_says_so():
    def refuse(run, state):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    plain, state = _start("one step"), _start("one step")
    Graphs(state, None, record=refuse).advance(state, 20)
    advance(plain, 20)
    assert torch.equal(_numbers(state), _numbers(plain))
    assert state.execution == (
        "eager: a CUDA graph cannot be recorded: operation not permitted when stream is capturing"
    )
    assert len(state.notices) == 1


def test_streamed_images_are_never_recorded_and_train_the_same():
    plain, streamed = _start("one step"), _start("one step")
    streamed.data = StreamedSplit(streamed.data.images, streamed.data.labels)
    (graphs, log), (recorded, _) = _graphed(streamed), _graphed(plain)
    graphs.advance(streamed, 2 * UNROLL)
    recorded.advance(plain, 2 * UNROLL)
    assert log == []
    assert "streamed from the host" in streamed.execution
    assert torch.equal(_numbers(streamed), _numbers(plain))


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
    raise RuntimeError("invalid argument")


WRONG = {
    "discriminator.": _wrong_weight,
    "generator_optimizer": _wrong_moment,
    "recorded values": _wrong_row,
    "random state 'latent'": _wrong_random_state,
    "random state 'default'": _wrong_default_random_state,
    "invalid argument": _raises,
}


class _WrongReplay(_Replayed):
    """Replays rightly, and then does something else to the state."""

    def __init__(self, run, state, wrong):
        super().__init__(run, [])
        self.state, self.wrong = state, wrong

    def replay(self):
        super().replay()
        self.wrong(self.state)


def _wrongly_graphed(state, wrong):
    state.recorded = Graphs(state, None, record=lambda run, _state: _WrongReplay(run, state, wrong))
    return state.recorded


@pytest.mark.parametrize("name", ["one step", "penalty, noise and average", "several steps a round", "replacement"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_graph_that_replays_wrongly_leaves_the_rounds_that_were_run_one_by_one(name, wrong):
    plain, state = _start(name), _start(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _wrongly_graphed(state, WRONG[wrong]).advance(state, 30)
        after = torch.get_rng_state()
        torch.manual_seed(0)
        assert torch.equal(torch.get_rng_state(), after)
    advance(plain, 30)
    assert state.execution.startswith("eager: ")
    assert wrong in state.execution
    assert len(state.notices) == 1
    assert wrong in state.notices[0]
    assert torch.equal(_numbers(state), _numbers(plain))
    assert [getattr(plain, count) for count in COUNTS] == [getattr(state, count) for count in COUNTS]
    assert all(torch.equal(state.random[use].get_state(), plain.random[use].get_state()) for use in plain.random)
    assert torch.equal(torch.cat(state.history.pending), torch.cat(plain.history.pending))


def _trembling():
    """An objective whose steps do not repeat to the bit, as kernels that add in no fixed order do not."""
    plain, noise = cross_entropy(), random.Random(0)

    def generator(step, state):
        result = plain.generator(step, state)
        factor = 1 + 1e-6 * noise.random()
        return Result({name: value * factor for name, value in result.terms.items()})

    return replace(plain, generator=generator)


@pytest.mark.parametrize(("wrong", "execution"), [(0.0, "CUDA graphs"), (1e-2, "eager: a replayed CUDA graph differs")])
def test_where_single_steps_do_not_repeat_to_the_bit_a_replay_need_not_either(wrong, execution):
    state = init(_variant(objective=_trembling()), random_data(8, n=45), seed=3)
    _wrongly_graphed(state, lambda state: _wrong_weight(state, wrong)).advance(state, 30)
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

    def record(run, state):
        for optimizer in state.optimizers:
            optimizer.param_groups[0]["taken"] += 1  # as the step within the recording does
        return Frozen(run, [])

    state = _start("one step")
    for optimizer in state.optimizers:
        optimizer.param_groups[0]["taken"] = 0
        optimizer.register_step_post_hook(_count_step)
    Graphs(state, None, record=record).advance(state, 30)
    assert "number that an optimizer keeps on the host" in state.execution
    assert [optimizer.param_groups[0]["taken"] for optimizer in state.optimizers] == [30, 30]


def _count_step(optimizer, _args, _kwargs):
    optimizer.param_groups[0]["taken"] += 1


def test_the_seconds_of_recording_and_checking_are_kept_apart():
    state = _start("one step")
    graphs, _ = _graphed(state)
    graphs.advance(state, WARM_UP)
    assert state.warmup_seconds == 0
    graphs.advance(state, 1)
    recorded = state.warmup_seconds
    assert recorded > 0
    graphs.advance(state, 1)
    assert state.warmup_seconds == recorded
