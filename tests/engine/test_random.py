"""Random numbers of a run: its own, the same however it is cut, and untouched by others."""

from dataclasses import replace

import pytest
import torch
from states import differing, weights
from torch import nn

from gan_zoo import losses
from gan_zoo.engine import Batch, Fakes, advance, flush, init
from gan_zoo.optimizer import Optimizer


def _with_dropout(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Dropout(0.5), nn.Linear(32, 1), nn.Flatten(0))


def test_runs_are_neither_disturbed_by_cuts_nor_by_each_other(tiny, pixels, with_discriminator):
    variant = with_discriminator(tiny(), _with_dropout)
    alone = [advance(init(variant, pixels(), seed), 3) for seed in (0, 1)]
    interleaved = [init(variant, pixels(), seed) for seed in (0, 1)]
    for _ in range(3):
        for state in interleaved:
            advance(state, 1)
            torch.rand(3)
    assert [differing(*pair) for pair in zip(alone, interleaved, strict=True)] == [[], []]
    assert not torch.equal(*map(weights, alone))


def test_torchs_own_random_state_is_neither_used_nor_moved(tiny, pixels, with_discriminator):
    variant = with_discriminator(tiny(), _with_dropout)
    made = []
    for outside in (1, 2):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        made.append(advance(init(variant, pixels(), seed=0), 3))
        assert torch.equal(torch.get_rng_state(), before)
    assert differing(*made) == []


def test_init_leaves_cudas_random_state_alone(tiny, pixels, monkeypatch):
    """torch.manual_seed would seed every device."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail(f"CUDA was seeded with {seed}"))
    init(tiny(), pixels(), seed=0)


def test_every_step_draws_another_dropout_mask(tiny, pixels, with_discriminator):
    """With one batch and learning rates of 0, the scores still change from step to step."""
    still = Optimizer("SGD", {"lr": 0.0})
    variant = with_discriminator(tiny(generator_optimizer=still, discriminator_optimizer=still), _with_dropout)
    state = init(variant, pixels(), seed=0)
    batch = Batch(torch.ones(8, 1, 4, 4), torch.zeros(8).long(), Fakes(torch.ones(8, 100), None))
    assert len({flush(advance(state, 1, draw=lambda _state: batch))["D(real)"] for _ in range(4)}) == 4


def test_an_error_in_a_step_leaves_all_as_it_was(tiny, pixels):
    def fail(_step, _state):
        raise ValueError("of the variant")

    state = init(tiny(objective=replace(losses.cross_entropy(), generator=fail)), pixels(), seed=0)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="of the variant"):
        advance(state, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.requires_grad for p in state.networks.discriminator.parameters())
