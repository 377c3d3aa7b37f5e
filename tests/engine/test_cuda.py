"""The engine on CUDA: as on the CPU, and with CUDA graphs as without."""

from dataclasses import replace

import pytest
import torch
from states import COUNTS, weights
from torch import nn

from gan_zoo.device import pick
from gan_zoo.engine import Sampler, advance, checkpoint, flush, init, start
from gan_zoo.engine.cuda_graphs import Graphs, _replace_generators, record_cuda
from gan_zoo.errors import GanZooError
from gan_zoo.losses import Result, cross_entropy
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data

pytestmark = pytest.mark.cuda

ITERATIONS = 41


def _with_dropout(spec):
    generator, discriminator = linear_stem(spec, width=4)
    discriminator.body.insert(1, nn.Dropout(0.5))
    return generator, discriminator


ADAM = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=1e-2), "betas": (0.5, 0.999), "eps": 1e-7})
VARIANTS = {
    "gan": get("gan", batch_size=8),
    "cgan": get("cgan", batch_size=8),
    "average": replace(get("cgan"), batch_size=8, ema=0.9),
    "dcgan": get("dcgan", width=8, batch_size=8),
    "penalty": replace(get("cgan"), batch_size=8, penalties=(gradient_penalty(),), ema=0.9),
    "steps": replace(get("gan"), batch_size=8, discriminator_steps=5, discriminator_optimizer=Optimizer("RMSprop", {})),
    "dropout": replace(get("dcgan"), networks=_with_dropout, batch_size=8),
    "shared step count": replace(
        get("gan"), batch_size=8, shared_step_count=True, generator_optimizer=ADAM, discriminator_optimizer=ADAM
    ),
    "replacement": replace(get("cgan"), batch_size=8, sampling="replacement", fake_batch_size=4),
}


def _start(name, precision="fp32", *, graphs=True, device="cuda", **changes):
    data = random_data(32, n=118).to(device)
    state = init(replace(VARIANTS[name], **changes), data, seed=1, precision=precision)
    state.graphs = graphs
    return state


def _eager(name, precision="fp32", iterations=ITERATIONS):
    return advance(_start(name, precision, graphs=False), iterations)


def _assert_near(state, other):
    """The kernels are the same; what may differ is an order of sums: relative 1e-3 after 41 iterations."""
    assert flush(state) == pytest.approx(flush(other), rel=1e-3, abs=1e-4)
    torch.testing.assert_close(weights(state), weights(other), rtol=1e-3, atol=1e-4)
    for purpose, generator in other.random.items():
        assert torch.equal(state.random[purpose].get_state(), generator.get_state())
    assert torch.equal(state.default_random, other.default_random)
    assert torch.equal(state.order, other.order)
    assert [getattr(state, name) for name in COUNTS] == [getattr(other, name) for name in COUNTS]


@pytest.mark.parametrize("name", ["dcgan", "penalty"])
def test_weights_begin_as_on_the_cpu(name):
    assert torch.equal(weights(_start(name)), weights(_start(name, device="cpu")))


@pytest.mark.parametrize("name", ["dcgan", "penalty"])
def test_iterations_are_finite_and_repeat(name):
    first, again = (flush(_eager(name, iterations=5)) for _ in range(2))
    assert all(torch.tensor(value).isfinite() for value in first.values())
    assert again == pytest.approx(first, rel=1e-3)


def test_the_devices_own_random_state_is_neither_used_nor_moved():
    drawn = []
    for outside in (1, 2):
        torch.cuda.manual_seed(outside)
        before = torch.cuda.get_rng_state()
        state = _eager("dropout", iterations=2)
        assert torch.equal(torch.cuda.get_rng_state(), before)
        drawn.append(state.default_random)
    assert torch.equal(*drawn)


def test_images_are_made_on_the_device_and_are_those_of_the_cpu():
    """To a grey level: only the order of sums differs."""
    images = Sampler.of(_start("dcgan"))(20)
    assert images.is_cuda
    expected = Sampler.of(_start("dcgan", device="cpu"))(20)
    assert (images.cpu().int() - expected.int()).abs().max() <= 1


def test_a_checkpoint_resumes_on_cuda_and_samples_on_either_device(tmp_path):
    state = advance(_start("dcgan"), 2)
    path = tmp_path / "state.safetensors"
    checkpoint.save(state, path)
    loaded = checkpoint.load(path)
    restored = checkpoint.restore(_start("dcgan"), loaded)
    assert torch.equal(weights(restored), weights(state))
    assert torch.equal(restored.random["latent"].get_state(), state.random["latent"].get_state())
    # Another layout of the weights, so other kernels.
    assert (loaded.sampler("cuda")(5).int() - Sampler.of(state)(5).int()).abs().max() <= 1
    assert (loaded.sampler("cpu")(5).int() - Sampler.of(state)(5).cpu().int()).abs().max() <= 1
    with pytest.raises(GanZooError, match="does not fit"):
        checkpoint.restore(_start("dcgan", device="cpu"), loaded)


def test_a_device_that_is_not_here_is_one_clear_line():
    with pytest.raises(GanZooError, match="'cuda:99' is not here"):
        pick("cuda:99")


def test_matrix_products_are_float32():
    _start("dcgan")
    left, right = (torch.randn(256, 256, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    exact = left.double() @ right.double()
    error = ((left.cuda() @ right.cuda()).cpu().double() - exact).norm() / exact.norm()
    assert error < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", VARIANTS)
def test_graphs_train_as_eager_iterations_do(name, precision):
    graphed = advance(advance(_start(name, precision), 11), ITERATIONS - 11)
    assert graphed.execution == "CUDA graphs"
    assert graphed.recorded.recorded
    eager = _eager(name, precision)
    assert eager.execution == "eager"
    _assert_near(graphed, eager)


def test_the_gradient_of_a_penalty_reaches_the_discriminator_inside_a_graph():
    trained = []
    for weight in (0.0, 10.0):
        state = advance(_start("penalty", penalties=(gradient_penalty(weight),)), ITERATIONS)
        assert state.execution == "CUDA graphs"
        trained.append(weights(state))
    assert not torch.allclose(*trained, atol=1e-3)


def test_a_variant_that_waits_for_the_device_is_eager_and_reported():
    base = cross_entropy()

    def generator(step, state):
        result = base.generator(step, state)
        return Result({name: value * (1 + 0 * value.item()) for name, value in result.terms.items()})

    state = advance(_start("gan", objective=replace(base, generator=generator)), ITERATIONS)
    assert state.execution == "eager: an iteration waits for the device"
    _assert_near(state, _eager("gan"))


def test_after_a_recording_that_breaks_off_training_is_eager():
    def broken(run, state):
        def waiting():
            run()
            torch.cuda.synchronize()

        return record_cuda(waiting, state)

    state = _start("dropout")
    state.recorded = Graphs(state, torch.cuda.Stream(), record=broken)
    advance(state, ITERATIONS)
    assert state.execution.startswith("eager: ")
    _assert_near(state, _eager("dropout"))


def test_recordings_that_break_off_release_their_memory():
    """Each allocates 64 MiB; before torch 2.12 its pool would stay for the rest of the process."""
    state = _eager("gan", iterations=3)

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

    state = _start("cgan")
    state.recorded = Graphs(state, torch.cuda.Stream(), record=lambda run, state: Wrong(record_cuda(run, state), state))
    advance(state, ITERATIONS)
    assert "differs from eager steps" in state.execution
    _assert_near(state, _eager("cgan"))


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_a_run_begins_warm_and_its_graphs_pass_their_check(name):
    outside = torch.cuda.get_rng_state()
    state = start(VARIANTS[name], random_data(32, n=118).to("cuda"), seed=1)
    assert state.warmup_seconds > 0
    assert torch.equal(torch.cuda.get_rng_state(), outside)
    advance(state, ITERATIONS)
    assert (state.execution, state.notices) == ("CUDA graphs", [])


def test_an_optimizer_that_counts_on_the_host_is_not_recorded():
    adagrad = Optimizer("Adagrad", {"lr": 1e-3, "lr_decay": 0.1})
    state = advance(_start("gan", discriminator_optimizer=adagrad), ITERATIONS)
    assert state.execution in ("CUDA graphs", "eager: an optimizer counts its steps on the host")
    counts = [moments["step"].is_cuda for moments in state.optimizers.discriminator.state.values()]
    assert all(counts) == (state.execution == "CUDA graphs")


@pytest.mark.parametrize(
    ("name", "graphs", "before", "iterations"), [("penalty", False, 3, 2), ("cgan", True, ITERATIONS, 10)]
)
def test_iterations_do_not_wait_for_the_device(name, graphs, before, iterations):
    """What is recorded stays there until it is flushed, be it from eager iterations or from a replay."""
    state = advance(_start(name, graphs=graphs), before)
    torch.cuda.set_sync_debug_mode("error")
    try:
        advance(state, iterations)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(row.is_cuda for row in state.history.pending)


def test_a_checkpoint_of_a_run_with_graphs_resumes_as_the_run_does(tmp_path):
    state = advance(_start("cgan"), ITERATIONS)
    checkpoint.save(state, tmp_path / "state.safetensors")
    restored = checkpoint.restore(_start("cgan"), checkpoint.load(tmp_path / "state.safetensors"))
    advance(state, 20)
    advance(restored, 20)
    torch.testing.assert_close(weights(restored), weights(state), rtol=1e-3, atol=1e-4)
    assert torch.equal(restored.random["latent"].get_state(), state.random["latent"].get_state())
