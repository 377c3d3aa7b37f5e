"""Random numbers of a run: its own, the same however it is cut, and untouched by others."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo import losses
from gan_zoo.engine import Batch, Fakes, advance, flush, init
from gan_zoo.optimizer import Optimizer


def _weights(state):
    return torch.cat([p.detach().flatten() for network in state.networks for p in network.parameters()])


def _dropping(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Dropout(0.5), nn.Linear(32, 1), nn.Flatten(0))


def test_two_and_two_rounds_are_four(tiny, pixels, with_critic):
    variant = with_critic(tiny(), _dropping)
    whole = advance(init(variant, pixels(), seed=0), 4)
    halves = advance(advance(init(variant, pixels(), seed=0), 2), 2)
    assert torch.equal(_weights(whole), _weights(halves))
    assert torch.equal(whole.default_random, halves.default_random)


def test_interleaved_runs_do_not_disturb_each_other(tiny, pixels, with_critic):
    variant = with_critic(tiny(), _dropping)
    alone = [_weights(advance(init(variant, pixels(), seed), 3)) for seed in (0, 1)]
    together = [init(variant, pixels(), seed) for seed in (0, 1)]
    for _ in range(3):
        for state in together:
            advance(state, 1)
            torch.rand(3)
    assert all(torch.equal(_weights(state), weights) for state, weights in zip(together, alone, strict=True))
    assert not torch.equal(*alone)


def test_torchs_own_random_state_is_neither_used_nor_moved(tiny, pixels, with_critic):
    variant = with_critic(tiny(), _dropping)
    made = []
    for outside in (1, 2):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        made.append(_weights(advance(init(variant, pixels(), seed=0), 3)))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*made)


def test_init_leaves_cudas_random_state_alone(tiny, pixels, monkeypatch):
    """torch.manual_seed would seed every device."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail(f"CUDA was seeded with {seed}"))
    init(tiny(), pixels(), seed=0)


def test_dropout_draws_anew_each_step(tiny, pixels, with_critic):
    """With one batch for ever and nothing learned, the scores still change from step to step."""
    still = Optimizer("SGD", {"lr": 0.0})
    variant = with_critic(tiny(generator_optimizer=still, discriminator_optimizer=still), _dropping)
    state = init(variant, pixels(), seed=0)
    batch = Batch(torch.ones(8, 1, 4, 4), torch.zeros(8).long(), Fakes(torch.ones(8, 100), None))
    said = [flush(advance(state, 1, draw=lambda _state: batch))["D(real)"] for _ in range(4)]
    assert len(set(said)) == 4


def test_an_error_in_a_step_leaves_all_as_it_was(tiny, pixels):
    def fail(_step, _state):
        raise ValueError("of the variant")

    state = init(tiny(objective=replace(losses.cross_entropy(), generator=fail)), pixels(), seed=0)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="of the variant"):
        advance(state, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.requires_grad for p in state.networks.discriminator.parameters())
