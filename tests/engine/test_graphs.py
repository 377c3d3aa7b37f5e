"""Recorded rounds, with a recorder that runs what it recorded: the logic of CUDA graphs, on any machine.

Replaying is then the same arithmetic in the same order, so that all is equal to the bit.
"""

from dataclasses import replace

import pytest
import torch

from gan_zoo.contract import random_data
from gan_zoo.data import StreamedSplit
from gan_zoo.engine import advance, flush, init
from gan_zoo.engine.graphs import RING, UNROLL, WARM_UP, Graphs
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer
from gan_zoo.penalties import gradient_penalty
from gan_zoo.registry import get


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


ADAM = Optimizer("KerasAdam", {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-7}, decay=1e-2)
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


COUNTS = ("images", "discriminator_steps", "generator_steps", "rounds", "cursor")


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


def test_full_rounds_are_unrolled_and_each_shape_warms_up():
    """46 samples in batches of 4 are 11 full rounds and one of 2."""
    state = init(_variant(), random_data(8, n=46), seed=0)
    graphs, log = _graphed(state)
    graphs.advance(state, 12 * (WARM_UP + 2))
    assert set(graphs.recorded) == {((4,), UNROLL), ((4,), 1), ((2,), 1)}
    assert state.rounds == 12 * (WARM_UP + 2)
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
    assert state.execution == "eager: operation not permitted when stream is capturing"


def test_streamed_images_are_never_recorded_and_train_the_same():
    plain, streamed = _start("one step"), _start("one step")
    streamed.data = StreamedSplit(streamed.data.images, streamed.data.labels)
    (graphs, log), (recorded, _) = _graphed(streamed), _graphed(plain)
    graphs.advance(streamed, 2 * UNROLL)
    recorded.advance(plain, 2 * UNROLL)
    assert log == []
    assert "streamed from the host" in streamed.execution
    assert torch.equal(_numbers(streamed), _numbers(plain))
