"""Data parallel training: every loss is that of one process, whatever its terms, and its gradients are too."""

import os
import socket
import subprocess
import sys
import threading

import gloo_process
import pytest
import torch
from processes import in_threads
from states import differing, parameters
from torch import nn

from gan_zoo import registry
from gan_zoo.engine import advance, init
from gan_zoo.engine.parallel import Parallel, average_buffers, gather, scatter, seed_dropout, sum_gradients
from gan_zoo.errors import GanZooError

STEPS = 8
PLAIN = {"norm": "none", "generator_norm": "none"}
LOCK = threading.Lock()


def started(variant, data, parallel=None):
    with LOCK:  # Weights come from torch's default generator, which threads share.
        return init(variant, data, 0, dtype=torch.float64, parallel=parallel)


def trained(variant, data, parallel=None, steps=STEPS):
    return advance(started(variant, data, parallel), steps)


def error(state, other):
    pairs = zip(parameters(state), parameters(other), strict=True)
    return max((one - two).abs().max().item() for one, two in pairs)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("rows", [6, 7, 8])
def test_rows_are_scattered_and_gathered_in_their_order(size, rows):
    batch = torch.arange(rows * 2.0).view(rows, 2)
    found = in_threads(size, lambda parallel: scatter(parallel, batch))
    for rank, own in enumerate(found):
        assert torch.equal(own, batch[rank::size])
    for whole in in_threads(size, lambda parallel: gather(parallel, scatter(parallel, batch), rows)):
        assert torch.equal(whole, batch)


def test_gradients_are_those_of_the_whole_batch_to_the_second_order():
    """With y_i = (w x_i)^3 and s = sum_i (dy_i / dx_i)^2 = sum_i 9 w^6 x_i^4, ds / dw = 54 w^5 sum_i x_i^4."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)

    def second_order(parallel):
        w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        points = x.clone().requires_grad_()
        cubes = gather(parallel, (w * scatter(parallel, points)) ** 3, len(x))
        (slope,) = torch.autograd.grad(cubes.sum(), points, create_graph=True)
        (gradient,) = torch.autograd.grad(slope.square().sum(), w)
        return slope.detach(), gradient

    found = in_threads(2, second_order)
    for slope, _ in found:
        assert slope.tolist() == pytest.approx((3 * 0.5**3 * x**2).tolist())
    assert sum(gradient.item() for _, gradient in found) == pytest.approx(54 * 0.5**5 * (x**4).sum().item())


@pytest.mark.parametrize("name", registry.names())
def test_a_run_of_two_processes_is_that_of_one(tiny, pixels, name):
    """All variants of the package, on small networks without batch norm; the last batch of an epoch has 5 samples."""
    known = registry.get(name)
    sizes = {key: 8 for key in ("fake_batch_size", "generator_batch_size") if getattr(known, key)}
    variant = tiny(name, **PLAIN | ({"norm": "spectral"} if known.norm == "spectral" else {}), **sizes)
    data = pixels(45 if variant.packing == 1 else 48)
    alone = trained(variant, data)
    for state in in_threads(2, lambda parallel: trained(variant, data, parallel)):
        assert error(state, alone) < 1e-10
        assert state.history.names == alone.history.names
        recorded, expected = (torch.cat(each.history.pending) for each in (state, alone))
        assert torch.allclose(recorded, expected, rtol=1e-8, atol=1e-9)
        assert [state.images, state.cursor] == [alone.images, alone.cursor]


def test_three_processes_share_packs(tiny, pixels):
    """12 samples are 6 packs; the last batch of an epoch, 12 samples of 36, is shared too."""
    variant = tiny("pacgan", batch_size=24, **PLAIN)
    alone = trained(variant, pixels(36))
    for state in in_threads(3, lambda parallel: trained(variant, pixels(36), parallel)):
        assert error(state, alone) < 1e-10


def test_processes_have_the_same_state_also_with_batch_norm(tiny, pixels):
    """So that the checkpoint of rank 0 is that of all; masks of dropout alone are drawn by each process."""
    variant = tiny("gan", norm="batch", generator_norm="batch", ema=0.9, batch_size=12)
    states = in_threads(3, lambda parallel: trained(variant, pixels(40), parallel, 7))
    for other in states[1:]:
        assert set(differing(states[0], other)) <= {"random.default"}
    assert error(states[0], trained(variant, pixels(40), steps=7)) > 1e-6, "batch norm is over the own samples"
    assert "batch norm is over the 4 samples of each process" in states[0].notices[0]


def test_synchronized_batch_norm_has_the_parameters_of_batch_norm(tiny, pixels):
    """Its forward pass needs CUDA."""
    variant = tiny("gan", norm="batch", generator_norm="batch")
    plain = started(variant, pixels(), Parallel(0, 2, None))
    state = started(variant, pixels(), Parallel(0, 2, None, sync_batch_norm=True))
    for network, other in zip(state.networks, plain.networks, strict=True):
        norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        assert norms
        assert {type(norm) for norm in norms} == {nn.SyncBatchNorm}
        assert all(value.equal(other.state_dict()[name]) for name, value in network.state_dict().items())
    trained = {id(p) for optimizer in state.optimizers for group in optimizer.param_groups for p in group["params"]}
    assert trained == {id(parameter) for parameter in parameters(state)}
    assert (state.notices, len(plain.notices)) == ([], 1)


def test_buffers_are_averaged():
    """The running mean is that of the whole batch, the variance the mean of those of its parts."""
    batch = torch.tensor([[1.0], [2.0], [5.0], [8.0]])

    def running(parallel):
        norm = nn.BatchNorm1d(1, momentum=1.0)
        norm(scatter(parallel, batch))
        average_buffers(parallel, [norm])
        return norm.running_mean.item(), norm.running_var.item(), norm.num_batches_tracked.item()

    # Parts 1, 5 and 2, 8 with the variances 8 and 18.
    assert in_threads(2, running) == [(4.0, 13.0, 1)] * 2


def test_gradients_are_summed_whatever_their_layout():
    def summed(parallel):
        layouts = torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last), torch.ones(3), torch.ones(1)
        parameters = [nn.Parameter(weight) for weight in layouts]
        for parameter in parameters[:2]:
            values = torch.arange(parameter.numel(), dtype=torch.float32).view(parameter.shape)
            parameter.grad = torch.empty_like(parameter).copy_(values * (parallel.rank + 1))
        sum_gradients(parallel, parameters)
        assert parameters[0].grad.is_contiguous(memory_format=torch.channels_last)
        assert parameters[2].grad is None
        return [parameter.grad.flatten().tolist() for parameter in parameters[:2]]

    for first, second in in_threads(2, summed):
        assert first == [3.0 * value for value in range(96)]
        assert second == [0.0, 3.0, 6.0]


def test_masks_of_dropout_differ_between_processes_and_iterations_and_repeat():
    def mask(parallel, iteration):
        generator = torch.Generator()
        seed_dropout(parallel, generator, 0, iteration)
        return torch.rand(8, generator=generator).tolist()

    masks = [in_threads(2, lambda parallel, at=at: mask(parallel, at)) for at in (0, 1, 0)]
    assert masks[0] == masks[2]
    assert len({tuple(each) for row in masks[:2] for each in row}) == 4


@pytest.mark.parametrize(
    ("changes", "fitting"),
    [
        ({"batch_size": 9}, "batch_size=8"),
        ({"batch_size": 3}, "batch_size=4"),
        ({"batch_size": 8, "generator_batch_size": 6}, None),
        ({"batch_size": 8, "generator_batch_size": 7}, "generator_batch_size=6"),
        ({"name": "pacgan", "batch_size": 10}, "batch_size=8"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can(tiny, pixels, changes, fitting):
    variant = tiny(**changes)
    if fitting is None:
        in_threads(2, lambda parallel: started(variant, pixels(), parallel))
        return
    with pytest.raises(GanZooError, match=f"cannot be shared by 2 processes.*--set {fitting}"):
        in_threads(2, lambda parallel: started(variant, pixels(), parallel))


def test_a_last_batch_of_fewer_than_two_samples_a_process_is_dropped(tiny, pixels):
    """For batch norm: of 19 samples in batches of 8, one process trains on the last 3, two do not."""
    variant = tiny(generator_norm="batch")
    assert trained(variant, pixels(19), steps=3).images == 19
    assert [state.images for state in in_threads(2, lambda one: trained(variant, pixels(19), one, 3))] == [24, 24]


@pytest.mark.slow
def test_two_processes_by_gloo_are_one_process_to_1e_10(tmp_path):
    """After 20 steps in float64: a plain loss, a gradient penalty, and a term of all pairs of samples."""
    names = ["gan", "wgan_gp", "ebgan"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    begun = []
    for rank in range(2):
        words = [sys.executable, gloo_process.__file__, *names, "20", str(tmp_path)]
        among = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        begun.append(subprocess.Popen(words, env=os.environ | among | where, stderr=subprocess.PIPE, text=True))
    for process in begun:
        assert (process.communicate(timeout=200)[1], process.returncode) == ("", 0)
    for name in names:
        alone = gloo_process.trained(name, 20)
        for rank in range(2):
            found = torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True)
            assert (found - alone).abs().max() < 1e-10, name
