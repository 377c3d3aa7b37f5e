"""CUDA graphs against round-by-round training, on CUDA."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, checkpoint, flush, init, start
from gan_zoo.engine.cuda_graphs import Graphs, _replace_generators, record_cuda
from gan_zoo.losses import Result, cross_entropy
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data

pytestmark = pytest.mark.cuda

ROUNDS = 41


def _dropping(spec):
    generator, discriminator = linear_stem(spec, width=4)
    discriminator.body.insert(1, nn.Dropout(0.5))
    return generator, discriminator


ADAM = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=1e-2), "betas": (0.5, 0.999), "eps": 1e-7})
VARIANTS = {
    "gan": replace(get("gan"), batch_size=8),
    "cgan": replace(get("cgan"), batch_size=8, ema=0.9),
    "dcgan": replace(get("dcgan", width=8), batch_size=8),
    "penalty": replace(get("cgan"), batch_size=8, penalties=(gradient_penalty(),)),
    "steps": replace(get("gan"), batch_size=8, discriminator_steps=5, discriminator_optimizer=Optimizer("RMSprop", {})),
    "dropout": replace(get("dcgan"), networks=_dropping, batch_size=8),
    "shared step count": replace(
        get("gan"), batch_size=8, shared_step_count=True, generator_optimizer=ADAM, discriminator_optimizer=ADAM
    ),
    "replacement": replace(get("cgan"), batch_size=8, sampling="replacement", fake_batch_size=4),
}


def _start(name, precision="fp32", *, graphs=True):
    state = init(VARIANTS[name], random_data(32, n=118).to("cuda"), seed=1, precision=precision)
    state.graphs = graphs
    return state


def _weights(state):
    return torch.cat([p.detach().flatten() for network in state.networks for p in network.parameters()])


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", VARIANTS)
def test_graphs_give_what_single_rounds_give(name, precision):
    """The kernels are the same; what may differ is an order of sums: relative 1e-3 after 41 rounds."""
    eager, graphed = _start(name, precision, graphs=False), _start(name, precision)
    for state in (eager, graphed):
        advance(state, 11)
        advance(state, ROUNDS - 11)
    assert eager.execution == "eager"
    assert graphed.execution == "CUDA graphs"
    assert graphed.recorded.recorded
    assert flush(graphed) == pytest.approx(flush(eager), rel=1e-3, abs=1e-4)
    torch.testing.assert_close(_weights(graphed), _weights(eager), rtol=1e-3, atol=1e-4)
    for purpose, generator in eager.random.items():
        assert torch.equal(graphed.random[purpose].get_state(), generator.get_state())
    assert torch.equal(graphed.default_random, eager.default_random)
    assert torch.equal(graphed.order, eager.order)
    assert (graphed.images, graphed.iterations, graphed.cursor) == (eager.images, eager.iterations, eager.cursor)


def test_the_gradient_of_a_penalty_reaches_the_critic_inside_a_graph():
    weights = {}
    for weight in (0.0, 10.0):
        variant = replace(VARIANTS["penalty"], penalties=(gradient_penalty(weight),))
        state = init(variant, random_data(32, n=118).to("cuda"), seed=1)
        advance(state, ROUNDS)
        assert state.execution == "CUDA graphs"
        weights[weight] = _weights(state)
    assert not torch.allclose(weights[0.0], weights[10.0], atol=1e-3)


def _waiting():
    plain = cross_entropy()

    def generator(step, state):
        result = plain.generator(step, state)
        return Result({name: value * (1 + 0 * value.item()) for name, value in result.terms.items()})

    return replace(plain, generator=generator)


def test_a_variant_that_waits_for_the_device_is_run_round_by_round_and_says_so():
    variant = replace(VARIANTS["gan"], objective=_waiting())
    state = init(variant, random_data(32, n=118).to("cuda"), seed=1)
    plain = _start("gan", graphs=False)
    advance(state, ROUNDS)
    advance(plain, ROUNDS)
    assert state.execution == "eager: an iteration waits for the device"
    assert flush(state) == pytest.approx(flush(plain), rel=1e-3, abs=1e-4)


def test_a_recording_that_breaks_off_leaves_a_run_that_goes_on():
    def broken(run, state):
        def waiting():
            run()
            torch.cuda.synchronize()

        return record_cuda(waiting, state)

    state, plain = _start("dropout"), _start("dropout", graphs=False)
    state.recorded = Graphs(state, torch.cuda.Stream(), record=broken)
    advance(state, ROUNDS)
    advance(plain, ROUNDS)
    assert state.execution.startswith("eager: ")
    assert flush(state) == pytest.approx(flush(plain), rel=1e-3, abs=1e-4)


def test_recordings_that_break_off_keep_no_memory():
    """Each allocates 64 MiB; before torch 2.12 its pool would be kept for the rest of the process."""
    state = advance(_start("gan", graphs=False), 3)

    def broken():
        torch.ones(2**24, device="cuda")
        torch.cuda.synchronize()

    reserved = []
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(4):
            with pytest.raises(RuntimeError):
                record_cuda(broken, state)
            _replace_generators(state)
            torch.cuda.empty_cache()
            reserved.append(torch.cuda.memory_reserved())
    assert reserved[-1] <= reserved[0]
    assert torch.ones(3, device="cuda").sum().item() == 3


def test_a_graph_that_replays_wrongly_is_not_used():
    class Wrong:
        def __init__(self, graph, state):
            self.graph, self.state = graph, state

        def replay(self):
            self.graph.replay()
            with torch.no_grad():
                next(self.state.networks.discriminator.parameters()).view(-1)[0] += 1e-2

    state, plain = _start("cgan"), _start("cgan", graphs=False)
    state.recorded = Graphs(state, torch.cuda.Stream(), record=lambda run, state: Wrong(record_cuda(run, state), state))
    advance(state, ROUNDS)
    advance(plain, ROUNDS)
    assert "differs from eager steps" in state.execution
    torch.testing.assert_close(_weights(state), _weights(plain), rtol=1e-3, atol=1e-4)
    assert all(torch.equal(state.random[use].get_state(), plain.random[use].get_state()) for use in plain.random)


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_a_run_begins_warm_and_its_graphs_pass_their_check(name):
    variant = get(name, batch_size=8)
    outside = torch.cuda.get_rng_state()
    state = start(variant, random_data(32, n=118).to("cuda"), seed=1)
    assert state.warmup_seconds > 0
    assert torch.equal(torch.cuda.get_rng_state(), outside)
    advance(state, ROUNDS)
    assert (state.execution, state.notices) == ("CUDA graphs", [])


def test_an_optimizer_that_counts_on_the_host_is_not_recorded():
    variant = replace(VARIANTS["gan"], discriminator_optimizer=Optimizer("Adagrad", {"lr": 1e-3, "lr_decay": 0.1}))
    state = advance(init(variant, random_data(32, n=118).to("cuda"), seed=1), ROUNDS)
    assert state.execution in ("CUDA graphs", "eager: an optimizer counts its steps on the host")
    counts = [moments["step"].is_cuda for moments in state.optimizers.discriminator.state.values()]
    assert all(counts) == (state.execution == "CUDA graphs")


@pytest.mark.parametrize(("name", "graphs", "before", "rounds"), [("penalty", False, 3, 2), ("cgan", True, ROUNDS, 10)])
def test_rounds_do_not_wait_for_the_device(name, graphs, before, rounds):
    """What is recorded stays there until it is flushed, be it from single rounds or from a replay."""
    state = advance(_start(name, graphs=graphs), before)
    torch.cuda.set_sync_debug_mode("error")
    try:
        advance(state, rounds)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(row.is_cuda for row in state.history.pending)


def test_a_checkpoint_of_a_graphed_run_goes_on_as_the_run_does(tmp_path):
    variant = get("cgan", batch_size=8)
    data = random_data(32, n=118).to("cuda")
    state = advance(init(variant, data, seed=1), ROUNDS)
    checkpoint.save(state, tmp_path / "state.safetensors")
    restored = checkpoint.restore(init(variant, data, seed=1), checkpoint.load(tmp_path / "state.safetensors"))
    advance(state, 20)
    advance(restored, 20)
    torch.testing.assert_close(_weights(restored), _weights(state), rtol=1e-3, atol=1e-4)
    assert torch.equal(restored.random["latent"].get_state(), state.random["latent"].get_state())
