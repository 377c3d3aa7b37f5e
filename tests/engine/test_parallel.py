"""Data parallel training: every loss is that of one process, whatever its terms, and its gradients are too."""

import threading

import pytest
import torch
from processes import in_threads
from states import parameters

from gan_zoo import registry
from gan_zoo.engine import advance, init
from gan_zoo.engine.parallel import gather, scatter

STEPS = 20
PLAIN = {"norm": "none", "generator_norm": "none"}


LOCK = threading.Lock()


def _started(variant, data, parallel=None, **options):
    with LOCK:  # Weights come from torch's default generator, which threads share.
        return init(variant, data, 0, dtype=torch.float64, parallel=parallel, **options)


def _trained(variant, data, parallel=None, steps=STEPS):
    return advance(_started(variant, data, parallel), steps)


def _error(state, other):
    pairs = zip(parameters(state), parameters(other), strict=True)
    return max((one - two).abs().max().item() for one, two in pairs)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("rows", [6, 7, 8])
def test_rows_are_scattered_and_gathered_in_their_order(size, rows):
    batch = torch.arange(rows * 2.0).view(rows, 2)
    found = in_threads(size, lambda parallel: scatter(parallel, batch))
    assert [len(own) for own in found] == [len(batch[rank::size]) for rank in range(size)]
    for whole in in_threads(size, lambda parallel: gather(parallel, scatter(parallel, batch), rows)):
        assert torch.equal(whole, batch)


def test_gradients_are_those_of_the_whole_batch_to_the_second_order():
    """f(x) = sum_i (w x_i)^3, s = sum_i |df / dx_i|^2 = sum_i (3 w^3 x_i^2)^2, ds / dw = 54 w^5 sum_i x_i^4."""
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


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.get(name).image_side])
def test_a_run_of_two_processes_is_that_of_one(tiny, pixels, name):
    """All variants of the package, on small networks without batch norm; the last batch of an epoch has 3 samples."""
    changes = dict(PLAIN) | ({"norm": "spectral"} if registry.get(name).norm == "spectral" else {})
    sizes = {key: 8 for key in ("fake_batch_size", "generator_batch_size") if getattr(registry.get(name), key)}
    variant = tiny(name, **changes, **sizes)
    data = pixels(44 + 4)
    alone = _trained(variant, data)
    for state in in_threads(2, lambda parallel: _trained(variant, data, parallel)):
        assert _error(state, alone) < 1e-10
        assert state.history.names == alone.history.names
        assert torch.allclose(torch.cat(state.history.pending), torch.cat(alone.history.pending), rtol=1e-8, atol=1e-9)
        assert [state.images, state.cursor] == [alone.images, alone.cursor]
